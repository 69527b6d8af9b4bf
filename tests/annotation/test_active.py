"""The active strategy: exact as the iterative one, and strengths kept up with every answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.models import Anchor, Comparison, Label, Pool, Project, Strength
from annotation.quality.belief import UNSEEN, updated
from annotation.sampling import active
from annotation.selectors import tallies
from annotation.services import assignments, draw_active, exclusion, labels, strengths_online
from tests.annotation import invariants
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences

pytestmark = pytest.mark.either


def setting(cast: Cast, **options: object) -> Project:
    Project.objects.filter(pk=cast.project.pk).update(strategy="active", **options)
    cast.project.refresh_from_db()
    return cast.project


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize(("k", "overlap"), [(1, 1), (2, 1), (2, 2)])
def test_labelling_ends_with_every_anchor_full_or_given_up(
    cast: Cast, reuse: bool, k: int, overlap: int
) -> None:
    project = setting(cast, k=k, reuse=reuse, labels_per_comparison=overlap)
    add_preferences(project, 16)
    label_everything(project, [cast.ann_one, cast.ann_two])
    counts = tallies.of_pool(Pool.objects.get(project=project, split="train"))
    assert counts.full_anchors + counts.exhausted_anchors == Anchor.objects.count() == 16
    invariants.check(project)


def test_a_small_pool_is_drawn_to_its_last_pair_and_grows(cast: Cast) -> None:
    project = setting(cast, k=3)
    add_preferences(project, 3)
    label_everything(project, [cast.ann_one])
    assert Comparison.objects.count() == 3
    add_preferences(project, 2)
    label_everything(project, [cast.ann_one])
    assert 6 < Comparison.objects.count() <= 10, "newcomers are compared too"
    invariants.check(project)


def test_first_answer_moves_both_strengths_as_the_step_says(cast: Cast) -> None:
    project = setting(cast)
    add_preferences(project, 8)
    held = assignments.next_for(project=project, by=cast.ann_one, at=NOW)
    assert held
    answer(held, verdict="first")
    winner, loser = held.comparison.low_id, held.comparison.high_id
    if not held.low_first:
        winner, loser = loser, winner
    strong, weak = updated(UNSEEN, UNSEEN, 1.0)
    rows = {row.preference_id: row for row in Strength.objects.all()}
    assert (rows[winner].theta, rows[winner].sd) == pytest.approx((strong.theta, strong.sd))
    assert (rows[loser].theta, rows[loser].sd) == pytest.approx((weak.theta, weak.sd))
    assert (rows[winner].wins, rows[winner].losses, rows[loser].losses) == (1, 0, 1)


def test_every_answer_is_learnt_but_cannot_judge(cast: Cast) -> None:
    project = setting(cast)
    add_preferences(project, 8)
    for verdict in ("cannot_judge", "too_close"):
        held = assignments.next_for(project=project, by=cast.ann_one, at=NOW)
        assert held
        answer(held, verdict=verdict)
    for row in Strength.objects.all():
        assert row.theta == pytest.approx(0, abs=1e-9)
        assert (row.wins, row.losses) == (0, 0)
        assert row.sd < UNSEEN.sd
    assert Strength.objects.count() == 2


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_other_strategies_keep_no_strengths(cast: Cast, strategy: str) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy)
    add_preferences(cast.project, 6)
    label_everything(Project.objects.get(), [cast.ann_one])
    assert not Strength.objects.exists()


def test_held_out_pairs_are_random_and_teach_nothing(cast: Cast) -> None:
    project = setting(cast)
    add_preferences(project, 6, split="heldout")
    label_everything(project, [cast.ann_one])
    assert Label.objects.exists()
    assert not Strength.objects.exists()


def test_the_best_of_the_next_partners_is_drawn_and_the_others_stay_ahead(cast: Cast) -> None:
    project = setting(cast, k=4)
    made = add_preferences(project, 30)
    first = assignments.next_for(project=project, by=cast.ann_one, at=NOW)
    assert first
    answer(first, verdict="too_close")
    anchor = Anchor.objects.get(attempts__gt=0)
    pool = Pool.objects.get(project=project, split="train")
    own = anchor.preference.number
    ahead = draw_active._ahead(project, pool, own, anchor.partner_cursor)
    assert len(ahead) == active.CANDIDATES
    wanted = ahead[5][1]
    partner = next(pk for pk in wanted if pk != anchor.preference_id)
    # Everybody else has no room: only the sixth partner's win would fill a quota.
    for preference in made:
        if preference.pk not in wanted:
            Anchor.objects.update_or_create(
                preference=preference, defaults={"pool": pool, "quota": 0, "attempt_limit": 0}
            )
    pair, cursor = draw_active.partner(project, pool, anchor, own)
    assert pair == wanted
    assert cursor == ahead[0][0]
    assert strengths_online.beliefs([partner]) == {partner: UNSEEN}


def test_excluded_preferences_are_not_among_the_candidates(cast: Cast) -> None:
    project = setting(cast)
    made = add_preferences(project, 12)
    for preference in made[:6]:
        exclusion.exclude(preference=preference, by=cast.owner, at=NOW)
    label_everything(project, [cast.ann_one])
    asked = {pk for pair in Comparison.objects.values_list("low", "high") for pk in pair}
    assert asked == {preference.pk for preference in made[6:]}
    invariants.check(project)


def test_undo_gives_the_comparison_back_and_keeps_what_was_learnt(cast: Cast) -> None:
    project = setting(cast)
    add_preferences(project, 6)
    held = assignments.next_for(project=project, by=cast.ann_one, at=NOW)
    assert held
    answer(held, verdict="first")
    before = list(Strength.objects.values_list("theta", flat=True))
    again = labels.undo_last(project=project, by=cast.ann_one, at=NOW + timedelta(seconds=5))
    assert again.pk == held.pk
    assert list(Strength.objects.values_list("theta", flat=True)) == before
    invariants.check(project)
