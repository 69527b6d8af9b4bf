"""What the agreement counts must be: counted again from labels, and from what comparisons say is folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from annotation.models import AgreementPair, AgreementPattern, Comparison, Label, Project

Vote = tuple[int, str]
Counts = tuple[Counter[tuple[int, int, int]], Counter[tuple[int, int]], Counter[tuple[int, int]]]


def stored(project: Project) -> Counts:
    """Comparisons by pattern; how often two people both answered, and how often alike. Zeros left out."""
    patterns = AgreementPattern.objects.filter(project=project)
    pairs = list(AgreementPair.objects.filter(project=project))
    assert min([0, *(row.shared - row.same for row in pairs), *(row.same for row in pairs)]) == 0
    return (
        +Counter({(row.low, row.high, row.too_close): row.comparisons for row in patterns}),
        +Counter({(row.one_id, row.other_id): row.shared for row in pairs}),
        +Counter({(row.one_id, row.other_id): row.same for row in pairs}),
    )


def recounted(project: Project) -> Counts:
    """From the labels that stand on comparisons that were not withdrawn."""
    rows = Label.objects.filter(project=project, is_current=True, kind="work").exclude(
        comparison__state="withdrawn"
    )
    votes: dict[int, list[Vote]] = {}
    for label in rows:
        side = (label.verdict == "first") == label.low_first
        said = {"first": "low" if side else "high", "second": "low" if side else "high"}
        if label.verdict != "cannot_judge":
            vote = said.get(label.verdict, "too_close")
            votes.setdefault(label.comparison_id, []).append((label.annotator_id, vote))
    return _counted(votes.values())


def folded(project: Project) -> Counts:
    """From what the comparisons say is in the counts."""
    rows = Comparison.objects.filter(pool__project=project).values_list("folded", flat=True)
    return _counted([[(person, vote) for person, vote in votes] for votes in rows if votes])


def check(project: Project) -> None:
    """The counts are those of what is folded; once nothing waits, those of the labels."""
    assert stored(project) == folded(project)
    if not Comparison.objects.filter(pool__project=project, needs_fold=True).exists():
        assert stored(project) == recounted(project)


def _counted(comparisons: Iterable[list[Vote]]) -> Counts:
    patterns: Counter[tuple[int, int, int]] = Counter()
    shared: Counter[tuple[int, int]] = Counter()
    same: Counter[tuple[int, int]] = Counter()
    for votes in comparisons:
        said = Counter(vote for _, vote in votes)
        patterns[said["low"], said["high"], said["too_close"]] += 1
        for one, vote in votes:
            for other, reply in votes:
                if one < other:
                    shared[one, other] += 1
                    same[one, other] += vote == reply
    return patterns, shared, +same
