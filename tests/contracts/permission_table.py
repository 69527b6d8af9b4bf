"""Who gets what from every endpoint: the expectation the permission test holds the API to.

`Row(scope, owner, admin, annotator, outsider, path, body)`: the statuses they get when signed in; nobody gets
anything but 401 without. A reviewer gets what an annotator gets, unless `reviewer=` says otherwise.
`path` gives the URL's arguments from the world, `body` what is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.contracts.api_world import World

Args = Callable[[World], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    scope: str
    owner: int
    admin: int
    annotator: int
    outsider: int
    path: Args
    body: Args
    reviewing: int | None = None

    @property
    def reviewer(self) -> int:
        if self.reviewing is not None:
            return self.reviewing
        own = self.owner == self.admin == 404  # the annotator's alone, a lease or a label
        return 404 if own else self.annotator


def nothing(world: World) -> dict[str, Any]:
    return {}


def in_project(world: World) -> dict[str, Any]:
    return {"project": world.slug}


def row(
    scope: str,
    statuses: tuple[int, int, int, int],
    path: Args = nothing,
    body: Args = nothing,
    reviewer: int | None = None,
) -> Row:
    return Row(scope, *statuses, path, body, reviewer)


def everyone(scope: str, status: int = 200, path: Args = nothing, body: Args = nothing) -> Row:
    """No project is touched, or only the caller's own things."""
    return row(scope, (status,) * 4, path, body)


def members(scope: str, status: int = 200, path: Args = in_project, body: Args = nothing) -> Row:
    """Every member; for others the project does not exist."""
    return row(scope, (status, status, status, 404), path, body)


def managers(scope: str, status: int = 200, path: Args = in_project, body: Args = nothing) -> Row:
    """Owner and admins; annotators are refused, for others nothing exists."""
    return row(scope, (status, status, 403, 404), path, body)


def reviewers(scope: str, status: int = 200, path: Args = in_project, body: Args = nothing) -> Row:
    """Owner, admins and reviewers; annotators are refused, for others nothing exists."""
    return row(scope, (status, status, 403, 404), path, body, reviewer=status)


def a_webhook(world: World) -> dict[str, Any]:
    return {"project": world.slug, "pk": world.webhook.pk}


def a_delivery(world: World) -> dict[str, Any]:
    return {**a_webhook(world), "delivery": world.delivery.pk}


HOOK = {"url": "https://hooks.example.org/pop", "events": ["run.finished"]}


def a_member(world: World) -> dict[str, Any]:
    return {"project": world.slug, "user": world.cast.ann_two.pk}


def an_invite(world: World) -> dict[str, Any]:
    return {"project": world.slug, "invite": world.invite_and_secret[0].pk}


def an_import(world: World) -> dict[str, Any]:
    return {"pk": world.import_id}


def a_preference(world: World) -> dict[str, Any]:
    return {"pk": world.pair[0]}


def a_gold(world: World) -> dict[str, Any]:
    return {"project": world.slug, "pk": world.gold.pk}


def a_dispute(world: World) -> dict[str, Any]:
    return {"project": world.slug, "pk": world.dispute.pk}


def a_decision(world: World) -> dict[str, Any]:
    return {"project": world.slug, "pk": world.decided.pk}


def a_label(world: World) -> dict[str, Any]:
    return {"pk": world.label.pk}


def a_pair(world: World) -> dict[str, Any]:
    one, other = world.pair
    return {"one": one, "other": other, "answer": "one"}


def answered(world: World) -> dict[str, Any]:
    assert world.answered_by_all
    return in_project(world)


def a_lease(world: World) -> dict[str, Any]:
    return {"pk": world.lease.pk}


def a_dataset(world: World) -> dict[str, Any]:
    return {"pk": world.dataset_row().pk}


def a_queued_dataset(world: World) -> dict[str, Any]:
    return {"pk": world.dataset_row(state="queued", number=78, sha256="").pk}


def a_wanted_push(world: World) -> dict[str, Any]:
    return {"repo_id": "acme/tone", "token": "hf_of_nobody"}


def a_queued_import(world: World) -> dict[str, Any]:
    return {"pk": world.queued_import().pk}


def a_frozen_dataset(world: World) -> dict[str, Any]:
    return {"pk": world.dataset.pk}


def a_push(world: World) -> dict[str, Any]:
    return {"pk": world.push.dataset_id, "push": world.push.pk}


def a_run(state: str = "finished", **fields: object) -> Args:
    return lambda world: {"pk": world.run(state, **fields).pk}


def an_answer(world: World) -> dict[str, Any]:
    return {"verdict": "first", "key": str(uuid4())}


FINISHED = a_run()


def a_run_with_alpaca_files(world: World) -> dict[str, Any]:
    return {"pk": world.run_with_alpaca_files().pk, "file": "outputs"}


def a_runs_preference(world: World) -> dict[str, Any]:
    run = world.run("finished", dataset=world.dataset)
    return {"pk": run.pk, "preference": run.project.preferences.earliest("pk").content_hash}


def an_arena(world: World) -> dict[str, Any]:
    return {"project": world.arena.slug}


def two_responses_more(world: World) -> dict[str, Any]:
    said = [{"prompt": "And why?", "model": name, "response": f"By {name}."} for name in ("Lark", "Wren")]
    return {"entries": said}


def two_responses(world: World) -> dict[str, Any]:
    said = [{"prompt": "Why?", "model": name, "response": f"By {name}."} for name in ("one", "two")]
    return {"name": "Birds", "entries": said}


def a_run_that_answered(world: World) -> dict[str, Any]:
    return {"runs": [world.run_that_answered().pk], "with_reference": True}


TABLE: dict[tuple[str, str], Row] = {
    # yourself
    ("GET", "api-me"): everyone("read"),
    ("GET", "api-tokens"): everyone("read"),
    ("POST", "api-tokens"): everyone("manage", 201, body=lambda _: {"name": "t", "scopes": ["manage"]}),
    ("DELETE", "api-token"): everyone("manage", 204, lambda world: {"key": world.own_token_key}),
    ("POST", "api-invite-accept"): everyone(
        "annotate", body=lambda world: {"secret": world.invite_and_secret[1]}
    ),
    # registries
    ("GET", "api-strategies"): everyone("read"),
    ("GET", "api-formats"): everyone("read"),
    ("GET", "api-workers"): everyone("read"),
    ("GET", "api-methods"): everyone("read"),
    ("GET", "api-evaluations"): everyone("read"),
    ("GET", "api-presets"): everyone("read"),
    ("GET", "api-run-spec-schema"): everyone("read"),
    ("GET", "api-studies"): everyone("read"),
    ("GET", "api-study"): everyone("read", path=lambda _: {"name": "sanity"}),
    # projects
    ("GET", "api-projects"): everyone("read"),
    ("POST", "api-projects"): row("manage", (201, 403, 403, 403), body=lambda _: {"name": "New"}),
    ("GET", "api-project"): members("read"),
    ("PATCH", "api-project"): managers("manage", body=lambda _: {"name": "Other"}),
    ("POST", "api-project-pause"): managers("manage"),
    ("POST", "api-project-reopen"): managers("manage"),
    ("POST", "api-project-archive"): managers("manage"),
    ("GET", "api-project-progress"): members("read"),
    ("GET", "api-project-funnel"): managers("read"),
    ("GET", "api-project-audit"): managers("read"),
    ("GET", "api-project-audit-export"): managers("read"),
    ("GET", "api-project-members"): managers("read"),
    ("PATCH", "api-member"): managers("manage", path=a_member, body=lambda _: {"role": "admin"}),
    ("DELETE", "api-member"): managers("manage", 204, a_member),
    ("GET", "api-project-invites"): managers("read"),
    ("POST", "api-project-invites"): managers("manage", 201),
    ("DELETE", "api-invite"): managers("manage", 204, an_invite),
    ("GET", "api-project-webhooks"): managers("read"),
    ("POST", "api-project-webhooks"): managers("manage", 201, body=lambda _: HOOK),
    ("PATCH", "api-webhook"): managers("manage", path=a_webhook, body=lambda _: {"is_active": False}),
    ("DELETE", "api-webhook"): managers("manage", 204, a_webhook),
    ("POST", "api-webhook-rotate"): managers("manage", path=a_webhook),
    ("POST", "api-webhook-test"): managers("manage", 202, a_webhook),
    ("GET", "api-webhook-deliveries"): managers("read", path=a_webhook),
    ("POST", "api-webhook-redeliver"): managers("manage", 202, a_delivery),
    # preferences
    ("GET", "api-project-imports"): managers("read"),
    ("POST", "api-project-imports"): managers("manage", 202, body=lambda _: {"dataset": "org/name"}),
    ("POST", "api-import-cancel"): managers("manage", path=a_queued_import),
    ("GET", "api-import"): managers("read", path=an_import),
    ("GET", "api-import-rejections"): managers("read", path=an_import),
    ("GET", "api-project-preferences"): managers("read"),
    # strengths, cycles, flags, and preferences taken out or corrected
    ("GET", "api-consistency"): managers("read"),
    ("POST", "api-consistency-recompute"): managers("manage", 202),
    ("GET", "api-strengths"): managers("read"),
    ("GET", "api-flags"): managers("read"),
    ("POST", "api-preference-exclude"): managers("manage", path=a_preference),
    ("POST", "api-preference-include"): managers("manage", path=a_preference),
    ("POST", "api-preference-correct"): managers("manage", path=a_preference),
    # the queue: a lease is its holder's alone
    ("POST", "api-next"): members("annotate"),
    ("POST", "api-undo"): members("annotate", path=answered),
    ("POST", "api-release"): members("annotate"),
    ("POST", "api-heartbeat"): everyone("annotate", body=lambda world: {"ids": [world.lease.pk]}),
    ("POST", "api-label"): row("annotate", (404, 404, 201, 404), a_lease, an_answer),
    # answers after they were given: one's own to change, all of them for managers to read
    ("GET", "api-project-estimate"): managers("read"),
    ("GET", "api-project-labels"): managers("read"),
    ("GET", "api-project-labels-export"): managers("read"),
    ("GET", "api-my-labels"): members("read"),
    ("GET", "api-one-label"): row("read", (200, 200, 200, 404), a_label, reviewer=404),
    ("PATCH", "api-one-label"): row("annotate", (404, 404, 200, 404), a_label, an_answer),
    ("DELETE", "api-one-label"): row("annotate", (404, 404, 204, 404), a_label),
    ("GET", "api-dataset-corrections"): managers("read", path=a_dataset),
    # how good the answers are
    ("GET", "api-quality"): reviewers("read"),
    ("GET", "api-annotators"): managers("read"),
    ("GET", "api-annotator-pairs"): managers("read"),
    # arenas
    ("GET", "api-arenas"): everyone("read"),
    ("POST", "api-arenas"): row("manage", (201, 403, 403, 403), body=two_responses),
    ("GET", "api-arena"): managers("read", path=an_arena),
    ("GET", "api-arena-download"): managers("read", path=an_arena),
    ("GET", "api-arena-votes"): managers("read", path=an_arena),
    ("POST", "api-arena-preferences"): managers("manage", 201, an_arena, lambda world: {"into": world.slug}),
    ("GET", "api-run-arenas"): managers("read"),
    ("POST", "api-arena-entries"): managers("manage", 200, an_arena, two_responses_more),
    ("POST", "api-arena-runs"): managers("manage", 200, an_arena, a_run_that_answered),
    ("POST", "api-run-arenas"): row("manage", (201, 403, 403, 404), in_project, a_run_that_answered),
    # disputed comparisons
    ("GET", "api-disputes"): reviewers("read"),
    ("GET", "api-dispute"): reviewers("read", path=a_dispute),
    ("POST", "api-dispute-decide"): reviewers(
        "annotate", path=a_dispute, body=lambda world: {"outcome": "low"}
    ),
    ("POST", "api-dispute-withdraw"): reviewers("annotate", 204, a_decision),
    # datasets
    ("GET", "api-project-golds"): managers("read"),
    ("POST", "api-project-golds"): managers("manage", 201, in_project, a_pair),
    ("POST", "api-golds-from-scores"): managers(
        "manage", 201, body=lambda world: {"count": 2, "min_gap": 0.5}
    ),
    ("PATCH", "api-gold"): managers("manage", path=a_gold, body=lambda world: {"explanation": "Plain."}),
    ("POST", "api-gold-retire"): managers("manage", path=a_gold),
    ("POST", "api-gold-restore"): managers("manage", path=a_gold),
    ("POST", "api-practice-skip"): managers("annotate", 204),
    ("GET", "api-project-datasets"): managers("read"),
    ("POST", "api-project-datasets"): managers("manage", 202, answered),
    ("GET", "api-project-datasets-preview"): managers("read"),
    ("GET", "api-dataset"): managers("read", path=a_dataset),
    ("DELETE", "api-dataset"): managers("manage", 204, a_dataset),
    ("POST", "api-dataset-cancel"): managers("manage", path=a_queued_dataset),
    ("GET", "api-dataset-download"): managers("read", path=a_frozen_dataset),
    ("GET", "api-dataset-pushes"): managers("read", path=a_dataset),
    ("POST", "api-dataset-pushes"): managers("manage", 202, path=a_dataset, body=a_wanted_push),
    ("GET", "api-dataset-push"): managers("read", path=a_push),
    # runs
    ("GET", "api-project-runs"): managers("read"),
    ("GET", "api-compare"): managers("read"),
    ("GET", "api-compare-file"): managers("read"),
    ("GET", "api-leaderboard"): managers("read"),
    ("GET", "api-sampling"): managers("read"),
    ("POST", "api-runs"): managers("train", 201, nothing, lambda world: {"dataset": world.dataset_row().pk}),
    ("GET", "api-run"): managers("read", path=FINISHED),
    ("DELETE", "api-run"): managers("train", 204, FINISHED),
    ("POST", "api-run-cancel"): managers("train", path=a_run("queued")),
    ("POST", "api-run-resume"): managers("train", path=a_run("cancelled", has_checkpoint=True)),
    ("GET", "api-run-events"): managers("read", path=FINISHED),
    ("GET", "api-run-curves"): managers("read", path=FINISHED),
    ("GET", "api-run-log"): managers("read", path=FINISHED),
    ("GET", "api-run-evaluations"): managers("read", path=FINISHED),
    ("POST", "api-run-annotations"): managers("train", 415, FINISHED),  # JSON is no file
    ("GET", "api-run-alpaca-file"): managers("read", path=a_run_with_alpaca_files),
    ("GET", "api-run-preference"): managers("read", path=a_runs_preference),
    ("GET", "api-run-responses"): managers("read", path=lambda world: {"pk": world.run_with_responses().pk}),
    ("GET", "api-run-model"): managers("read", path=lambda world: {"pk": world.run_with_model().pk}),
}
