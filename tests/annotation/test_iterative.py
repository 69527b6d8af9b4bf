from __future__ import annotations

import random
from datetime import timedelta

import pytest

from annotation.models import Anchor, Comparison, Pool, Project
from annotation.sampling import iterative
from annotation.selectors import tallies
from annotation.services import assignments, labels
from tests.annotation import invariants
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences

pytestmark = pytest.mark.either


def _iterative(cast: Cast, **options: object) -> Project:
    Project.objects.filter(pk=cast.project.pk).update(strategy="iterative", **options)
    cast.project.refresh_from_db()
    return cast.project


def _next_answered(cast: Cast, verdict: str = "") -> Comparison:
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    answer(held, verdict=verdict)
    return Comparison.objects.get(pk=held.comparison_id)


def _won_by(anchor: bool, comparison: Comparison, low_first: bool) -> str:
    assert comparison.anchor
    anchor_is_low = comparison.anchor.preference_id == comparison.low_id
    return "first" if (anchor == anchor_is_low) == low_first else "second"


def _play(cast: Cast, anchor_wins: bool) -> Comparison:
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    answer(held, verdict=_won_by(anchor_wins, held.comparison, held.low_first))
    return Comparison.objects.get(pk=held.comparison_id)


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize(("k", "overlap"), [(1, 1), (2, 1), (2, 2), (3, 1)])
def test_labelling_ends_with_every_anchor_full_or_given_up(
    cast: Cast, reuse: bool, k: int, overlap: int
) -> None:
    project = _iterative(cast, k=k, reuse=reuse, labels_per_comparison=overlap)
    add_preferences(project, 14)
    label_everything(project, [cast.ann_one, cast.ann_two])
    pool = Pool.objects.get(project=project, split="train")
    assert Anchor.objects.count() == 14
    assert tallies.of_pool(pool).full_anchors + tallies.of_pool(pool).exhausted_anchors == 14
    assert tallies.of_pool(pool).full_anchors > 0
    invariants.check(project)


def test_annotator_stays_with_the_anchor_until_it_is_full(cast: Cast) -> None:
    _iterative(cast, k=2)
    add_preferences(cast.project, 30)
    seen = [_play(cast, anchor_wins=True).anchor_id for _ in range(3)]
    assert seen[0] == seen[1] != seen[2]
    assert Anchor.objects.get(state="full").pk == seen[0]


def test_anchor_is_given_up_after_the_attempt_cap(cast: Cast) -> None:
    _iterative(cast, k=2, attempt_cap=2, reuse=False)
    add_preferences(cast.project, 30)
    drawn = [_play(cast, anchor_wins=False).anchor_id for _ in range(5)]
    assert len(set(drawn[:4])) == 1
    assert drawn[4] != drawn[0]
    anchor = Anchor.objects.get(attempts=4)
    assert (anchor.pk, anchor.state, anchor.attempts, anchor.wins) == (drawn[0], "exhausted", 4, 0)
    invariants.check(cast.project)


def test_two_annotators_never_overfill_one_anchor(cast: Cast) -> None:
    _iterative(cast, k=1)
    add_preferences(cast.project, 10)
    one = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    two = assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)
    assert one
    assert two
    assert one.comparison.anchor_id != two.comparison.anchor_id


def test_winning_partner_fills_its_own_quota_with_reuse(cast: Cast) -> None:
    _iterative(cast, k=2)
    add_preferences(cast.project, 10)
    comparison = _play(cast, anchor_wins=False)
    assert comparison.credited
    assert comparison.credited_id != comparison.anchor_id
    assert comparison.credited.wins == 1
    invariants.check(cast.project)


def test_winning_partner_is_not_credited_without_reuse(cast: Cast) -> None:
    _iterative(cast, k=2, reuse=False)
    add_preferences(cast.project, 10)
    assert _play(cast, anchor_wins=False).credited is None
    assert Anchor.objects.count() == 1
    invariants.check(cast.project)


def test_early_winners_wait_for_their_turn(cast: Cast) -> None:
    """Otherwise labelling that stops early would compare the strong with the strong."""
    project = _iterative(cast, k=2, attempt_cap=1, seed=5)
    add_preferences(project, 40)
    anchors = [_play(cast, anchor_wins=False).anchor for _ in range(8)][::2]
    turns = [iterative.anchor_at(40, "5/train/anchors/1", place) for place in range(4)]
    assert [anchor.preference.number for anchor in anchors if anchor] == turns
    assert Anchor.objects.filter(attempts=0, wins__gt=0).exists()


def test_undo_reverses_exactly_what_was_counted(cast: Cast) -> None:
    project = _iterative(cast, k=1)
    add_preferences(project, 12)
    _play(cast, anchor_wins=True)
    before = _state(project)
    held = assignments.next_for(project=project, by=cast.ann_one, at=NOW)
    assert held
    leased = _state(project)
    answer(held, verdict=_won_by(False, held.comparison, held.low_first))
    labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    made = {pk for pk, *_ in _state(project)} - {pk for pk, *_ in leased}
    assert [row for row in _state(project) if row[0] not in made] == leased != before
    assert all(row[2] == 0 for row in _state(project) if row[0] in made)
    invariants.check(project)


def _state(project: Project) -> list[tuple[object, ...]]:
    fields = ("pk", "state", "wins", "in_flight", "attempts")
    return list(Anchor.objects.filter(pool__project=project).order_by("pk").values_list(*fields))


def test_undo_after_the_place_was_filled_holds_no_slot(cast: Cast) -> None:
    project = _iterative(cast, k=1, reuse=False)
    add_preferences(project, 12)
    lost = _play(cast, anchor_wins=False)
    later = NOW + timedelta(minutes=project.lease_minutes)
    held = assignments.next_for(project=project, by=cast.ann_two, at=later)
    assert held
    assert held.comparison.anchor_id == lost.anchor_id
    answer(held, verdict=_won_by(True, held.comparison, held.low_first))
    back = labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    lost.refresh_from_db()
    assert not lost.holds_slot
    answer(back, verdict=_won_by(True, lost, back.low_first))
    lost.refresh_from_db()
    assert (lost.outcome != "", lost.credited_id) == (True, None)
    invariants.check(project)


def test_an_anchor_is_pinned_to_one_annotator_while_it_lasts(cast: Cast) -> None:
    project = _iterative(cast, k=2)
    add_preferences(project, 12)
    own = {}
    for person in (cast.ann_one, cast.ann_two):
        held = assignments.next_for(project=project, by=person, at=NOW)
        assert held
        own[person] = held.comparison.anchor_id
        answer(held, verdict=_won_by(False, held.comparison, held.low_first))
    assert own[cast.ann_one] != own[cast.ann_two]
    for person in (cast.ann_two, cast.ann_one, cast.ann_two, cast.ann_one):
        held = assignments.next_for(project=project, by=person, at=NOW)
        assert held
        assert held.comparison.anchor_id == own[person]
        answer(held, verdict=_won_by(False, held.comparison, held.low_first))
    invariants.check(project)


def test_reopened_early_winner_is_not_forgotten(cast: Cast) -> None:
    """A full anchor whose turn passed while it was full comes back into play when its win is undone."""
    project = _iterative(cast, k=1, attempt_cap=2)
    add_preferences(project, 8)
    _play(cast, anchor_wins=False)
    label_everything(project, [cast.ann_two])
    labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    assignments.release(project=project, by=cast.ann_one, at=NOW)
    label_everything(project, [cast.ann_two])
    pool = Pool.objects.get(project=project, split="train")
    assert tallies.of_pool(pool).full_anchors + tallies.of_pool(pool).exhausted_anchors == 8
    invariants.check(project)


def test_grown_pool_gives_stuck_anchors_new_partners(cast: Cast) -> None:
    project = _iterative(cast, k=3, reuse=False)
    add_preferences(project, 3)
    label_everything(project, [cast.ann_one])
    pool = Pool.objects.get(project=project, split="train")
    assert (
        tallies.of_pool(pool).drawn,
        tallies.of_pool(pool).full_anchors,
        tallies.of_pool(pool).exhausted_anchors,
    ) == (3, 0, 3)
    add_preferences(project, 12)
    label_everything(project, [cast.ann_one])
    pool.refresh_from_db()
    assert pool.epoch == 2
    assert tallies.of_pool(pool).full_anchors + tallies.of_pool(pool).exhausted_anchors == 15
    assert Anchor.objects.filter(preference__number__lt=3, attempts__gt=2).exists()
    invariants.check(project)


def test_partners_are_drawn_evenly(cast: Cast) -> None:
    project = _iterative(cast, k=2, reuse=True)
    add_preferences(project, 30)
    label_everything(project, [cast.ann_one])
    partners: dict[int, int] = {}
    for comparison in Comparison.objects.select_related("anchor"):
        assert comparison.anchor
        one = comparison.anchor.preference_id
        partner = comparison.high_id if one == comparison.low_id else comparison.low_id
        partners[partner] = partners.get(partner, 0) + 1
    drawn = sum(partners.values())
    assert max(partners.values()) < 5 * drawn / 30


@pytest.mark.parametrize("seed", range(4))
def test_random_deeds_keep_every_counter_exact(cast: Cast, seed: int) -> None:
    """Answers, undos, expiries, releases and imports in any order."""
    project = _iterative(cast, k=1 + seed % 2, labels_per_comparison=1 + seed // 2, reuse=seed != 3)
    add_preferences(project, 9)
    draw = random.Random(seed)  # noqa: S311 - test data
    people = [cast.owner, cast.admin, cast.ann_one, cast.ann_two]
    at = NOW
    for _ in range(120):
        at += timedelta(minutes=draw.choice([0, 1, 6]))
        person, deed = draw.choice(people), draw.random()
        if deed < 0.7:
            held = assignments.next_for(project=project, by=person, at=at)
            if held and draw.random() < 0.8:
                answer(held, at, verdict=draw.choice(["first", "second", "second", "too_close"]))
        elif deed < 0.85 and person.labels.filter(is_current=True).exists():
            labels.undo_last(project=project, by=person, at=at)
        elif deed < 0.9:
            assignments.release(project=project, by=person, at=at)
        elif deed < 0.98:
            assignments.expire(at)
        else:
            add_preferences(project, 2)
    invariants.check(project)
