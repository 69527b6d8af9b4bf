from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.errors import Conflict, Invalid, NotAllowed, NotFound
from annotation.models import Assignment, AuditEntry, Comparison, Gold, Preference, Project, Split
from annotation.selectors import queue, tallies
from annotation.services import assignments, gold, gold_sampling, labels
from tests.annotation import invariants
from tests.annotation.checked import golds, next_of_kind, project_with, work_on
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences

pytestmark = pytest.mark.either
Kind = Assignment.Kind


def _margin(preference: Preference) -> float:
    assert preference.score_chosen is not None
    assert preference.score_rejected is not None
    return preference.score_chosen - preference.score_rejected


def test_gold_from_scores_is_far_apart_and_its_answer_is_the_stronger_side(cast: Cast) -> None:
    project_with(cast)
    for one in golds(cast, 20):
        gap = _margin(one.comparison.low) - _margin(one.comparison.high)
        assert abs(gap) >= 2
        assert one.answer == ("low" if gap > 0 else "high")
        assert one.comparison.low.split == one.comparison.high.split == Split.TRAIN
    invariants.check(cast.project)


def test_the_same_seed_makes_the_same_gold_and_another_call_makes_more(cast: Cast) -> None:
    project_with(cast)

    def make(seed: int) -> set[int]:
        before = set(Gold.objects.values_list("pk", flat=True))
        gold_sampling.from_scores(
            project=cast.project, count=5, min_gap=2, use="check", by=cast.owner, at=NOW, seed=seed
        )
        new = Gold.objects.exclude(pk__in=before)
        return {(one.comparison.low_id, one.comparison.high_id) for one in new}  # type: ignore[misc]

    first = make(3)
    again = make(3)
    assert len(first) == len(again) == 5
    assert not first & again, "a pair that is gold is passed by"
    Comparison.objects.all().delete()
    assert make(3) == first


def test_it_says_how_many_it_could_find(cast: Cast) -> None:
    project_with(cast, size=6)
    made = gold_sampling.from_scores(
        project=cast.project, count=100, min_gap=3.5, use="check", by=cast.owner, at=NOW
    )
    margins = [_margin(one) for one in Preference.objects.filter(project=cast.project)]
    far = sum(abs(a - b) >= 3.5 for i, a in enumerate(margins) for b in margins[:i])
    assert (made.wanted, made.made, made.looked_at) == (100, far, 15)


def test_preferences_without_scores_or_excluded_make_no_gold(cast: Cast) -> None:
    add_preferences(cast.project, 10, scored=False)
    scored = add_preferences(cast.project, 10)
    Preference.objects.filter(pk__in=[one.pk for one in scored[:5]]).update(excluded_at=NOW)
    gold_sampling.from_scores(
        project=cast.project, count=100, min_gap=0.25, use="check", by=cast.owner, at=NOW
    )
    used = set(Gold.objects.values_list("comparison__low", flat=True))
    used |= set(Gold.objects.values_list("comparison__high", flat=True))
    assert used <= {one.pk for one in scored[5:]}


def test_a_decided_comparison_is_reused_and_open_work_is_left_alone(cast: Cast) -> None:
    project_with(cast, size=4)
    label_everything(cast.project, [cast.ann_one])
    decided = set(Comparison.objects.values_list("pk", flat=True))
    gold_sampling.from_scores(
        project=cast.project, count=50, min_gap=0.25, use="check", by=cast.owner, at=NOW
    )
    assert decided & set(Gold.objects.values_list("comparison", flat=True))
    assert Comparison.objects.count() <= 6
    invariants.check(cast.project)


def test_a_gold_is_never_drawn_as_work_and_moves_no_progress(cast: Cast) -> None:
    project_with(cast, size=5)
    made = golds(cast, 3)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    pairs = [one.comparison_id for one in made]
    assert not Assignment.objects.filter(comparison__in=pairs, kind=Kind.WORK).exists()
    sums = tallies.of_project(cast.project)
    assert sums.drawn == Comparison.objects.exclude(pk__in=pairs).count() == sums.decided + sums.undecided
    invariants.check(cast.project)


def test_a_check_names_an_anchor_where_work_does(cast: Cast) -> None:
    project = project_with(cast, gold_percent=40, strategy="iterative")
    golds(cast, 8)
    sides = []
    for _ in range(8):
        check = next_of_kind(project, cast.ann_one, Kind.GOLD)
        sides.append(queue.card(check)["anchor"])
        assert queue.card(check)["anchor"] == sides[-1]
        answer(check)
    assert set(sides) == {"first", "second"}


def test_each_person_gets_each_gold_once(cast: Cast) -> None:
    project = project_with(cast, gold_percent=50)
    made = golds(cast, 8)
    work_on(project, cast.ann_one, 60)
    got = Assignment.objects.filter(annotator=cast.ann_one, kind=Kind.GOLD)
    assert sorted(got.values_list("comparison", flat=True)) == sorted(one.comparison_id for one in made)
    assert tallies.per_annotator(project)[cast.ann_one.pk].gold == 8
    invariants.check(project)


def test_two_people_meet_the_golds_in_another_order(cast: Cast) -> None:
    project = project_with(cast, gold_percent=50)
    golds(cast, 12)
    orders = []
    for person in (cast.ann_one, cast.ann_two):
        work_on(project, person, 60)
        mine = Assignment.objects.filter(annotator=person, kind=Kind.GOLD).order_by("pk")
        orders.append(list(mine.values_list("comparison", flat=True)))
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_retired_and_withdrawn_golds_are_not_handed_out_until_restored(cast: Cast) -> None:
    project = project_with(cast, gold_percent=50)
    one, other = golds(cast, 2)
    gold.retire(gold=one, by=cast.admin, at=NOW)
    Comparison.objects.filter(pk=other.comparison_id).update(state="withdrawn")
    work_on(project, cast.ann_one, 20)
    assert not Assignment.objects.filter(kind=Kind.GOLD).exists()
    gold.restore(gold=one, by=cast.admin, at=NOW)
    assert next_of_kind(project, cast.ann_one, Kind.GOLD).comparison_id == one.comparison_id
    verbs = AuditEntry.objects.filter(verb__startswith="gold.").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["gold.made", "gold.retired", "gold.restored"]


@pytest.mark.parametrize(("verdict", "right"), [("truth", 1), ("wrong", 0), ("too_close", 0)])
def test_an_answer_is_counted_and_taken_back_exactly(cast: Cast, verdict: str, right: int) -> None:
    project = project_with(cast, gold_percent=50)
    golds(cast, 3)
    lease = next_of_kind(project, cast.ann_one, Kind.GOLD)
    known = "first" if (lease.comparison.gold.answer == "low") == lease.low_first else "second"
    said = {"truth": known, "wrong": "second" if known == "first" else "first"}.get(verdict, verdict)
    label = answer(lease, NOW, said)
    assert label.agrees == bool(right)
    mine = tallies.per_annotator(project)[cast.ann_one.pk]
    assert (mine.gold, mine.gold_right) == (1, right)
    invariants.check(project)
    back = labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    assert (back.pk, back.kind) == (lease.pk, Kind.GOLD)
    mine = tallies.per_annotator(project)[cast.ann_one.pk]
    assert (mine.gold, mine.gold_right) == (0, 0)
    answer(back, NOW, known)
    invariants.check(project)


def test_an_expired_or_released_gold_frees_no_slot_and_is_taken_up_again(cast: Cast) -> None:
    project = project_with(cast, gold_percent=50)
    golds(cast, 1)
    lease = next_of_kind(project, cast.ann_one, Kind.GOLD)
    assignments.expire(NOW + timedelta(hours=3))
    lease.refresh_from_db()
    assert lease.state == Assignment.State.EXPIRED
    assert lease.comparison.free_slots == 0
    late = answer(lease, NOW + timedelta(hours=3))
    assert late.kind == Kind.GOLD, "a late answer to a check takes nobody's place"
    labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    assert assignments.release(project=project, by=cast.ann_one, at=NOW) >= 1
    assert next_of_kind(project, cast.ann_one, Kind.GOLD).pk == lease.pk
    invariants.check(project)


def test_a_manager_marks_a_decided_comparison_or_a_pair(cast: Cast) -> None:
    project = project_with(cast, size=3)
    (label,) = work_on(project, cast.ann_one, 1)
    made = gold.add(
        project=project,
        comparison_id=label.comparison_id,
        answer="low",
        use="practice",
        explanation=" Plain. ",
        by=cast.admin,
        at=NOW,
    )
    assert (made.source, made.explanation) == ("admin", "Plain.")
    one, other = (
        Preference.objects.exclude(pk=label.comparison.low_id)
        .order_by("-pk")
        .values_list("pk", flat=True)[:2]
    )
    pair = gold.add(project=project, one=one, other=other, answer="one", use="check", by=cast.admin, at=NOW)
    assert pair.answer == "high", "the first one named has the larger id"
    with pytest.raises(Conflict, match="gold already"):
        gold.add(project=project, one=other, other=one, answer="one", use="check", by=cast.admin, at=NOW)
    invariants.check(project)


def test_what_cannot_be_gold_is_refused(cast: Cast) -> None:
    project = project_with(cast, size=3)
    lease = assignments.next_for(project=project, by=cast.ann_one, at=NOW)
    assert lease
    ids = list(Preference.objects.filter(project=project).values_list("pk", flat=True))
    held_out = add_preferences(project, 1, split=Split.HELDOUT)[0].pk

    def add(**given: object) -> Gold:
        fields: dict[str, object] = {"answer": "low", "use": "check", "by": cast.admin, "at": NOW, **given}
        return gold.add(project=project, **fields)  # type: ignore[arg-type]

    with pytest.raises(Conflict, match="still being labelled"):
        add(comparison_id=lease.comparison_id)
    with pytest.raises(NotFound):
        add(comparison_id=10**9)
    with pytest.raises(NotFound):
        add(one=ids[0], other=held_out)
    with pytest.raises(Invalid):
        add(one=ids[0], other=ids[0])
    with pytest.raises(Invalid):
        add(one=ids[0], other=ids[1], use="ornament")
    with pytest.raises(Invalid):
        add(one=ids[0], other=ids[1], explanation="x" * 501)
    with pytest.raises(NotAllowed):
        add(one=ids[0], other=ids[1], by=cast.ann_one)
    assert not Gold.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 1001}, {"min_gap": 0.0}, {"min_gap": float("nan")}]
)
def test_numbers_out_of_range_make_no_gold(cast: Cast, wrong: dict[str, float]) -> None:
    given: dict[str, object] = {"count": 5, "min_gap": 1.0, **wrong}
    with pytest.raises(Invalid):
        gold_sampling.from_scores(
            project=cast.project,
            use="check",
            by=cast.owner,
            at=NOW,
            **given,  # type: ignore[arg-type]
        )
    assert Project.objects.get(pk=cast.project.pk).golds.count() == 0
