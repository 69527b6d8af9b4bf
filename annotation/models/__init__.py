"""One table a file. Models hold fields, choices and constraints; what happens to them is in `services/`."""

from annotation.models.adjudication import Adjudication
from annotation.models.agreement_pair import AgreementPair
from annotation.models.agreement_pattern import AgreementPattern
from annotation.models.analysis import Analysis
from annotation.models.anchor import Anchor
from annotation.models.api_token import ApiToken
from annotation.models.arena_addition import ArenaAddition
from annotation.models.arena_entry import ArenaEntry
from annotation.models.assignment import Assignment
from annotation.models.audit_entry import AuditEntry
from annotation.models.comparison import Comparison
from annotation.models.contender import Contender
from annotation.models.dataset_push import DatasetPush
from annotation.models.gold import Gold
from annotation.models.import_rejection import ImportRejection
from annotation.models.invite import Invite
from annotation.models.label import Label
from annotation.models.label_event import LabelEvent
from annotation.models.membership import Membership, Role
from annotation.models.pool import Pool, Split
from annotation.models.pop_dataset import PopDataset
from annotation.models.preference import Preference
from annotation.models.preference_flag import PreferenceFlag
from annotation.models.preference_import import PreferenceImport
from annotation.models.project import Project
from annotation.models.strength import Strength
from annotation.models.tally import Tally
from annotation.models.user import User
from annotation.models.webhook import Webhook
from annotation.models.webhook_delivery import WebhookDelivery
from annotation.models.worker_beat import WorkerBeat

__all__ = [
    "Adjudication",
    "AgreementPair",
    "AgreementPattern",
    "Analysis",
    "Anchor",
    "ApiToken",
    "ArenaAddition",
    "ArenaEntry",
    "Assignment",
    "AuditEntry",
    "Comparison",
    "Contender",
    "DatasetPush",
    "Gold",
    "ImportRejection",
    "Invite",
    "Label",
    "LabelEvent",
    "Membership",
    "Pool",
    "PopDataset",
    "Preference",
    "PreferenceFlag",
    "PreferenceImport",
    "Project",
    "Role",
    "Split",
    "Strength",
    "Tally",
    "User",
    "Webhook",
    "WebhookDelivery",
    "WorkerBeat",
]
