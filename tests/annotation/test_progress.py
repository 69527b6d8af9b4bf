from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.errors import NotFound
from annotation.models import Label, Project, Split
from annotation.selectors import progress
from annotation.services import assignments, labels
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences, make_project

pytestmark = pytest.mark.either


def _label(cast: Cast, count: int) -> None:
    for index in range(count):
        moment = NOW + timedelta(minutes=index)
        held = assignments.next_for(project=cast.project, by=cast.ann_one, at=moment)
        assert held
        answer(held, moment, verdict="too_close" if index == 0 else "first")


def test_progress_counts_what_was_labelled(cast: Cast) -> None:
    add_preferences(cast.project, 10)
    add_preferences(cast.project, 5, split=Split.HELDOUT)
    _label(cast, 12)
    assert assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)
    seen = progress.of_project(cast.owner, cast.project, NOW + timedelta(minutes=12))
    assert (seen.labels, seen.decided, seen.undecided, seen.comparisons_open) == (12, 11, 1, 1)
    assert seen.rows_train + seen.rows_heldout == 11
    assert (seen.rows_heldout > 0, seen.target_rows) == (True, 30)
    assert (seen.labels_expected, seen.labels_last_hour) == (31, 12)
    assert seen.eta_seconds == pytest.approx((31 - 12) * 12 * 60 / 12)


@pytest.mark.parametrize(
    ("passed", "pace"),
    [
        (timedelta(seconds=4), timedelta(minutes=5)),  # too short to tell a pace from
        (timedelta(minutes=20), timedelta(minutes=20) / 5),
        (timedelta(minutes=62), timedelta(minutes=59) / 2),  # only two are of the last hour
    ],
)
def test_time_left_goes_by_the_time_people_worked(cast: Cast, passed: timedelta, pace: timedelta) -> None:
    add_preferences(cast.project, 10)
    _label(cast, 5)
    seen = progress.of_project(cast.owner, cast.project, NOW + passed)
    left = seen.labels_expected - seen.labels
    assert seen.eta_seconds == pytest.approx(left * pace.total_seconds())


def test_pace_is_that_of_the_last_hour(cast: Cast) -> None:
    add_preferences(cast.project, 10)
    _label(cast, 5)
    seen = progress.of_project(cast.owner, cast.project, NOW + timedelta(hours=3))
    assert (seen.labels, seen.labels_last_hour, seen.eta_seconds) == (5, 0, None)


def test_who_labelled_how_much_is_for_managers(cast: Cast) -> None:
    add_preferences(cast.project, 10)
    _label(cast, 3)
    tomorrow = NOW + timedelta(days=1)
    held = assignments.next_for(project=cast.project, by=cast.ann_two, at=tomorrow)
    assert held
    answer(held, tomorrow, verdict="first")
    seen = progress.of_project(cast.admin, cast.project, tomorrow)
    assert [(row.name, row.labels, row.today) for row in seen.per_annotator] == [
        ("ann_one", 3, 0),
        ("ann_two", 1, 1),
    ]
    assert progress.of_project(cast.ann_one, cast.project, tomorrow).per_annotator == []


def test_own_labels_of_today_and_in_all(cast: Cast) -> None:
    add_preferences(cast.project, 10)
    _label(cast, 3)
    assert progress.mine(cast.ann_one, cast.project, NOW) == progress.Mine(today=3, total=3)
    assert progress.mine(cast.ann_one, cast.project, NOW + timedelta(days=1)) == progress.Mine(0, 3)
    assert progress.mine(cast.ann_two, cast.project, NOW) == progress.Mine(0, 0)
    assert progress.mine_by_project(cast.ann_one, NOW) == {cast.project.pk: progress.Mine(3, 3)}


def test_undone_answers_are_not_counted(cast: Cast) -> None:
    add_preferences(cast.project, 10)
    _label(cast, 2)
    labels.undo_last(project=cast.project, by=cast.ann_one, at=NOW)
    assert progress.totals(cast.ann_one, cast.project).labels == 1
    assert progress.mine(cast.ann_one, cast.project, NOW).total == 1


def test_other_projects_are_not_counted(cast: Cast) -> None:
    add_preferences(cast.project, 4)
    _label(cast, 2)
    other = make_project(cast.owner, "Other")
    assert progress.of_project(cast.owner, other, NOW).labels == 0


@pytest.mark.parametrize("ask", [progress.of_project, progress.mine])
def test_outsiders_see_no_progress(cast: Cast, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(NotFound):
        ask(cast.outsider, cast.project, NOW)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_labels_expected_end_as_labels_given(cast: Cast, strategy: str) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy, labels_per_comparison=2)
    cast.project.refresh_from_db()
    add_preferences(cast.project, 9)
    add_preferences(cast.project, 3, split=Split.HELDOUT)
    before = progress.of_project(cast.owner, cast.project, NOW).labels_expected
    assert before == progress.labels_expected(cast.project, train=9, heldout=3) > 0
    given = label_everything(cast.project, [cast.ann_one, cast.ann_two])
    seen = progress.of_project(cast.owner, cast.project, NOW)
    assert seen.labels == seen.labels_expected == given == Label.objects.count()
    assert seen.comparisons_open == 0


def test_anchors_are_counted_by_state(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy="iterative")
    cast.project.refresh_from_db()
    add_preferences(cast.project, 8)
    assert progress.of_project(cast.owner, cast.project, NOW).anchors == progress.AnchorCounts(0, 0, 0)
    label_everything(cast.project, [cast.ann_one])
    anchors = progress.of_project(cast.owner, cast.project, NOW).anchors
    assert (anchors.open, anchors.full + anchors.exhausted) == (0, 8)


def test_a_very_busy_hour_is_told_by_the_pace_of_its_newest_labels(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six labels, one a minute, the last one now; only four are counted: one each 45 s of the last three."""
    add_preferences(cast.project, 12)
    for minute in range(6):
        at = NOW + timedelta(minutes=minute)
        held = assignments.next_for(project=cast.project, by=cast.ann_one, at=at)
        assert held
        answer(held, at)
    monkeypatch.setattr(progress, "MOST_COUNTED", 4)
    found = progress.of_project(cast.owner, cast.project, at)
    assert found.labels_last_hour == 80
    assert found.eta_seconds == pytest.approx((found.labels_expected - 6) * 45)
