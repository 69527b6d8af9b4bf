"""What other settings would cost, in labels, before anybody is asked for them."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

from annotation import rules
from annotation.errors import Invalid
from annotation.models import Pool, Project, Split, User
from annotation.sampling import STRATEGIES
from annotation.selectors import progress


@dataclass(frozen=True)
class Estimate:
    """Labels in all as the project stands, and under the settings asked for."""

    labels: int
    expected_now: int
    expected_then: int

    @property
    def more(self) -> int:
        return max(0, self.expected_then - self.expected_now)


def of_project(user: User, project: Project, **settings: str | int) -> Estimate:
    """The estimate for `strategy`, `k`, `attempt_cap` or `labels_per_comparison` in place of the project's.

    Raises:
        NotFound: not a member.
        NotAllowed: not a manager.
        Invalid: no such strategy.
    """
    rules.check_manage(user, project)
    if settings.get("strategy", project.strategy) not in STRATEGIES:
        words = f"Choose one of: {', '.join(sorted(STRATEGIES))}."
        raise Invalid("unknown_strategy", "There is no such strategy.", {"strategy": [words]})
    then = copy(project)
    for name, value in settings.items():
        setattr(then, name, value)
    totals = progress.totals_of([project])[project.pk]
    sizes = dict(Pool.objects.filter(project=project).values_list("split", "size"))
    train, heldout = sizes[Split.TRAIN], sizes[Split.HELDOUT]
    before = progress.labels_expected(project, train, heldout)
    after = progress.labels_expected(then, train, heldout)
    return Estimate(totals.labels, totals.labels_expected, max(0, totals.labels_expected + after - before))
