"""Which answers a frozen dataset holds. They can be corrected; the dataset stays as it is."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from annotation.errors import Conflict
from annotation.models import Assignment, AuditEntry, Comparison, Label, LabelEvent, PopDataset

WORK = Assignment.Kind.WORK
RAISED = "project.raised"  # the audit entry of `services.raising`, with old and new values


def holder_of(label: Label, comparison: Comparison) -> PopDataset | None:
    """The latest frozen dataset whose moment saw this answer in a decided comparison.

    What the dataset's own options left out does not matter: a correction more than needed harms nobody.
    An answer to a check counts as held once a dataset is younger: it must not be told from work.
    """
    frozen = PopDataset.objects.filter(project=label.project_id, state=PopDataset.State.FROZEN)
    dated = frozen.annotate(moment=Coalesce("snapshot_at", "frozen_at", "created_at"))
    for dataset in dated.filter(moment__gte=label.created_at).order_by("-moment", "-pk"):
        if label.kind != WORK or _was_decided(comparison, label.project_id, dataset.moment):
            return dataset
    return None


def check_not_held(label: Label, comparison: Comparison) -> None:
    """Raises Conflict when a frozen dataset holds the answer: it is corrected with a reason, not undone.

    And when its comparison was withdrawn, so that it counts for nothing.
    """
    check_stands(comparison)
    if held := holder_of(label, comparison):
        raise Conflict(
            "frozen_in_dataset",
            f"Dataset {held.number} holds this answer already. You can still correct it, with a reason, "
            "under “My labels”.",
        )


def check_stands(comparison: Comparison) -> None:
    """Raises Conflict when one of its preferences was excluded: its answers are kept as they are."""
    if comparison.state == Comparison.State.WITHDRAWN:
        raise Conflict(
            "comparison_withdrawn",
            "One of its preferences was taken out of the project: this answer counts for nothing any more.",
        )


def _was_decided(comparison: Comparison, project_id: int, moment: datetime) -> bool:
    return _given_at(comparison, moment).count() >= _needed_at(comparison, project_id, moment)


def _given_at(comparison: Comparison, moment: datetime) -> QuerySet[Label]:
    """The work labels that were current then: given by then, and neither undone nor replaced by then."""
    ended = LabelEvent.objects.filter(label=OuterRef("pk"), at__lte=moment, new_verdict="")
    replaced = Label.objects.filter(supersedes=OuterRef("pk"), created_at__lte=moment)
    given = Label.objects.filter(comparison=comparison, kind=WORK, created_at__lte=moment)
    return given.filter(Q(is_current=True) | ~Exists(ended), ~Exists(replaced))


def _needed_at(comparison: Comparison, project_id: int, moment: datetime) -> int:
    """What the comparison needed before it was asked for more: the old value of the first raise since."""
    raises = AuditEntry.objects.filter(
        project=project_id, verb=RAISED, at__gt=moment, details__has_key="labels_per_comparison"
    )
    details = raises.order_by("at", "pk").values_list("details", flat=True).first()
    return comparison.needed if details is None else int(details["labels_per_comparison"][0])
