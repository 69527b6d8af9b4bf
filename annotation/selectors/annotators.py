"""Each annotator's answers beside everybody else's: for managers, who may pay or train people by them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import FloatField, Max, QuerySet, Sum
from django.db.models.functions import Cast

from annotation import rules
from annotation.models import AgreementPair, Project, Tally, User
from annotation.quality.shares import Share, share
from annotation.selectors import tallies
from annotation.selectors.quality import Answers, answers_of

LEAST_SHARED = 10  # two people with fewer comparisons in common tell nothing


@dataclass(frozen=True)
class Annotator:
    """`alike`: of the pairs of their answer and another's to the same comparison, those that are alike."""

    id: int
    name: str
    alike: Share
    answers: Answers
    last_at: datetime | None


def _of_share(name: str) -> Callable[[Annotator], Any]:
    return lambda row: getattr(row.answers, name).value


SORTS: dict[str, Callable[[Annotator], Any]] = {
    "name": lambda row: row.name.casefold(),
    "labels": lambda row: row.answers.labels,
    "alike": lambda row: row.alike.value,
    "gold": _of_share("gold"),
    "retests": _of_share("retests"),
    "first": _of_share("first"),
    "too_close": _of_share("too_close"),
    "cannot_judge": _of_share("cannot_judge"),
    "seconds": lambda row: row.answers.seconds,
    "last_at": lambda row: row.last_at,
}
DEFAULT_SORT = "-labels"
CHOICES = [sign + name for name in SORTS for sign in ("", "-")]
PAIR_SORTS = ["alike", "-alike", "shared", "-shared"]


def of_project(user: User, project: Project, sort: str = DEFAULT_SORT) -> list[Annotator]:
    """Whoever has answered, sorted by a name of `SORTS`, with "-" the largest first; None comes last.

    Raises:
        NotFound, NotAllowed: not a manager.
    """
    rules.check_manage(user, project)
    counts = tallies.per_annotator(project)
    alike = _alike(project)
    about = _about(project)
    rows = [
        Annotator(pk, about[pk][0], share(*alike[pk]), answers_of(sums), about[pk][1])
        for pk, sums in counts.items()
        if sums.labels or sums.gold or sums.retests
    ]
    key = SORTS[sort.removeprefix("-")]
    rows.sort(key=lambda row: row.name)
    known = [row for row in rows if key(row) is not None]
    known.sort(key=key, reverse=sort.startswith("-"))
    return known + [row for row in rows if key(row) is None]


def pairs(user: User, project: Project, sort: str = "alike") -> QuerySet[AgreementPair]:
    """Every two people who answered enough of the same comparisons; `alike_share` is how often alike.

    Raises:
        NotFound, NotAllowed: not a manager.
    """
    rules.check_manage(user, project)
    rows = AgreementPair.objects.filter(project=project, shared__gte=LEAST_SHARED)
    rows = rows.select_related("one", "other").annotate(
        alike_share=Cast("same", FloatField()) / Cast("shared", FloatField())
    )
    sign, name = ("-" if sort.startswith("-") else ""), sort.removeprefix("-")
    return rows.order_by(f"{sign}{'shared' if name == 'shared' else 'alike_share'}", "one", "other")


def _alike(project: Project) -> dict[int, tuple[int, int]]:
    """By person: answers of others to the same comparisons that are like theirs, and all of them."""
    found: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for side in ("one", "other"):
        rows = AgreementPair.objects.filter(project=project).values(side)
        for row in rows.annotate(alike=Sum("same"), of=Sum("shared")).order_by():
            same, shared = found[row[side]]
            found[row[side]] = (same + row["alike"], shared + row["of"])
    return found


def _about(project: Project) -> dict[int, tuple[str, datetime | None]]:
    """By person: their name, and when they last answered."""
    rows = Tally.objects.filter(pool__project=project).values("annotator", "annotator__username")
    return {
        row["annotator"]: (row["annotator__username"], row["last"])
        for row in rows.annotate(last=Max("last_at")).order_by()
    }
