"""Addresses of the manager's pages; one line each, names as in the templates."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import (
    adjudication,
    alpaca,
    arena,
    arena_adding,
    arena_responses,
    audit,
    checks,
    comparing,
    consistency,
    datasets,
    evaluating,
    imports,
    labels,
    members,
    projects,
    pushes,
    quality,
    responses,
    run_page,
    runs,
    tokens,
    webhooks,
)

PROJECTS = [
    path("new-project/", projects.project_new, name="project-new"),
    path("new-project/estimate/", projects.project_estimate, name="project-estimate"),
    path("projects/<slug:slug>/", projects.project_overview, name="project"),
    path("projects/<slug:slug>/progress/", projects.project_live, name="project-live"),
    path("projects/<slug:slug>/settings/", projects.project_settings, name="project-settings"),
    path("projects/<slug:slug>/settings/estimate/", projects.raise_preview, name="raise-preview"),
    path("projects/<slug:slug>/state/", projects.project_state, name="project-state"),
    path("projects/<slug:slug>/audit/", audit.project_audit, name="project-audit"),
    path("projects/<slug:slug>/members/", members.project_members, name="project-members"),
    path("projects/<slug:slug>/members/<int:member_id>/role/", members.member_role, name="member-role"),
    path("projects/<slug:slug>/members/<int:member_id>/remove/", members.member_remove, name="member-remove"),
    path("projects/<slug:slug>/invites/<int:invite_id>/revoke/", members.invite_revoke, name="invite-revoke"),
    path("projects/<slug:slug>/checks/", checks.project_checks, name="project-checks"),
    path("projects/<slug:slug>/checks/<int:gold_id>/", checks.gold_change, name="gold-change"),
    path("projects/<slug:slug>/consistency/", consistency.strengths, name="consistency"),
    path("projects/<slug:slug>/consistency/cycles/", consistency.cycles, name="consistency-cycles"),
    path("projects/<slug:slug>/consistency/flags/", consistency.flagged, name="consistency-flags"),
    path("projects/<slug:slug>/consistency/state/", consistency.live, name="consistency-live"),
    path("projects/<slug:slug>/consistency/compute/", consistency.recompute, name="consistency-recompute"),
    path(
        "projects/<slug:slug>/preferences/<int:preference_id>/",
        consistency.preference_change,
        name="preference-change",
    ),
    path("projects/<slug:slug>/quality/", quality.project_quality, name="project-quality"),
    path("projects/<slug:slug>/quality/live/", quality.quality_live, name="quality-live"),
    path("projects/<slug:slug>/quality/annotators.csv", quality.quality_csv, name="quality-csv"),
    path("projects/<slug:slug>/preferences/", imports.project_preferences, name="project-preferences"),
    path("projects/<slug:slug>/labels/", labels.project_labels, name="project-labels"),
    path("projects/<slug:slug>/imports/", imports.project_imports, name="project-imports"),
    path("imports/<int:import_id>/", imports.import_detail, name="import-detail"),
    path("imports/<int:import_id>/progress/", imports.import_live, name="import-live"),
    path("imports/<int:import_id>/cancel/", imports.import_cancel, name="import-cancel"),
    path("imports/<int:import_id>/rejected.csv", imports.import_rejections, name="import-rejections"),
]
ADJUDICATION = [
    path("projects/<slug:slug>/adjudication/", adjudication.queue, name="adjudication"),
    path("projects/<slug:slug>/adjudication/decided/", adjudication.decided, name="adjudicated"),
    path("projects/<slug:slug>/adjudication/<int:comparison_id>/", adjudication.case, name="dispute"),
    path(
        "projects/<slug:slug>/adjudication/<int:comparison_id>/decide/",
        adjudication.decide,
        name="dispute-decide",
    ),
    path(
        "projects/<slug:slug>/adjudication/<int:comparison_id>/withdraw/",
        adjudication.withdraw,
        name="dispute-withdraw",
    ),
]
WEBHOOKS = [
    path("projects/<slug:slug>/webhooks/", webhooks.project_webhooks, name="project-webhooks"),
    path("projects/<slug:slug>/webhooks/<int:webhook_id>/", webhooks.webhook, name="webhook"),
    path("projects/<slug:slug>/webhooks/<int:webhook_id>/log/", webhooks.webhook_log, name="webhook-log"),
    path("projects/<slug:slug>/webhooks/<int:webhook_id>/test/", webhooks.webhook_test, name="webhook-test"),
    path(
        "projects/<slug:slug>/webhooks/<int:webhook_id>/rotate/",
        webhooks.webhook_rotate,
        name="webhook-rotate",
    ),
    path(
        "projects/<slug:slug>/webhooks/<int:webhook_id>/delete/",
        webhooks.webhook_delete,
        name="webhook-delete",
    ),
    path(
        "projects/<slug:slug>/webhooks/<int:webhook_id>/log/<int:delivery_id>/again/",
        webhooks.webhook_redeliver,
        name="webhook-redeliver",
    ),
]
DATASETS = [
    path("projects/<slug:slug>/datasets/", datasets.dataset_list, name="datasets"),
    path("projects/<slug:slug>/datasets/preview/", datasets.freeze_preview, name="freeze-preview"),
    path("datasets/<int:dataset_id>/", datasets.dataset_page, name="dataset"),
    path("datasets/<int:dataset_id>/progress/", datasets.dataset_live, name="dataset-live"),
    path(
        "datasets/<int:dataset_id>/download/<slug:kind>/", datasets.dataset_download, name="dataset-download"
    ),
    path("datasets/<int:dataset_id>/pushes/", pushes.dataset_pushes, name="dataset-pushes"),
    path("datasets/<int:dataset_id>/pushes/live/", pushes.pushes_live, name="pushes-live"),
    path("datasets/<int:dataset_id>/cancel/", datasets.dataset_cancel, name="dataset-cancel"),
    path("datasets/<int:dataset_id>/delete/", datasets.dataset_delete, name="dataset-delete"),
]
RUNS = [
    path("projects/<slug:slug>/runs/", runs.run_list, name="runs"),
    path("projects/<slug:slug>/runs/new/", runs.run_new, name="run-new"),
    path("projects/<slug:slug>/runs/new/parts/", runs.run_form_parts, name="run-form-parts"),
    path("projects/<slug:slug>/compare/", comparing.compare, name="compare"),
    path("projects/<slug:slug>/compare/data/", comparing.compare_data, name="compare-data"),
    path("projects/<slug:slug>/compare/download/<slug:kind>/", comparing.compare_file, name="compare-file"),
    path("projects/<slug:slug>/leaderboard/", comparing.leaderboard, name="leaderboard"),
    path("runs/<int:run_id>/", run_page.run_page, name="run"),
    path("runs/<int:run_id>/evaluate/", evaluating.run_evaluate, name="run-evaluate"),
    path("runs/<int:run_id>/live/", run_page.run_live, name="run-live"),
    path("runs/<int:run_id>/log/", run_page.run_log, name="run-log"),
    path("runs/<int:run_id>/data/", run_page.run_data, name="run-data"),
    path("runs/<int:run_id>/model/", run_page.run_model, name="run-model"),
    path(
        "runs/<int:run_id>/preferences/<slug:preference_id>/",
        responses.run_preference,
        name="run-preference",
    ),
    path("runs/<int:run_id>/annotations/", alpaca.run_annotations, name="run-annotations"),
    path("runs/<int:run_id>/alpaca-eval/<slug:file>/", alpaca.run_alpaca_file, name="run-alpaca-file"),
    path("runs/<int:run_id>/responses/", responses.run_responses, name="run-responses"),
    path("runs/<int:run_id>/responses/download/", responses.run_responses_file, name="run-responses-file"),
    path("runs/<int:run_id>/cancel/", run_page.run_cancel, name="run-cancel"),
    path("runs/<int:run_id>/resume/", run_page.run_resume, name="run-resume"),
    path("runs/<int:run_id>/delete/", run_page.run_delete, name="run-delete"),
]
ARENA = [
    path("projects/<slug:slug>/arena/add/", arena_adding.add, name="arena-add"),
    path("projects/<slug:slug>/arena/responses/", arena_responses.responses, name="arena-responses"),
    path("projects/<slug:slug>/arena/", arena.results, name="arena"),
    path("projects/<slug:slug>/arena/standings.csv", arena.standings_file, name="arena-standings"),
    path("projects/<slug:slug>/arena/votes.<slug:kind>", arena.votes_file, name="arena-votes"),
]
TOKENS = [
    path("tokens/", tokens.token_list, name="tokens"),
    path("tokens/<slug:token_key>/revoke/", tokens.token_revoke, name="token-revoke"),
]
DESK: list[URLPattern] = [*PROJECTS, *ADJUDICATION, *WEBHOOKS, *DATASETS, *RUNS, *ARENA, *TOKENS]
