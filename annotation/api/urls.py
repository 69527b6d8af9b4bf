"""Annotation's part of /api/v1/."""

from __future__ import annotations

from annotation.api.routing import route
from annotation.api.views.datasets import DatasetDownloadViewSet, DatasetViewSet, ProjectDatasetViewSet
from annotation.api.views.imports import ImportViewSet, PreferenceViewSet, ProjectImportViewSet
from annotation.api.views.people import InviteAcceptViewSet, InviteViewSet, MeViewSet, TokenViewSet
from annotation.api.views.projects import AuditViewSet, MemberViewSet, ProjectViewSet
from annotation.api.views.queue import AssignmentViewSet, QueueViewSet
from annotation.api.views.registries import FormatViewSet, StrategyViewSet, WorkerViewSet

PROJECT = "projects/<slug:project>"

urlpatterns = [
    *route("me/", MeViewSet, "me", get="retrieve"),
    *route("tokens/", TokenViewSet, "tokens", get="list", post="create"),
    *route("tokens/<slug:key>/", TokenViewSet, "token", delete="destroy"),
    *route("invites/accept", InviteAcceptViewSet, "invite-accept", post="create"),
    *route("projects/", ProjectViewSet, "projects", get="list", post="create"),
    *route(f"{PROJECT}/", ProjectViewSet, "project", get="retrieve", patch="partial_update"),
    *route(f"{PROJECT}/pause", ProjectViewSet, "project-pause", post="pause"),
    *route(f"{PROJECT}/reopen", ProjectViewSet, "project-reopen", post="reopen"),
    *route(f"{PROJECT}/archive", ProjectViewSet, "project-archive", post="archive"),
    *route(f"{PROJECT}/progress/", ProjectViewSet, "project-progress", get="progress"),
    *route(f"{PROJECT}/funnel/", ProjectViewSet, "project-funnel", get="funnel"),
    *route(f"{PROJECT}/members/", MemberViewSet, "project-members", get="list"),
    *route(
        f"{PROJECT}/members/<id:user>/", MemberViewSet, "member", patch="partial_update", delete="destroy"
    ),
    *route(f"{PROJECT}/invites/", InviteViewSet, "project-invites", get="list", post="create"),
    *route(f"{PROJECT}/invites/<id:invite>/", InviteViewSet, "invite", delete="destroy"),
    *route(f"{PROJECT}/audit/", AuditViewSet, "project-audit", get="list"),
    *route(f"{PROJECT}/imports/", ProjectImportViewSet, "project-imports", get="list", post="create"),
    *route(f"{PROJECT}/preferences/", PreferenceViewSet, "project-preferences", get="list"),
    *route(f"{PROJECT}/datasets/", ProjectDatasetViewSet, "project-datasets", get="list", post="create"),
    *route(f"{PROJECT}/datasets/preview", ProjectDatasetViewSet, "project-datasets-preview", get="preview"),
    *route(f"{PROJECT}/next", QueueViewSet, "next", post="next"),
    *route(f"{PROJECT}/undo", QueueViewSet, "undo", post="undo"),
    *route(f"{PROJECT}/release", QueueViewSet, "release", post="release"),
    *route("assignments/heartbeat", AssignmentViewSet, "heartbeat", post="heartbeat"),
    *route("assignments/<id:pk>/label", AssignmentViewSet, "label", post="label"),
    *route("imports/<id:pk>/", ImportViewSet, "import", get="retrieve"),
    *route("imports/<id:pk>/rejections/", ImportViewSet, "import-rejections", get="rejections"),
    *route("datasets/<id:pk>/", DatasetViewSet, "dataset", get="retrieve", delete="destroy"),
    *route("datasets/<id:pk>/download", DatasetDownloadViewSet, "dataset-download", get="retrieve"),
    *route("strategies/", StrategyViewSet, "strategies", get="list"),
    *route("formats/", FormatViewSet, "formats", get="retrieve"),
    *route("workers/", WorkerViewSet, "workers", get="retrieve"),
]
