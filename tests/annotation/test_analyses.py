"""Strengths and cycles of a project: computed by a worker, by one at a time, from what counts."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from django.utils import timezone

from annotation import tasks
from annotation.errors import NotAllowed, NotFound
from annotation.models import Analysis, AuditEntry, Comparison, Label, Pool, Preference, Strength
from annotation.quality.strengths import fit
from annotation.services import adjudication, analyses, history, strength_rows, votes
from tests.annotation.playing import label_everything
from tests.cast import NOW, Cast, add_preferences
from tests.pairs import answered_pairs

pytestmark = pytest.mark.either
State = Analysis.State


def computed(cast: Cast, kind: str) -> Analysis:
    analyses.recompute(project=cast.project, by=cast.owner, at=timezone.now())
    row = Analysis.objects.get(project=cast.project, kind=kind)
    tasks.run_analysis(row.pk)
    row.refresh_from_db()
    assert row.state == State.DONE, row.error
    return row


def strengths(cast: Cast) -> dict[int, Strength]:
    return {row.preference_id: row for row in Strength.objects.filter(pool__project=cast.project)}


def test_strengths_are_the_fit_of_all_answers(cast: Cast) -> None:
    add_preferences(cast.project, 12)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    row = computed(cast, "strengths")
    pool = Pool.objects.get(project=cast.project, split="train")
    given = votes.of_pool(pool, "default")
    ids = sorted(Preference.objects.values_list("pk", flat=True))
    low, high = (np.array([ids.index(pk) for pk in side], np.int32) for side in (given.low, given.high))
    expected = fit(low, high, given.low_wins, len(ids))
    for place, pk in enumerate(ids):
        assert strengths(cast)[pk].theta == pytest.approx(expected.theta[place], abs=1e-6)
        assert strengths(cast)[pk].sd == pytest.approx(expected.sd[place], abs=1e-6)
    train = row.result["splits"]["train"]
    assert (train["compared"], train["answers"], train["converged"]) == (12, Label.objects.count(), True)
    assert sum(train["histogram"]["counts"]) == 12


def test_wins_and_losses_are_counted_and_too_close_is_neither(cast: Cast) -> None:
    one, two, three = add_preferences(cast.project, 3)
    answered_pairs(cast, [(one, two, "low"), (one, three, "low"), (two, three, "none")])
    computed(cast, "strengths")
    found = strengths(cast)
    assert [(found[p.pk].wins, found[p.pk].losses) for p in (one, two, three)] == [(2, 0), (0, 1), (0, 1)]
    assert found[one.pk].theta > 0 > found[two.pk].theta == pytest.approx(found[three.pk].theta)


def test_answers_taken_back_or_withdrawn_do_not_count(cast: Cast) -> None:
    one, two, three, four = add_preferences(cast.project, 4)
    made = answered_pairs(cast, [(one, two, "low"), (three, four, "low")])
    computed(cast, "strengths")
    assert len(strengths(cast)) == 4
    history.undo(label_id=made[0].labels.get().pk, by=cast.ann_one, at=NOW)
    Comparison.objects.filter(pk=made[1].pk).update(state="withdrawn")
    computed(cast, "strengths")
    assert strengths(cast) == {}


def test_a_reviewers_word_counts_in_the_place_of_the_votes(cast: Cast) -> None:
    one, two = add_preferences(cast.project, 2)
    (comparison,) = answered_pairs(cast, [(one, two, "low")])
    Comparison.objects.update(disputed=True)
    adjudication.decide(comparison=comparison, outcome="high", by=cast.owner, at=NOW)
    computed(cast, "strengths")
    assert strengths(cast)[two.pk].theta > 0
    assert strengths(cast)[two.pk].wins == 1


def test_a_cycle_is_found_with_its_preferences(cast: Cast) -> None:
    one, two, three, four = add_preferences(cast.project, 4)
    circle = [(one, two, "low"), (two, three, "low"), (one, three, "high")]
    answered_pairs(cast, [*circle, (one, four, "low")])
    train = computed(cast, "cycles").result["splits"]["train"]
    assert (train["triangles"], train["circles"], train["share"], train["groups"]) == (1, 1, 1, 1)
    assert train["examples"] == [[one.pk, two.pk, three.pk]]


def test_without_answers_nothing_is_found(cast: Cast) -> None:
    for kind in analyses.KINDS:
        splits = computed(cast, kind).result["splits"]
        assert set(splits) == {"train", "heldout"}
    assert strengths(cast) == {}


def test_one_worker_computes_and_a_dead_ones_work_is_taken_up(cast: Cast) -> None:
    analyses.recompute(project=cast.project, by=cast.owner, at=NOW)
    row = Analysis.objects.get(kind="cycles")
    now = timezone.now()
    Analysis.objects.filter(pk=row.pk).update(state=State.RUNNING, heartbeat_at=now)
    analyses.run(row.pk)
    row.refresh_from_db()
    assert row.state == State.RUNNING
    Analysis.objects.filter(pk=row.pk).update(heartbeat_at=now - 2 * analyses.STALE)
    analyses.run(row.pk)
    row.refresh_from_db()
    assert row.state == State.DONE


def test_a_worker_that_was_taken_over_writes_nothing_more(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyses.recompute(project=cast.project, by=cast.owner, at=NOW)
    row = Analysis.objects.get(kind="cycles")

    def slow(project: object, beat: object) -> dict[str, object]:
        Analysis.objects.filter(pk=row.pk).update(heartbeat_at=timezone.now() + timedelta(seconds=1))
        return {"late": True}

    monkeypatch.setitem(analyses.KINDS, "cycles", slow)
    analyses.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.result) == (State.RUNNING, {})


def test_a_failure_is_said_in_words_and_can_be_asked_for_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(project: object, beat: object) -> dict[str, object]:
        raise MemoryError

    analyses.recompute(project=cast.project, by=cast.owner, at=NOW)
    row = Analysis.objects.get(kind="cycles")
    with monkeypatch.context() as patched:
        patched.setitem(analyses.KINDS, "cycles", broken)
        analyses.run(row.pk)
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert "log" in row.error
    assert computed(cast, "cycles").error == ""


def test_asking_twice_is_asking_once(cast: Cast) -> None:
    analyses.recompute(project=cast.project, by=cast.owner, at=NOW)
    later = NOW + timedelta(hours=1)
    analyses.recompute(project=cast.project, by=cast.admin, at=later)
    assert {row.requested_at for row in Analysis.objects.all()} == {NOW}
    assert AuditEntry.objects.filter(verb="project.consistency_asked").count() == 2


def test_only_managers_may_ask(cast: Cast) -> None:
    for person, error in ((cast.ann_one, NotAllowed), (cast.outsider, NotFound)):
        with pytest.raises(error):
            analyses.recompute(project=cast.project, by=person, at=NOW)
    assert not Analysis.objects.exists()


def test_rows_are_written_in_several_parts(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strength_rows, "AT_ONCE", 2)
    made = add_preferences(cast.project, 7)
    answered_pairs(cast, [(*pair, "low") for pair in pairwise(made)])
    computed(cast, "strengths")
    order = [row.preference_id for row in Strength.objects.order_by("-theta")]
    assert order == [preference.pk for preference in made]
    Label.objects.update(is_current=False)
    computed(cast, "strengths")
    assert not Strength.objects.exists()
