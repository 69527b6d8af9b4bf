"""How far a project has come, from imported preferences to frozen datasets: sums of its pools' counters."""

from __future__ import annotations

from dataclasses import dataclass

from annotation import rules
from annotation.models import PopDataset, Project, Split, User
from annotation.selectors import tallies


@dataclass(frozen=True)
class Funnel:
    """Counts of one project, each step made from the one before."""

    preferences: int
    heldout: int
    comparisons: int
    labels: int
    rows: int
    datasets: int

    @property
    def training(self) -> int:
        return self.preferences - self.heldout


def of_project(user: User, project: Project) -> Funnel:
    """Three queries, whatever the project's size."""
    rules.check_manage(user, project)
    pools = list(project.pools.all())
    counts = tallies.of_project(project)
    return Funnel(
        preferences=sum(pool.size for pool in pools),
        heldout=sum(pool.size for pool in pools if pool.split == Split.HELDOUT),
        comparisons=counts.drawn,
        labels=counts.labels,
        rows=counts.decided,
        datasets=PopDataset.objects.filter(project=project, state=PopDataset.State.FROZEN).count(),
    )
