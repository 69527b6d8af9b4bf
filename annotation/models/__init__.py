"""One table a file. Models hold fields, choices and constraints; what happens to them is in `services/`."""

from annotation.models.anchor import Anchor
from annotation.models.api_token import ApiToken
from annotation.models.assignment import Assignment
from annotation.models.audit_entry import AuditEntry
from annotation.models.comparison import Comparison
from annotation.models.import_rejection import ImportRejection
from annotation.models.invite import Invite
from annotation.models.label import Label
from annotation.models.label_event import LabelEvent
from annotation.models.membership import Membership, Role
from annotation.models.pool import Pool, Split
from annotation.models.pop_dataset import PopDataset
from annotation.models.preference import Preference
from annotation.models.preference_import import PreferenceImport
from annotation.models.project import Project
from annotation.models.user import User
from annotation.models.worker_beat import WorkerBeat

__all__ = [
    "Anchor",
    "ApiToken",
    "Assignment",
    "AuditEntry",
    "Comparison",
    "ImportRejection",
    "Invite",
    "Label",
    "LabelEvent",
    "Membership",
    "Pool",
    "PopDataset",
    "Preference",
    "PreferenceImport",
    "Project",
    "Role",
    "Split",
    "User",
    "WorkerBeat",
]
