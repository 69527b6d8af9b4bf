from __future__ import annotations

import json
from datetime import timedelta

import pytest

from annotation.errors import NotFound
from annotation.models import Assignment, Preference, Project
from annotation.selectors import queue
from annotation.services import assignments
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences

pytestmark = pytest.mark.database


def _lease(cast: Cast, exclude: tuple[int, ...] = ()) -> Assignment:
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW, exclude=exclude)
    assert held
    return held


@pytest.mark.parametrize("low_first", [True, False])
def test_card_shows_texts_in_the_drawn_order(cast: Cast, low_first: bool) -> None:
    add_preferences(cast.project, 2)
    held = _lease(cast)
    held.low_first = low_first
    card = queue.card(held)
    sides = [held.comparison.low, held.comparison.high]
    first, second = sides if low_first else sides[::-1]
    assert card["first"] == {"prompt": first.prompt, "chosen": first.chosen, "rejected": first.rejected}
    assert card["second"]["chosen"] == second.chosen
    assert (card["id"], card["expires_at"], card["anchor"]) == (held.pk, held.expires_at, None)
    assert card["question"] == cast.project.question


def test_card_tells_no_secrets(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    extra = [{"role": "user", "content": "Hi", "score": 4.75}]
    Preference.objects.update(prompt=extra, score_chosen=7777.25)
    card = queue.card(_lease(cast))
    assert set(card) == {"id", "kind", "expires_at", "first", "second", "anchor", "question", "practice"}
    assert set(card["first"]) == set(card["second"]) == {"prompt", "chosen", "rejected"}
    written = json.dumps(card, default=str)
    assert not any(secret in written for secret in ("7777", "4.75", "score", "secret-source", "secret-"))


def test_card_says_which_side_is_the_anchor(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy="iterative")
    add_preferences(cast.project, 5)
    held = _lease(cast)
    assert held.comparison.anchor
    anchor = held.comparison.anchor.preference
    side = queue.card(held)["anchor"]
    assert queue.card(held)[side]["prompt"] == anchor.prompt
    held.low_first = not held.low_first
    assert queue.card(held)["anchor"] == {"first": "second", "second": "first"}[side]


def test_card_takes_one_query(cast: Cast, django_assert_num_queries: object) -> None:
    add_preferences(cast.project, 3)
    held = Assignment.objects.select_related("project").get(pk=_lease(cast).pk)
    assert callable(django_assert_num_queries)
    with django_assert_num_queries(1):
        queue.card(held)


def _why(cast: Cast) -> str:
    return queue.why_empty(cast.ann_one, cast.project, NOW).code


def test_outsiders_are_told_nothing(cast: Cast) -> None:
    with pytest.raises(NotFound):
        queue.why_empty(cast.outsider, cast.project, NOW)


@pytest.mark.parametrize("state", ["paused", "archived"])
def test_closed_project_says_so(cast: Cast, state: str) -> None:
    Project.objects.filter(pk=cast.project.pk).update(state=state)
    assert _why(cast) == state


@pytest.mark.parametrize("size", [0, 1])
def test_nothing_to_compare_says_so(cast: Cast, size: int) -> None:
    add_preferences(cast.project, size)
    assert _why(cast) == "no_preferences"


def test_everything_labelled_says_so(cast: Cast) -> None:
    add_preferences(cast.project, 3)
    label_everything(cast.project, [cast.ann_one])
    assert _why(cast) == "done"


def test_others_at_work_say_when_it_may_come_free(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    later = NOW + timedelta(minutes=3)
    assert assignments.next_for(project=cast.project, by=cast.ann_two, at=later)
    assert assignments.next_for(project=cast.project, by=cast.ann_one, at=later) is None
    why = queue.why_empty(cast.ann_one, cast.project, later)
    free = later + timedelta(minutes=15)
    assert (why.code, why.free_at, why.held_count) == ("held_by_others", free, 1)
    assert why.message == (
        f"1 comparison is held by others and is free at {free:%H:%M} UTC unless it is answered before."
    )


def test_comparisons_that_others_hold_are_counted_and_the_next_is_timed(cast: Cast) -> None:
    """Two people on one comparison hold one; a retest holds none."""
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=2)
    add_preferences(cast.project, 3)
    minute = timedelta(minutes=1)
    people = {"one": cast.ann_two, "two": cast.admin}
    held: tuple[int, ...] = ()
    for turn in range(3):
        for person in people.values():
            lease = assignments.next_for(
                project=cast.project, by=person, at=NOW + turn * minute, exclude=held
            )
            assert lease
            held = (*held, lease.pk)
    why = queue.why_empty(cast.ann_one, cast.project, NOW + 3 * minute)
    assert (why.code, why.free_at, why.held_count) == ("held_by_others", NOW + 15 * minute, 3)
    assert why.message.startswith("3 comparisons are held by others, the next is free at")
    Assignment.objects.filter(annotator=cast.ann_two, expires_at=NOW + 15 * minute).update(kind="retest")
    Assignment.objects.filter(annotator=cast.admin, expires_at=NOW + 15 * minute).update(kind="retest")
    why = queue.why_empty(cast.ann_one, cast.project, NOW + 3 * minute)
    assert (why.free_at, why.held_count) == (NOW + 16 * minute, 2)


def test_own_part_done_is_told_from_all_done(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=2)
    add_preferences(cast.project, 3)
    label_everything(cast.project, [cast.ann_one])
    assert _why(cast) == "all_mine_done"


def test_what_others_hold_but_one_has_answered_is_not_waited_for(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=2)
    add_preferences(cast.project, 2)
    answer(_lease(cast), verdict="first")
    assert assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)
    assert _why(cast) == "all_mine_done"


def test_too_many_open_cards_are_named(cast: Cast) -> None:
    add_preferences(cast.project, 9)
    held: tuple[int, ...] = ()
    for _ in range(3):
        held = (*held, _lease(cast, held).pk)
    assert _why(cast) == "hold_limit"
