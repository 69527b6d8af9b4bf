"""Annotation's part of /api/v1/."""

from __future__ import annotations

from annotation.api.routing import route
from annotation.api.views.adjudication import DisputeViewSet
from annotation.api.views.arenas import ArenaFileViewSet, ArenaViewSet
from annotation.api.views.consistency import (
    ConsistencyViewSet,
    ExclusionViewSet,
    FlagViewSet,
    StrengthViewSet,
)
from annotation.api.views.datasets import DatasetDownloadViewSet, DatasetViewSet, ProjectDatasetViewSet
from annotation.api.views.estimates import EstimateViewSet
from annotation.api.views.golds import GoldViewSet, PracticeViewSet
from annotation.api.views.imports import ImportViewSet, PreferenceViewSet, ProjectImportViewSet
from annotation.api.views.labels import (
    CorrectionViewSet,
    LabelExportViewSet,
    LabelViewSet,
    ProjectLabelViewSet,
)
from annotation.api.views.people import InviteAcceptViewSet, InviteViewSet, MeViewSet, TokenViewSet
from annotation.api.views.projects import AuditExportViewSet, AuditViewSet, MemberViewSet, ProjectViewSet
from annotation.api.views.pushes import PushViewSet
from annotation.api.views.quality import AnnotatorViewSet, QualityViewSet
from annotation.api.views.queue import AssignmentViewSet, QueueViewSet
from annotation.api.views.registries import FormatViewSet, StrategyViewSet, WorkerViewSet
from annotation.api.views.webhooks import WebhookDeliveryViewSet, WebhookViewSet

PROJECT = "projects/<slug:project>"
HOOK = f"{PROJECT}/webhooks/<id:pk>"

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
    *route(f"{PROJECT}/audit/export", AuditExportViewSet, "project-audit-export", get="retrieve"),
    *route(f"{PROJECT}/webhooks/", WebhookViewSet, "project-webhooks", get="list", post="create"),
    *route(f"{HOOK}/", WebhookViewSet, "webhook", patch="partial_update", delete="destroy"),
    *route(f"{HOOK}/rotate", WebhookViewSet, "webhook-rotate", post="rotate"),
    *route(f"{HOOK}/test", WebhookViewSet, "webhook-test", post="test"),
    *route(f"{HOOK}/deliveries/", WebhookDeliveryViewSet, "webhook-deliveries", get="list"),
    *route(
        f"{HOOK}/deliveries/<id:delivery>/redeliver",
        WebhookDeliveryViewSet,
        "webhook-redeliver",
        post="redeliver",
    ),
    *route(f"{PROJECT}/imports/", ProjectImportViewSet, "project-imports", get="list", post="create"),
    *route(f"{PROJECT}/preferences/", PreferenceViewSet, "project-preferences", get="list"),
    *route(f"{PROJECT}/consistency/", ConsistencyViewSet, "consistency", get="retrieve"),
    *route(f"{PROJECT}/consistency/recompute", ConsistencyViewSet, "consistency-recompute", post="recompute"),
    *route(f"{PROJECT}/strengths/", StrengthViewSet, "strengths", get="list"),
    *route(f"{PROJECT}/flags/", FlagViewSet, "flags", get="list"),
    *route("preferences/<id:pk>/exclude", ExclusionViewSet, "preference-exclude", post="exclude"),
    *route("preferences/<id:pk>/include", ExclusionViewSet, "preference-include", post="include"),
    *route("preferences/<id:pk>/correct", ExclusionViewSet, "preference-correct", post="correct"),
    *route(f"{PROJECT}/datasets/", ProjectDatasetViewSet, "project-datasets", get="list", post="create"),
    *route(f"{PROJECT}/datasets/preview", ProjectDatasetViewSet, "project-datasets-preview", get="preview"),
    *route(f"{PROJECT}/golds/", GoldViewSet, "project-golds", get="list", post="create"),
    *route(f"{PROJECT}/golds/from-scores", GoldViewSet, "golds-from-scores", post="from_scores"),
    *route(f"{PROJECT}/golds/<id:pk>/", GoldViewSet, "gold", patch="partial_update"),
    *route(f"{PROJECT}/golds/<id:pk>/retire", GoldViewSet, "gold-retire", post="retire"),
    *route(f"{PROJECT}/golds/<id:pk>/restore", GoldViewSet, "gold-restore", post="restore"),
    *route(f"{PROJECT}/practice/skip", PracticeViewSet, "practice-skip", post="skip"),
    *route(f"{PROJECT}/quality/", QualityViewSet, "quality", get="retrieve"),
    *route(f"{PROJECT}/annotators/", AnnotatorViewSet, "annotators", get="list"),
    *route(f"{PROJECT}/annotators/pairs/", AnnotatorViewSet, "annotator-pairs", get="paired"),
    *route(f"{PROJECT}/disputes/", DisputeViewSet, "disputes", get="list"),
    *route(f"{PROJECT}/disputes/<id:pk>/", DisputeViewSet, "dispute", get="retrieve"),
    *route(f"{PROJECT}/disputes/<id:pk>/decide", DisputeViewSet, "dispute-decide", post="decide"),
    *route(f"{PROJECT}/disputes/<id:pk>/withdraw", DisputeViewSet, "dispute-withdraw", post="withdraw"),
    *route("arenas/", ArenaViewSet, "arenas", get="list", post="create"),
    *route(f"{PROJECT}/arena/", ArenaViewSet, "arena", get="retrieve"),
    *route(f"{PROJECT}/arena/entries", ArenaViewSet, "arena-entries", post="entries"),
    *route(f"{PROJECT}/arena/preferences", ArenaViewSet, "arena-preferences", post="preferences"),
    *route(f"{PROJECT}/arena/download", ArenaFileViewSet, "arena-download", get="standings"),
    *route(f"{PROJECT}/arena/votes", ArenaFileViewSet, "arena-votes", get="votes"),
    *route(f"{PROJECT}/estimate", EstimateViewSet, "project-estimate", get="retrieve"),
    *route(f"{PROJECT}/labels/", ProjectLabelViewSet, "project-labels", get="list"),
    *route(f"{PROJECT}/labels/export", LabelExportViewSet, "project-labels-export", get="retrieve"),
    *route(f"{PROJECT}/labels/mine/", ProjectLabelViewSet, "my-labels", get="mine"),
    *route(
        "labels/<id:pk>/",
        LabelViewSet,
        "one-label",
        get="retrieve",
        patch="partial_update",
        delete="destroy",
    ),
    *route("datasets/<id:pk>/corrections/", CorrectionViewSet, "dataset-corrections", get="list"),
    *route(f"{PROJECT}/next", QueueViewSet, "next", post="next"),
    *route(f"{PROJECT}/undo", QueueViewSet, "undo", post="undo"),
    *route(f"{PROJECT}/release", QueueViewSet, "release", post="release"),
    *route("assignments/heartbeat", AssignmentViewSet, "heartbeat", post="heartbeat"),
    *route("assignments/<id:pk>/label", AssignmentViewSet, "label", post="label"),
    *route("imports/<id:pk>/", ImportViewSet, "import", get="retrieve"),
    *route("imports/<id:pk>/cancel", ImportViewSet, "import-cancel", post="cancel"),
    *route("imports/<id:pk>/rejections/", ImportViewSet, "import-rejections", get="rejections"),
    *route("datasets/<id:pk>/", DatasetViewSet, "dataset", get="retrieve", delete="destroy"),
    *route("datasets/<id:pk>/cancel", DatasetViewSet, "dataset-cancel", post="cancel"),
    *route("datasets/<id:pk>/download", DatasetDownloadViewSet, "dataset-download", get="retrieve"),
    *route("datasets/<id:pk>/pushes/", PushViewSet, "dataset-pushes", get="list", post="create"),
    *route("datasets/<id:pk>/pushes/<id:push>/", PushViewSet, "dataset-push", get="retrieve"),
    *route("strategies/", StrategyViewSet, "strategies", get="list"),
    *route("formats/", FormatViewSet, "formats", get="retrieve"),
    *route("workers/", WorkerViewSet, "workers", get="retrieve"),
]
