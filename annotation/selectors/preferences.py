"""The imported preferences. Managers only: scores are among them."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from annotation import rules
from annotation.models import Pool, Preference, Project, Split, User


def of_project(user: User, project: Project) -> QuerySet[Preference]:
    rules.check_manage(user, project)
    return Preference.objects.filter(project=project)


class InOrder:
    """A project's preferences by split and number, training ones first: a list for Django's Paginator.

    Numbers have no gaps, so the n-th preference is found by its number: a page deep in a million is reached
    by the unique index as the first one is. The length is the sum of the pools' sizes; nothing is counted.
    """

    ordered = True

    def __init__(self, user: User, project: Project, split: str = "") -> None:
        rules.check_manage(user, project)
        self.project = project
        pools = Pool.objects.filter(project=project, **({"split": split} if split else {}))
        sizes = dict(pools.values_list("split", "size"))
        self.sizes = [(one, sizes[one]) for one in Split.values if one in sizes]

    def count(self) -> int:
        return sum(size for _, size in self.sizes)

    def __getitem__(self, wanted: slice) -> list[Preference]:
        start, stop, _ = wanted.indices(self.count())
        parts, before = Q(pk__in=()), 0
        for split, size in self.sizes:
            first, last = max(start - before, 0), min(stop - before, size) - 1
            parts |= Q(split=split, number__range=(first, last)) if first <= last else Q(pk__in=())
            before += size
        places = {split: place for place, (split, _) in enumerate(self.sizes)}
        found = Preference.objects.filter(parts, project=self.project)
        return sorted(found.order_by(), key=lambda one: (places[one.split], one.number))
