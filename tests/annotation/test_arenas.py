"""Arenas: made of responses, drawn as battles, voted on as any comparison, refused what makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound
from annotation.models import AuditEntry, Comparison, Label, Pool, Preference, Project, Split
from annotation.selectors import arena, arena_names, history, progress, queue, tallies
from annotation.services import (
    analyses,
    arena_votes,
    arenas,
    assignments,
    datasets,
    exclusion,
    gold,
    gold_sampling,
    imports,
    labels,
    projects,
    targets,
)
from annotation.services import history as deeds
from tests.annotation.arenas import MODELS, entry, handed, make_arena, vote, vote_by
from tests.cast import NOW, Cast

pytestmark = [pytest.mark.either, pytest.mark.django_db]
RANKS = {"Lark": 0, "Wren": 1, "Rook": 1}


def test_every_two_responses_to_a_prompt_meet_once_and_equal_ones_never(cast: Cast) -> None:
    project = make_arena(cast, prompts=5, same=2)
    assert Pool.objects.get(project=project, split=Split.TRAIN).size == 13
    assert (project.battles_possible, project.battles) == (11, 11)
    assert progress.totals(cast.owner, project).labels_expected == 11
    first = vote_by(project, cast.ann_one, RANKS)
    assert first + vote_by(project, cast.ann_two, RANKS) == 11
    met = Comparison.objects.filter(pool__project=project).values_list("low__prompt", "high__prompt")
    assert len(met) == 11
    assert all(low == high for low, high in met)
    assert queue.why_empty(cast.ann_one, project, NOW).code == "done"
    counts = tallies.of_pools(project.pools.all())
    assert targets.reached(project, project.pools.all(), counts)


def test_as_many_battles_as_are_wanted_and_more_when_more_are(cast: Cast) -> None:
    project = make_arena(cast, battles=3)
    assert vote_by(project, cast.ann_one, RANKS) == 3
    projects.update(project=project, by=cast.owner, at=NOW, battles=5)
    assert vote_by(project, cast.ann_one, RANKS) == 2
    for wrong in (0, 13):
        with pytest.raises(Invalid) as refused:
            projects.update(project=project, by=cast.owner, at=NOW, battles=wrong)
        assert "Between 1 and 12" in refused.value.fields["battles"][0]


def test_an_excluded_response_is_not_asked_and_the_target_is_reached_without_it(cast: Cast) -> None:
    project = make_arena(cast, prompts=2)
    said = Preference.objects.get(project=project, number=0)
    exclusion.exclude(preference=said, by=cast.owner, at=NOW)
    assert vote_by(project, cast.ann_one, RANKS) == 4
    counts = tallies.of_pools(project.pools.all())
    assert targets.reached(project, project.pools.all(), counts)


def test_results_say_who_is_better_by_how_much_and_for_managers_alone(cast: Cast) -> None:
    project = make_arena(cast, prompts=6, same=1, labels_per_comparison=2)
    vote_by(project, cast.ann_one, RANKS)
    with CaptureQueriesContext(connection) as few:
        arena.of_project(cast.owner, project)
    vote_by(project, cast.ann_two, RANKS)
    with CaptureQueriesContext(connection) as many:
        found = arena.of_project(cast.owner, project)
    assert len(many) == len(few)
    assert [row.contender.name for row in found.rows] == ["Lark", "Wren", "Rook"]
    best, wren, rook = found.rows
    # Lark won 5 battles against Wren and 6 against Rook, twice each, and tied with Wren once unasked.
    assert (best.standing.rate.votes, best.standing.rate.value) == pytest.approx((24, 23 / 24))
    against = best.rates[1]
    assert against is not None
    assert (against.votes, against.value) == pytest.approx((12, 11 / 12))
    # One comparison was of Rook with what Wren and Lark both said: it counts for each of the two.
    assert rook.standing.rate.votes == wren.standing.rate.votes == 24
    assert (found.same, found.prompts, found.responses, found.battles) == (1, 6, 17, 16)
    assert best.standing.high is not None
    for person in (cast.ann_one, cast.outsider):
        with pytest.raises((NotAllowed, NotFound)):
            arena.of_project(person, project)
    with pytest.raises(Conflict):
        arena.of_project(cast.owner, cast.project)


def test_cannot_judge_is_no_vote_and_withdrawn_battles_do_not_count(cast: Cast) -> None:
    project = make_arena(cast, prompts=1)
    for lease, verdict in zip(
        handed(project, cast.ann_one), ("cannot_judge", "too_close", "first"), strict=True
    ):
        vote(lease, cast.ann_one, verdict)
    found = arena.of_project(cast.owner, project)
    assert (found.cannot_judge, found.neither, found.battles) == (1, 1, 3)
    assert sum(row.standing.rate.votes for row in found.rows) == 4
    exclusion.exclude(preference=Preference.objects.get(project=project, number=0), by=cast.owner, at=NOW)
    assert sum(row.standing.rate.votes for row in arena.of_project(cast.owner, project).rows) <= 2


def test_names_are_kept_until_the_arena_is_archived_and_it_stays_so(cast: Cast) -> None:
    project = make_arena(cast, prompts=2)
    lease = next(handed(project, cast.ann_one))
    card = queue.card(lease)
    assert not any(model in str(card) for model in MODELS)
    assert card["first"]["rejected"] == []
    label = vote(lease, cast.ann_one, "first")
    assert arena_names.of_label(project, label) is None
    labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    label = vote(lease, cast.ann_one, "second")
    deeds.edit(label_id=label.pk, verdict="first", by=cast.ann_one, at=NOW, key=uuid4())
    projects.archive(project=project, by=cast.owner, at=NOW)
    found = history.get(cast.ann_one, Label.objects.get(is_current=True).pk)
    told = arena_names.of_label(found.project, found)
    assert told is not None
    (one,), (other,) = told.first, told.second
    shown = [lease.comparison.low, lease.comparison.high]
    shown = shown if lease.low_first else shown[::-1]
    assert [one[::-1].lower(), other[::-1].lower()] == [text.chosen[0]["content"][:4] for text in shown]
    with pytest.raises(Conflict, match="cannot be opened again"):
        projects.reopen(project=project, by=cast.owner, at=NOW)


def test_an_answer_whose_names_were_told_stands(cast: Cast) -> None:
    project = make_arena(cast, prompts=2, same=2, names_told="answered")
    label = vote(next(handed(project, cast.ann_one)), cast.ann_one, "first")
    told = arena_names.of_label(project, label)
    assert told is not None
    assert sorted([told.first, told.second]) == [["Lark", "Wren"], ["Rook"]]
    with pytest.raises(Conflict, match="stands"):
        labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    with pytest.raises(Conflict, match="stands"):
        deeds.undo(label_id=label.pk, by=cast.ann_one, at=NOW)
    with pytest.raises(Conflict, match="stands"):
        deeds.edit(label_id=label.pk, verdict="second", by=cast.ann_one, at=NOW, key=uuid4())
    with pytest.raises(Invalid) as refused:
        projects.update(project=project, by=cast.owner, at=NOW, retest_percent=10)
    assert "would not be blind" in str(refused.value.fields)
    with pytest.raises(Conflict):  # somebody has been told already
        projects.update(project=project, by=cast.owner, at=NOW, names_told="closed")


def test_the_sides_are_random_and_recorded(cast: Cast) -> None:
    project = make_arena(cast, prompts=20)
    shown = [lease.low_first for lease in handed(project, cast.ann_one) if vote(lease, cast.ann_one, "first")]
    assert len(shown) == 60
    assert 10 < sum(shown) < 50  # p < 1e-6 otherwise
    assert list(Label.objects.order_by("pk").values_list("low_first", flat=True)) == shown


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry(0, "Lark")], "at least two models"),
        ([entry(0, "Lark"), entry(1, "Wren")], "no prompt in common"),
        ([entry(0, "Lark", "So."), entry(0, "Wren", "So.")], "nothing to ask"),
        ([entry(0, "Lark"), entry(0, "Lark", "Else")], "two responses to one prompt"),
        ([entry(0, "Lark"), entry(0, "Wren"), entry(1, "Rook")], "Rook: no prompt in common"),
        ([entry(0, " "), entry(0, "Wren")], "names no model"),
        ([entry(0, f"Model {n}") for n in range(17)], "at most 16 models"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(
    cast: Cast, entries: list[arenas.Entry], words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        arenas.create(name="Birds", entries=entries, by=cast.owner, at=NOW)
    assert not Project.objects.filter(kind="arena").exists()


def test_what_makes_no_sense_in_an_arena_is_refused(cast: Cast) -> None:
    project = make_arena(cast, prompts=2)
    lease = next(handed(project, cast.ann_one))
    said, other = Preference.objects.filter(project=project).order_by("number")[2:4]
    about: dict[str, Any] = {"project": project, "by": cast.owner, "at": NOW}
    refused: list[Callable[[], object]] = [
        lambda: imports.start_file(upload=SimpleUploadedFile("a.jsonl", b"{}"), **about),
        lambda: imports.start_hub(dataset="a/b", **about),
        lambda: datasets.freeze(**about),
        lambda: analyses.recompute(**about),
        lambda: gold_sampling.from_scores(count=1, min_gap=1.0, use="check", **about),
        lambda: exclusion.correct(preference=said, by=cast.owner, at=NOW),
        lambda: projects.update(strategy="iterative", **about),
        lambda: projects.update(holdout_percent=20, **about),
        lambda: gold.add(answer="one", use="check", one=said.pk, other=other.pk, **about),
        lambda: labels.submit(
            assignment_id=lease.pk,
            verdict="first",
            by=cast.ann_one,
            at=NOW,
            key=uuid4(),
            first_looks_swapped=True,
        ),
    ]
    for deed in refused:
        with pytest.raises(DomainError) as error:
            deed()
        assert error.value.code in {"arena", "unknown_field", "invalid_gold", "invalid_label"}
    with pytest.raises(Invalid, match="cannot be changed"):
        projects.update(project=cast.project, by=cast.owner, at=NOW, battles=3)
    with pytest.raises(NotAllowed):
        make_arena(cast, by=cast.admin)


def test_gold_of_one_prompt_works_as_in_any_project(cast: Cast) -> None:
    project = make_arena(cast, prompts=2)
    one, other = Preference.objects.filter(project=project).order_by("number")[:2]
    gold.add(project=project, answer="one", use="check", one=one.pk, other=other.pk, by=cast.owner, at=NOW)
    projects.update(project=project, by=cast.owner, at=NOW, gold_percent=50)
    kinds = {lease.kind for lease in handed(project, cast.ann_one) if vote(lease, cast.ann_one, "first")}
    assert kinds == {"gold", "work"}
    assert Comparison.objects.filter(pool__project=project).count() == 6


@pytest.mark.usefixtures("files")
def test_votes_become_preferences_of_another_project(cast: Cast) -> None:
    project = make_arena(cast, prompts=3)
    with pytest.raises(Conflict, match="winner"):
        arena_votes.make_preferences(arena=project, into=cast.project, by=cast.owner, at=NOW)
    vote_by(project, cast.ann_one, RANKS)
    for wrong in (cast.ann_one, cast.admin):  # the admin manages the other project alone
        with pytest.raises((NotAllowed, NotFound)):
            arena_votes.make_preferences(arena=project, into=cast.project, by=wrong, at=NOW)
    for expected in ((6, 0), (0, 6)):  # the second time they are there
        started = arena_votes.make_preferences(arena=project, into=cast.project, by=cast.owner, at=NOW)
        imports.run(started.pk)
        started.refresh_from_db()
        assert (started.rows_imported, started.rows_duplicate, started.error) == (*expected, "")
    made = Preference.objects.filter(project=cast.project)
    assert {one.source for one in made} == {f"arena {project.slug}"}
    assert {one.chosen[0]["content"][:4] for one in made} == {"kral"}
    assert {one.rejected[0]["content"][:4] for one in made} == {"nerw", "koor"}
    assert AuditEntry.objects.filter(project=project, verb="arena.preferences_made").count() == 2
    rows = list(arena.winners(cast.owner, project))
    assert [(row["chosen_models"], len(row["rejected_models"])) for row in rows] == [(["Lark"], 1)] * 6


def test_a_second_vote_is_asked_of_somebody_else(cast: Cast) -> None:
    project = make_arena(cast, prompts=1, models=("Lark", "Wren"), labels_per_comparison=2)
    assert [vote_by(project, who, RANKS) for who in (cast.ann_one, cast.ann_one, cast.ann_two)] == [1, 0, 1]
    assert assignments.next_for(project=project, by=cast.owner, at=NOW) is None
