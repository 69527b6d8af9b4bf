"""Which models wrote what a person answered, once they may know it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from annotation import kinds
from annotation.models import ArenaEntry, Assignment, Label, Project


@dataclass(frozen=True)
class Names:
    """The models behind the sides of an answer as they were shown; a side has all that said the same."""

    first: list[str]
    second: list[str]


def of_labels(project: Project, labels: Iterable[Label]) -> dict[int, Names]:
    """By the label's id; empty while the names are kept. Labels come with their comparisons. One query."""
    found = list(labels)
    if not found or not kinds.tells_names(project):
        return {}
    sides = {label.pk: (label.comparison.low_id, label.comparison.high_id) for label in found}
    names: dict[int, list[str]] = {}
    rows = ArenaEntry.objects.filter(
        project=project, preference__in={one for pair in sides.values() for one in pair}
    )
    for preference, name in rows.order_by("contender__number").values_list("preference", "contender__name"):
        names.setdefault(preference, []).append(name)
    return {
        label.pk: _shown([names.get(one, []) for one in sides[label.pk]], label.low_first) for label in found
    }


def of_label(project: Project, label: Label) -> Names | None:
    """Of one answer; None while the names are kept, and of practice: it asks nothing of the models."""
    if label.kind == Assignment.Kind.PRACTICE:
        return None
    return of_labels(project, [label]).get(label.pk)


def _shown(sides: list[list[str]], low_first: bool) -> Names:
    low, high = sides
    return Names(low, high) if low_first else Names(high, low)
