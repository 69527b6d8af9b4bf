from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from annotation.models import Comparison, Pool, Preference, Project, Split, Tally
from annotation.selectors import tallies
from annotation.services import assignments, draws
from tests.annotation import invariants
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences, join, make_project

pytestmark = pytest.mark.either


def _train(project: Project) -> Pool:
    return Pool.objects.get(project=project, split=Split.TRAIN)


def _all_decisive(cast: Cast, most: int = 200) -> int:
    """Take and answer until nothing is left; the first shown always wins."""
    given, at = 0, NOW
    while held := assignments.next_for(project=cast.project, by=cast.ann_one, at=at):
        answer(held, at, verdict="first")
        given, at = given + 1, at + timedelta(seconds=1)
        assert given <= most
    return given


@pytest.mark.parametrize(("size", "k", "wanted"), [(2, 2, 1), (4, 2, 6), (10, 1, 10), (10, 3, 30)])
def test_random_draws_k_comparisons_per_preference(cast: Cast, size: int, k: int, wanted: int) -> None:
    Project.objects.filter(pk=cast.project.pk).update(k=k)
    add_preferences(cast.project, size)
    assert _all_decisive(cast) == wanted
    invariants.check(cast.project)


def test_comparison_without_a_winner_is_replaced(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(k=1)
    add_preferences(cast.project, 10)
    for _ in range(3):
        held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
        assert held
        answer(held, verdict="too_close")
    assert _all_decisive(cast) == 10
    assert tallies.of_pool(_train(cast.project)).undecided == 3


def test_import_after_the_start_opens_a_new_epoch_without_repeats(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    _all_decisive(cast)
    add_preferences(cast.project, 6)
    _all_decisive(cast)
    pool = _train(cast.project)
    assert (pool.epoch, pool.epoch_size, tallies.of_pool(pool).drawn) == (2, 12, 24)
    assert Comparison.objects.filter(high__number__gte=6).exists()
    invariants.check(cast.project)


def test_saturated_pool_ends_after_every_pair_over_many_epochs(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(k=9)
    for _ in range(4):
        add_preferences(cast.project, 2)
        _all_decisive(cast)
    assert Comparison.objects.count() == 8 * 7 / 2
    invariants.check(cast.project)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_no_preference_leaves_its_split(cast: Cast, strategy: str) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy)
    add_preferences(cast.project, 12)
    add_preferences(cast.project, 4, split=Split.HELDOUT)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    heldout = Pool.objects.get(project=cast.project, split=Split.HELDOUT)
    assert tallies.of_pool(heldout).drawn == 6
    assert not Comparison.objects.filter(pool=heldout, anchor__isnull=False).exists()
    invariants.check(cast.project)


def test_heldout_comparisons_keep_pace_with_their_share(cast: Cast) -> None:
    add_preferences(cast.project, 40)
    add_preferences(cast.project, 10, split=Split.HELDOUT)
    at, heldout = NOW, 0
    for drawn in range(1, 51):
        at += timedelta(seconds=1)
        held = assignments.next_for(project=cast.project, by=cast.ann_one, at=at)
        assert held
        heldout += held.comparison.pool.split == Split.HELDOUT
        answer(held, at, verdict="first")
        assert abs(heldout - drawn / 5) <= 1


def test_pool_that_cannot_be_compared_is_passed_by(cast: Cast) -> None:
    pools = list(Pool.objects.filter(project=cast.project).order_by("-split"))
    pools[0].size, pools[1].size = 9, 1
    assert pools[1].split == Split.HELDOUT
    assert draws.in_turn(dict.fromkeys(pools, 0)) == pools[:1]


def test_same_seed_draws_the_same_pairs(cast: Cast) -> None:
    def drawn(seed: int) -> list[tuple[int, int]]:
        Project.objects.filter(pk=cast.project.pk).update(seed=seed)
        Comparison.objects.all().delete()
        Tally.objects.all().delete()
        Pool.objects.update(counter=0)
        _all_decisive(cast)
        return list(Comparison.objects.order_by("id").values_list("low_id", "high_id"))

    add_preferences(cast.project, 8)
    assert drawn(3) == drawn(3) != drawn(4)


def _queries(cast: Cast, strategy: str, size: int) -> int:
    """The most queries that one of many draws takes, the first left out, in a pool of this size."""
    project = make_project(cast.owner, strategy=strategy, seed=7)
    join(project, cast.ann_one)
    add_preferences(project, size)
    add_preferences(project, size // 4, split=Split.HELDOUT)
    most = 0
    for place in range(40):  # more than a block
        with CaptureQueriesContext(connection) as captured:
            held = assignments.next_for(project=project, by=cast.ann_one, at=NOW)
        assert held
        answer(held, verdict="first")
        most = max(most, len(captured) if place else 0)
    return most


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_a_draw_takes_the_same_queries_in_a_large_pool(cast: Cast, strategy: str) -> None:
    small, large = _queries(cast, strategy, 60), _queries(cast, strategy, 2000)
    assert large <= small < 60


def test_random_pairs_are_drawn_by_the_block_and_then_only_claimed(cast: Cast) -> None:
    add_preferences(cast.project, 160)
    for _ in range(11):
        held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
        assert held
        answer(held, verdict="first")
    pool = _train(cast.project)
    assert (Comparison.objects.count(), tallies.of_pool(pool).drawn) == (20, 20)
    with CaptureQueriesContext(connection) as captured:
        assert assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)
    assert len(captured) < 16
    invariants.check(cast.project)


def test_an_excluded_preference_is_not_drawn(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(k=2)
    add_preferences(cast.project, 5)
    gone = Preference.objects.filter(project=cast.project)[0]
    Preference.objects.filter(pk=gone.pk).update(excluded_at=NOW)
    _all_decisive(cast)
    assert Comparison.objects.count() == 6
    assert not Comparison.objects.filter(Q(low=gone) | Q(high=gone)).exists()
