"""How good the answers are: read from tallies and folded counts, for those who may."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.errors import NotAllowed, NotFound
from annotation.models import AgreementPair, Label, Tally
from annotation.quality.agreement import measure
from annotation.quality.shares import share
from annotation.selectors import annotators, quality
from tests.annotation.answered import answered, one_more
from tests.cast import NOW, Cast, join, make_user, reviewer_of

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def test_agreement_is_that_of_the_folded_answers(cast: Cast) -> None:
    project = answered(cast, "lllhhn", "llhhln")
    found = quality.of_project(cast.owner, project)
    assert found.agreement == measure({(2, 0, 0): 2, (1, 1, 0): 2, (0, 2, 0): 1, (0, 0, 2): 1})
    assert (found.waiting, found.waiting_more) == (0, False)
    one_more(project, cast.ann_one)
    again = quality.of_project(cast.owner, project)
    assert (again.agreement, again.waiting) == (found.agreement, 1)
    assert again.answers.labels == found.answers.labels + 1


def test_without_a_second_answer_it_is_undefined_in_words(cast: Cast) -> None:
    found = quality.of_project(cast.owner, cast.project)
    assert (found.agreement.alpha, found.answers.seconds) == (None, None)
    assert found.reading == "Undefined, because no comparison has two answers yet."
    assert found.on_position == "Nobody has named a side yet."


def test_the_counts_become_shares_of_what_they_are_shares_of(cast: Cast) -> None:
    project = answered(cast, "lln", "lhn")
    Tally.objects.filter(annotator=cast.ann_one).update(
        gold=4, gold_right=3, retests=2, retests_same=2, timed=2, milliseconds=9_000
    )
    found = quality.of_project(cast.owner, project).answers
    firsts = Label.objects.filter(verdict="first").count()
    assert found.first == share(firsts, 4)
    assert (found.too_close, found.cannot_judge) == (share(2, 6), share(0, 6))
    assert (found.gold, found.retests, found.seconds) == (share(3, 4), share(2, 2), 4.5)


def test_many_that_wait_are_not_counted_to_the_end(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "MOST_COUNTED", 2)
    project = answered(cast, "", "", size=12)
    for _ in range(3):
        one_more(project, cast.ann_one)
    found = quality.of_project(cast.owner, project)
    assert (found.waiting, found.waiting_more) == (2, True)


def test_annotators_are_sorted_by_every_column_with_the_unknown_last(cast: Cast) -> None:
    project = answered(cast, "llhn", "lhhn")
    quiet = make_user("quiet")
    Tally.objects.create(pool=project.pools.get(split="train"), annotator=quiet, gold=1, last_at=NOW)
    Tally.objects.filter(annotator=cast.ann_two).update(gold=2, gold_right=1, retests=1, timed=1)
    for sort in annotators.CHOICES:
        rows = annotators.of_project(cast.owner, project, sort)
        key = annotators.SORTS[sort.removeprefix("-")]
        values = [key(row) for row in rows]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=sort.startswith("-"))
        assert values[len(known) :] == [None] * (3 - len(known))
    by_name = {row.name: row for row in rows}
    assert by_name["ann_one"].alike == by_name["ann_two"].alike == share(3, 4)
    assert by_name["quiet"].alike == share(0, 0)


def test_pairs_with_little_in_common_are_left_out(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    project = answered(cast, "llh", "lhh")
    assert list(annotators.pairs(cast.owner, project)) == []
    monkeypatch.setattr(annotators, "LEAST_SHARED", 3)
    (pair,) = annotators.pairs(cast.owner, project)
    assert (pair.one, pair.other, pair.shared, pair.same) == (cast.ann_one, cast.ann_two, 3, 2)


def test_pairs_are_sorted_as_asked(cast: Cast) -> None:
    people = [make_user(f"person{number}") for number in range(3)]
    for (one, other), (shared, same) in {(0, 1): (20, 10), (0, 2): (40, 30), (1, 2): (30, 3)}.items():
        AgreementPair.objects.create(
            project=cast.project, one=people[one], other=people[other], shared=shared, same=same
        )
    expected = {
        "alike": [30, 20, 40],
        "-alike": [40, 20, 30],
        "shared": [20, 30, 40],
        "-shared": [40, 30, 20],
    }
    for sort in annotators.PAIR_SORTS:
        assert [pair.shared for pair in annotators.pairs(cast.owner, cast.project, sort)] == expected[sort]


def test_reviewers_see_the_project_only_and_annotators_nothing(cast: Cast) -> None:
    reviewer = reviewer_of(cast.project)
    assert quality.of_project(reviewer, cast.project)
    for person, error in ((cast.ann_one, NotAllowed), (cast.outsider, NotFound)):
        with pytest.raises(error):
            quality.of_project(person, cast.project)
    for person, error in ((reviewer, NotAllowed), (cast.ann_one, NotAllowed), (cast.outsider, NotFound)):
        with pytest.raises(error):
            annotators.of_project(person, cast.project)
        with pytest.raises(error):
            annotators.pairs(person, cast.project)


def test_more_people_ask_no_more_queries(cast: Cast) -> None:
    project = answered(cast, "ll", "lh")
    counts = []
    for number in range(2):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            quality.of_project(cast.owner, project)
            annotators.of_project(cast.owner, project)
        counts.append(len(seen))
        for more in range(5):
            person = make_user(f"person{number}-{more}")
            join(project, person)
            one_more(project, person)
    assert counts == [9, 9]
