"""What the answers say as a whole: strengths, cycles, and how old they are. Managers only."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from django.db.models import QuerySet

from annotation import rules
from annotation.models import Analysis, Comparison, Pool, Preference, Project, Split, Strength, User
from annotation.services.analyses import CYCLES, KINDS

SHOWN_CYCLES = 20
LONGEST_SHOWN = 8  # preferences: a longer cycle says no more to a reader
Key = tuple[float, int]


@dataclass(frozen=True)
class Step:
    """One comparison of a cycle: `preference` was called stronger than the next one."""

    preference: Preference
    comparison_id: int


def analyses(user: User, project: Project) -> dict[str, Analysis]:
    """The latest computations by kind; kinds never asked for are left out."""
    rules.check_manage(user, project)
    return {row.kind: row for row in Analysis.objects.filter(project=project, kind__in=KINDS)}


def strengths(
    user: User, project: Project, *, split: str = Split.TRAIN, weakest: bool = False, after: Key | None = None
) -> QuerySet[Strength]:
    """The compared preferences of a split, the strongest first, or the weakest; those after a place.

    A place is a strength and a row's id: a page costs the same wherever it stands in the list.
    """
    rules.check_manage(user, project)
    pool = Pool.objects.get(project=project, split=split)  # by its id, so that the index gives the order
    rows = Strength.objects.filter(pool=pool).select_related("preference")
    if after is not None:
        rows = _behind(rows, after, weakest)
    return rows.order_by("theta", "-id") if weakest else rows.order_by("-theta", "id")


def _behind(rows: QuerySet[Strength], after: Key, weakest: bool) -> QuerySet[Strength]:
    """Said as a range less those of the same strength that came before: an index finds where it begins."""
    theta, pk = after
    if weakest:
        return rows.filter(theta__gte=theta).exclude(theta=theta, pk__gte=pk)
    return rows.filter(theta__lte=theta).exclude(theta=theta, pk__lte=pk)


def key_of(row: Strength) -> str:
    """The place of a row, as it stands in addresses."""
    return f"{row.theta!r}_{row.pk}"


def key_from(text: str) -> Key | None:
    """The place an address names; None for anything else."""
    theta, _, pk = text.partition("_")
    try:
        place = float(theta), int(pk)
    except ValueError:
        return None
    return place if isfinite(place[0]) and 0 <= place[1] < 2**63 else None


def cycles(user: User, project: Project, split: str = Split.TRAIN) -> list[list[Step]]:
    """Examples of the latest computation that still stand, each preference stronger than the next."""
    found = analyses(user, project).get(CYCLES)
    splits = found.result.get("splits", {}) if found else {}
    examples = [one for one in splits.get(split, {}).get("examples", []) if len(one) <= LONGEST_SHOWN]
    examples = examples[:SHOWN_CYCLES]
    ids = {pk for example in examples for pk in example}
    preferences = Preference.objects.filter(project=project).in_bulk(ids)
    beats = _decided(project, ids)
    return [
        [Step(preferences[one], beats[one, other]) for one, other in _pairs(example)]
        for example in examples
        if all(pair in beats for pair in _pairs(example))
    ]


def _pairs(example: list[int]) -> list[tuple[int, int]]:
    return list(zip(example, [*example[1:], example[0]], strict=True))


def _decided(project: Project, ids: set[int]) -> dict[tuple[int, int], int]:
    """Comparison ids by (winner, loser), among these preferences."""
    rows = Comparison.objects.filter(pool__project=project, low__in=ids, high__in=ids)
    rows = rows.filter(state=Comparison.State.RESOLVED, outcome__in=("low", "high"))
    found = rows.values_list("pk", "low", "high", "outcome")
    return {(low, high) if outcome == "low" else (high, low): pk for pk, low, high, outcome in found}
