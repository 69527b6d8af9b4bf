"""Writing an answer down: the label, its story and its flags. What it counts for is the caller's business."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from annotation import sql
from annotation.errors import Invalid
from annotation.models import Assignment, Comparison, Label, LabelEvent, PopDataset, PreferenceFlag

REASON_LENGTH = 500
LONGEST_MS = 24 * 3600 * 1000
_LABELS, _EVENTS = sql.Table(Label), sql.Table(LabelEvent)


@dataclass(frozen=True)
class Answer:
    """What a person said about the card they were shown. `key` makes saying it twice harmless."""

    verdict: str
    key: UUID
    reason: str = ""
    first_looks_swapped: bool = False
    second_looks_swapped: bool = False
    duration_ms: int | None = field(default=None)

    def check(self) -> None:
        """Raises Invalid unless it is an answer."""
        errors: dict[str, list[str]] = {}
        if self.verdict not in Label.Verdict.values:
            errors["verdict"] = [f"Choose one of: {', '.join(Label.Verdict.values)}."]
        if len(self.reason) > REASON_LENGTH:
            errors["reason"] = [f"At most {REASON_LENGTH} characters."]
        if self.duration_ms is not None and self.duration_ms < 0:
            errors["duration_ms"] = ["A time in milliseconds is not negative."]
        if errors:
            raise Invalid("invalid_label", "The answer was not saved: please check it.", errors)


def write(*, assignment: Assignment, answer: Answer, at: datetime, agrees: bool | None = None) -> Label:
    """The label of this answer, of the assignment's kind, with its first event."""
    made = label(assignment=assignment, answer=answer, at=at, agrees=agrees)
    tell(made, at)
    return made


def label(*, assignment: Assignment, answer: Answer, at: datetime, agrees: bool | None = None) -> Label:
    """The label alone, with its flags: `tell` goes with it."""
    duration = None if answer.duration_ms is None else min(answer.duration_ms, LONGEST_MS)
    made = Label(
        assignment=assignment,
        comparison_id=assignment.comparison_id,
        project_id=assignment.project_id,
        annotator_id=assignment.annotator_id,
        kind=assignment.kind,
        agrees=agrees,
        **_said(answer),
        low_first=assignment.low_first,
        duration_ms=duration,
        created_at=at,
    )
    _LABELS.insert(made)
    _flag(made)
    return made


def tell(label: Label, at: datetime) -> None:
    """The first event of a label."""
    record(label, LabelEvent.Kind.SUBMITTED, at, new=label.verdict)


def replace(
    *,
    old: Label,
    answer: Answer,
    at: datetime,
    agrees: bool | None = None,
    held: PopDataset | None = None,
    correction: str = "",
) -> Label:
    """A new label in the place of a current one, in the order shown then and with the time it took then."""
    Label.objects.filter(pk=old.pk).update(is_current=False)
    label = Label.objects.create(
        assignment_id=old.assignment_id,
        comparison_id=old.comparison_id,
        project_id=old.project_id,
        annotator_id=old.annotator_id,
        kind=old.kind,
        supersedes=old,
        agrees=agrees,
        **_said(answer),
        low_first=old.low_first,
        duration_ms=old.duration_ms,
        created_at=at,
    )
    kind = LabelEvent.Kind.CORRECTED if held else LabelEvent.Kind.EDITED
    record(label, kind, at, old=old.verdict, new=label.verdict, dataset=held, reason=correction)
    _flag(label)
    return label


def _said(answer: Answer) -> dict[str, Any]:
    return {
        "verdict": answer.verdict,
        "reason": answer.reason,
        "first_looks_swapped": answer.first_looks_swapped,
        "second_looks_swapped": answer.second_looks_swapped,
        "idempotency_key": answer.key,
    }


def record(
    label: Label,
    kind: str,
    at: datetime,
    *,
    old: str = "",
    new: str = "",
    dataset: PopDataset | None = None,
    reason: str = "",
) -> None:
    """One more event of a label, done by whoever gave it; a correction names the dataset and the reason."""
    event = LabelEvent(
        label=label,
        kind=kind,
        actor_id=label.annotator_id,
        at=at,
        old_verdict=old,
        new_verdict=new,
        dataset=dataset,
        reason=reason,
    )
    _EVENTS.add(event)


def _flag(label: Label) -> None:
    """Which preferences look swapped to the annotator, as rows that managers read."""
    if not (label.first_looks_swapped or label.second_looks_swapped):
        return
    low, high = Comparison.objects.values_list("low", "high").get(pk=label.comparison_id)
    first, second = (low, high) if label.low_first else (high, low)
    flagged = [(first, label.first_looks_swapped), (second, label.second_looks_swapped)]
    PreferenceFlag.objects.bulk_create(
        PreferenceFlag(
            project_id=label.project_id, preference_id=preference, label=label, at=label.created_at
        )
        for preference, looks_swapped in flagged
        if looks_swapped
    )
