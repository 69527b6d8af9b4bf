"""Training's part of /api/v1/."""

from __future__ import annotations

from annotation.api.routing import route
from training.api.views.arenas import RunArenaViewSet
from training.api.views.comparing import (
    CompareFileViewSet,
    CompareViewSet,
    LeaderboardViewSet,
    SamplingViewSet,
)
from training.api.views.registries import (
    EvaluationEntryViewSet,
    MethodViewSet,
    PresetViewSet,
    RunSpecSchemaViewSet,
)
from training.api.views.reports import (
    RunAlpacaFileViewSet,
    RunAnnotationsViewSet,
    RunModelViewSet,
    RunPreferenceViewSet,
    RunReportViewSet,
    RunResponsesViewSet,
)
from training.api.views.runs import ProjectRunViewSet, RunViewSet
from training.api.views.studies import StudyViewSet

RUN = "runs/<id:pk>"

urlpatterns = [
    *route("projects/<slug:project>/runs/", ProjectRunViewSet, "project-runs", get="list"),
    *route("projects/<slug:project>/compare", CompareViewSet, "compare", get="retrieve"),
    *route("projects/<slug:project>/compare/download", CompareFileViewSet, "compare-file", get="retrieve"),
    *route("projects/<slug:project>/arena/runs", RunArenaViewSet, "arena-runs", post="add"),
    *route("projects/<slug:project>/arenas/", RunArenaViewSet, "run-arenas", get="list", post="create"),
    *route("projects/<slug:project>/leaderboard/", LeaderboardViewSet, "leaderboard", get="list"),
    *route("projects/<slug:project>/sampling", SamplingViewSet, "sampling", get="retrieve"),
    *route("runs/", RunViewSet, "runs", post="create"),
    *route(f"{RUN}/", RunViewSet, "run", get="retrieve", delete="destroy"),
    *route(f"{RUN}/cancel", RunViewSet, "run-cancel", post="cancel"),
    *route(f"{RUN}/resume", RunViewSet, "run-resume", post="resume"),
    *route(f"{RUN}/events/", RunReportViewSet, "run-events", get="events"),
    *route(f"{RUN}/curves/", RunReportViewSet, "run-curves", get="curves"),
    *route(f"{RUN}/log/", RunReportViewSet, "run-log", get="log"),
    *route(f"{RUN}/evaluations/", RunReportViewSet, "run-evaluations", get="evaluations"),
    *route(f"{RUN}/alpaca-eval", RunAnnotationsViewSet, "run-annotations", post="create"),
    *route(f"{RUN}/alpaca-eval/<slug:file>", RunAlpacaFileViewSet, "run-alpaca-file", get="retrieve"),
    *route(f"{RUN}/preferences/<slug:preference>/", RunPreferenceViewSet, "run-preference", get="retrieve"),
    *route(f"{RUN}/model", RunModelViewSet, "run-model", get="retrieve"),
    *route(f"{RUN}/responses", RunResponsesViewSet, "run-responses", get="retrieve"),
    *route("studies/", StudyViewSet, "studies", get="list"),
    *route("studies/<slug:name>/", StudyViewSet, "study", get="retrieve"),
    *route("methods/", MethodViewSet, "methods", get="list"),
    *route("evaluations/", EvaluationEntryViewSet, "evaluations", get="list"),
    *route("presets/", PresetViewSet, "presets", get="list"),
    *route("run-spec-schema/", RunSpecSchemaViewSet, "run-spec-schema", get="retrieve"),
]
