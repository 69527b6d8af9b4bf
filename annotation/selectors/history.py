"""Answers and their stories. A person sees their own, managers see all; nobody else sees any.

Gold and retests stand among one's own answers like any other: a gap would tell that they were checks.
Practice is open about itself and is not listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from annotation import rules
from annotation.errors import NotFound
from annotation.models import Assignment, Label, LabelEvent, PopDataset, Project, User
from annotation.selectors import arena_names, queue
from annotation.selectors.arena_names import Names
from annotation.services import frozen_labels

LISTED = (Assignment.Kind.WORK, Assignment.Kind.GOLD, Assignment.Kind.RETEST)


@dataclass(frozen=True)
class Story:
    """One answer, what was shown, every event since it was first given, and the dataset that holds it."""

    label: Label
    first: dict[str, Any]
    second: dict[str, Any]
    events: list[LabelEvent]
    held_by: PopDataset | None
    own: bool
    models: Names | None = None  # of an arena that tells them


def mine(user: User, project: Project) -> QuerySet[Label]:
    """One's own answers that count now, newest first, with both preferences."""
    rules.check_view(user, project)
    rows = Label.objects.filter(project=project, annotator=user, is_current=True, kind__in=LISTED)
    return rows.select_related("comparison__low", "comparison__high").order_by("-pk")


def of_project(user: User, project: Project) -> QuerySet[Label]:
    """Everybody's answers, current or not, newest first. Managers only."""
    rules.check_manage(user, project)
    return Label.objects.filter(project=project).select_related("annotator").order_by("-pk")


def get(user: User, label_id: int) -> Label:
    """One answer: one's own, or any in a project one manages.

    Raises:
        NotFound: there is none this person may know of.
    """
    rows = Label.objects.select_related("project", "annotator", "assignment", "comparison")
    label = rows.filter(pk=label_id).first()
    if label is not None and rules.can_view(user, label.project):
        own = label.annotator_id == user.pk and label.kind in LISTED
        if own or rules.can_manage(user, label.project):
            return label
    raise NotFound("label_not_found", "There is no such answer.")


def story(user: User, label_id: int) -> Story:
    """Raises NotFound as `get` does."""
    label = get(user, label_id)
    shown = label.assignment
    shown.low_first = label.low_first  # as it was then: leased again, the order may be another now
    card = queue.card(shown)
    events = LabelEvent.objects.filter(label__assignment=label.assignment_id)
    return Story(
        label=label,
        first=card["first"],
        second=card["second"],
        events=list(events.select_related("actor", "dataset", "label").order_by("pk")),
        held_by=frozen_labels.holder_of(label, label.comparison) if label.is_current else None,
        own=label.annotator_id == user.pk,
        models=arena_names.of_label(label.project, label),
    )


def corrections(user: User, dataset: PopDataset) -> QuerySet[LabelEvent]:
    """What was corrected since the dataset was frozen, newest first. Managers only."""
    rules.check_manage(user, dataset.project)
    rows = LabelEvent.objects.filter(dataset=dataset, label__kind=Assignment.Kind.WORK)
    return rows.select_related("actor", "dataset", "label__annotator").order_by("-pk")
