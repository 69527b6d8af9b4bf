"""The threshold changed in the middle of the work: what exists is judged by the new one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from annotation.errors import Invalid
from annotation.models import Analysis, Comparison, Project
from annotation.selectors import raising as raises
from annotation.services import adjudication, assignments, projects, raising
from tests.annotation import invariants
from tests.annotation.crowd import apart, waiters
from tests.annotation.disputes import settings, vote
from tests.annotation.playing import answer
from tests.cast import NOW, Cast

pytestmark = [pytest.mark.either, pytest.mark.django_db]
LATER = NOW + timedelta(hours=1)


def to(cast: Cast, share: float) -> Project:
    """Set the threshold and let the worker come by."""
    changed = projects.update(project=cast.project, by=cast.admin, at=LATER, dispute_below=share)
    raising.run(changed.pk)
    return changed


def split(cast: Cast, strategy: str, pairs: int = 1) -> None:
    """Comparisons answered low, low, high by three people."""
    project = settings(cast, 8, strategy=strategy, labels_per_comparison=3, k=4)
    for _ in range(pairs):
        for person, side in ((cast.ann_one, "low"), (cast.ann_two, "low"), (cast.owner, "high")):
            vote(project, person, side)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_what_is_decided_already_is_judged_by_a_new_threshold(cast: Cast, strategy: str) -> None:
    split(cast, strategy, pairs=4)
    whole = Comparison.objects.filter(state="resolved")
    assert whole.count() >= 1
    before = list(whole.values_list("pk", "outcome", "credited", "confidence"))
    for share in (0.7, 0.5, 0.67, 0.0, 1.0):
        project = to(cast, share)
        for comparison in whole.all():
            sure = comparison.confidence
            assert comparison.disputed == (sure is None or sure < share)
        invariants.check(project)
    assert list(whole.values_list("pk", "outcome", "credited", "confidence")) == before


def test_what_a_reviewer_decided_stands_under_any_threshold(cast: Cast) -> None:
    split(cast, "random")
    to(cast, 0.9)
    comparison = Comparison.objects.get(disputed=True)
    adjudication.decide(comparison=comparison, outcome="none", by=cast.admin, at=LATER)
    for share in (0.0, 1.0):
        invariants.check(to(cast, share))
        comparison.refresh_from_db()
        assert (comparison.outcome, comparison.disputed) == ("none", False)
    adjudication.withdraw(comparison=comparison, by=cast.admin, at=LATER)
    invariants.check(Project.objects.get(pk=cast.project.pk))


def test_until_the_worker_was_there_managers_see_how_much_is_left(cast: Cast) -> None:
    split(cast, "random")
    changed = projects.update(project=cast.project, by=cast.admin, at=LATER, dispute_below=0.9)
    seen = raises.of_project(cast.owner, changed)
    assert seen is not None
    assert (seen.done, seen.total) == (0, 1)
    raising.run(changed.pk)
    assert raises.of_project(cast.owner, changed) is None
    assert Analysis.objects.get().result["done"] == 1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_threshold_that_is_no_share_is_refused(cast: Cast, share: float) -> None:
    with pytest.raises(Invalid) as refused:
        projects.update(project=cast.project, by=cast.admin, at=LATER, dispute_below=share)
    assert "dispute_below" in refused.value.fields


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_is_being_decided_while_the_threshold_changes_is_judged_by_the_new_one(cast: Cast) -> None:
    """Who waits for the comparison goes on with the project as it was before the wait."""
    project = settings(cast, 2, strategy="random", labels_per_comparison=3)
    for person in (cast.ann_one, cast.ann_two):
        vote(project, person, "low")
    held = assignments.next_for(project=project, by=cast.owner, at=NOW)
    assert held
    verdict = "second" if held.low_first else "first"
    with ThreadPoolExecutor(3) as threads:
        with transaction.atomic():
            Comparison.objects.select_for_update(no_key=True).get()
            last = threads.submit(apart, answer, held, verdict=verdict)
            while waiters() < 1 and not last.done():
                continue
            threads.submit(apart, projects.update, **_changed(cast, 1.0)).result()
            judged = threads.submit(apart, raising.run, project.pk)
            while waiters() < 2 and not judged.done():
                continue
        last.result()
        judged.result()
    assert Comparison.objects.get().disputed


def _changed(cast: Cast, share: float) -> dict[str, Any]:
    return {"project": cast.project, "by": cast.admin, "at": LATER, "dispute_below": share}
