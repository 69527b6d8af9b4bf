"""Adding to an arena that is being voted in: what is there stays, what is new is asked, twice is once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.errors import Conflict, Invalid, NotAllowed, NotFound
from annotation.models import ArenaAddition, ArenaEntry, AuditEntry, Comparison, Label, Pool, Project, Split
from annotation.selectors import arena, arena_names, progress, queue, tallies
from annotation.services import arena_additions, exclusion, projects, targets
from annotation.services.arenas import Entry
from tests.annotation.arenas import entry, handed, make_arena, vote, vote_by
from tests.cast import NOW, Cast, make_cast

RANKS = {"Lark": 0, "Wren": 1, "Rook": 2, "Crow": 3}


def crow(prompts: Iterable[int], said: str = "") -> list[Entry]:
    return [entry(prompt, "Crow", said and f"{said} on {prompt}") for prompt in prompts]


def add(project: Project, cast: Cast, entries: list[Entry], **more: Any) -> arena_additions.Added:
    given: dict[str, Any] = {"project": project, "entries": entries, "by": cast.owner, "at": NOW}
    return arena_additions.add(**(given | more))


def met(project: Project) -> Counter[tuple[str, str]]:
    """How often each two models have been drawn against each other."""
    rows = Comparison.objects.filter(pool__project=project)
    names = rows.values_list("low__entries__contender__name", "high__entries__contender__name")
    return Counter((min(one), max(one)) for one in names)


@pytest.mark.database
@pytest.mark.django_db
def test_a_new_model_is_asked_about_and_stands_in_the_results_with_all_votes_kept(cast: Cast) -> None:
    project = make_arena(cast, prompts=6, battles=9)
    assert vote_by(project, cast.ann_one, RANKS) == 9
    before = list(Label.objects.order_by("pk").values_list("pk", "comparison", "verdict", "is_current"))
    old = met(project)
    done = add(project, cast, crow(range(5)))
    assert (done.new_models, done.responses, done.prompts, done.known) == (["Crow"], 5, 0, 0)
    assert done.models == [arena_additions.Given("Crow", 5, missing=1)]
    project.refresh_from_db()
    assert (project.battles_possible, project.battles) == (18 + 15, 17)  # half of all, as before
    assert Pool.objects.get(project=project, split=Split.TRAIN).size == 23
    rows = {row.contender.name: row.standing for row in arena.of_project(cast.owner, project).rows}
    assert rows["Crow"].score is None
    assert vote_by(project, cast.ann_one, RANKS) == 8
    assert (
        list(Label.objects.order_by("pk").values_list("pk", "comparison", "verdict", "is_current"))[:9]
        == before
    )
    new = met(project) - old
    assert sum(count for pair, count in new.items() if "Crow" in pair) >= 7  # it catches up first
    rows = {row.contender.name: row.standing for row in arena.of_project(cast.owner, project).rows}
    assert rows["Crow"].rate.value == 0.0
    assert rows["Crow"].high is not None
    assert rows["Crow"].score is not None
    assert [row.contender.name for row in arena.of_project(cast.owner, project).rows][-1] == "Crow"


@pytest.mark.either
@pytest.mark.django_db
def test_every_battle_is_asked_once_however_it_came_to_be_possible(cast: Cast) -> None:
    project = make_arena(cast, prompts=3, same=1)  # two different responses at the first prompt
    first = vote_by(project, cast.ann_one, RANKS)
    add(project, cast, crow(range(2)))
    add(project, cast, [entry(7, name) for name in ("Lark", "Wren", "Crow")] + [entry(8, "Lark")])
    done = add(project, cast, [entry(7, "Rook"), *crow([2])])
    assert (done.new_models, [one.model for one in done.models]) == ([], ["Rook", "Crow"])
    project.refresh_from_db()
    assert project.battles == project.battles_possible == 3 + 6 + 6 + 6
    assert first + vote_by(project, cast.ann_one, RANKS) == 21
    assert Comparison.objects.filter(pool__project=project).count() == 21
    assert queue.why_empty(cast.ann_one, project, NOW).code == "done"
    assert progress.totals(cast.owner, project).labels_expected == 21
    assert targets.reached(project, project.pools.all(), tallies.of_pools(project.pools.all()))


@pytest.mark.either
@pytest.mark.django_db
def test_once_level_all_pairs_of_models_meet_about_equally_often(cast: Cast) -> None:
    project = make_arena(cast, prompts=40, models=("Lark", "Wren"), battles=20)
    vote_by(project, cast.ann_one, RANKS)
    add(project, cast, crow(range(40)), battles=60)
    vote_by(project, cast.ann_one, RANKS)
    drawn = met(project)
    assert sum(drawn.values()) == 60
    assert len(drawn) == 3
    assert all(15 <= count <= 25 for count in drawn.values()), drawn


@pytest.mark.either
@pytest.mark.django_db
def test_what_a_few_responses_make_possible_is_found_without_walking_through_the_arena(cast: Cast) -> None:
    counted = []
    for prompts in (5, 300):
        project = make_arena(cast, prompts=prompts, models=("Lark", "Wren"), battles=1)
        vote_by(project, cast.ann_one, RANKS)
        add(project, cast, [entry(prompts, "Lark"), entry(prompts, "Wren")], battles=2)
        with CaptureQueriesContext(connection) as seen:
            lease = next(handed(project, cast.ann_one))
        assert lease.comparison.low.entries.get().prompt_number == prompts
        counted.append(len(seen))
    assert counted[0] == counted[1]


@pytest.mark.either
@pytest.mark.django_db
def test_a_second_identical_request_changes_nothing(cast: Cast) -> None:
    project = make_arena(cast, prompts=3)
    add(project, cast, crow(range(3)), battles=5)
    tables = (ArenaEntry, ArenaAddition, AuditEntry)
    before = [list(table.objects.order_by("pk").values()) for table in tables]
    again = add(project, cast, crow(range(3)), battles=9)
    assert (again.new_models, again.models, again.responses, again.known) == ([], [], 0, 3)
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before
    project.refresh_from_db()
    assert project.battles == 5
    trail = AuditEntry.objects.get(project=project, verb="arena.extended")
    assert trail.details["models"] == ["Crow"]
    assert trail.details["battles"] == [9, 5]


@pytest.mark.either
@pytest.mark.django_db
def test_who_says_what_a_model_said_shares_its_votes_and_is_not_asked_about(cast: Cast) -> None:
    project = make_arena(cast, prompts=2, models=("Lark", "Wren"))
    vote_by(project, cast.ann_one, RANKS)
    add(project, cast, crow(range(2), "kral"))  # what Lark said
    assert vote_by(project, cast.ann_one, RANKS) == 0
    rates = {row.contender.name: row.standing.rate for row in arena.of_project(cast.owner, project).rows}
    assert rates["Crow"] == rates["Lark"]
    assert rates["Crow"].votes > 0


@pytest.mark.either
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry(0, "Rook", "Else")], "Rook is in this arena and said something else to 1 of these prompts"),
        ([entry(0, "Lark", source="run 7")], "name Lark is taken: it is the model of run 1, and"),
        ([entry(50, "Crow")], "Crow: no prompt in common"),
        ([entry(0, f"Model {n}") for n in range(14)], "at most 16 models; with these it has 17"),
        ([entry(0, " ")], "names no model"),
        ([entry(0, "Crow"), entry(0, "Crow", "Else")], "two responses to one prompt"),
    ],
)
def test_what_cannot_be_added_is_refused_in_words(cast: Cast, entries: list[Entry], words: str) -> None:
    said = [entry(0, name, source="run 1") for name in ("Lark", "Wren", "Rook")]
    project = make_arena(cast, entries=said)
    with pytest.raises(Invalid, match=words):
        add(project, cast, entries)
    assert not ArenaAddition.objects.exists()
    assert ArenaEntry.objects.count() == 3


@pytest.mark.either
@pytest.mark.django_db
def test_who_may_add_and_when(cast: Cast) -> None:
    project = make_arena(cast, prompts=2)
    for person in (cast.ann_one, cast.outsider):
        with pytest.raises((NotAllowed, NotFound)):
            add(project, cast, crow([0]), by=person)
    with pytest.raises(Conflict, match="no arena"):
        add(cast.project, cast, crow([0]))
    projects.pause(project=project, by=cast.owner, at=NOW)
    assert add(project, cast, crow([0])).responses == 1
    projects.archive(project=project, by=cast.owner, at=NOW)
    with pytest.raises(Conflict, match="archived"):
        add(project, cast, crow([1]))


@pytest.mark.either
@pytest.mark.django_db
def test_where_names_were_told_only_new_prompts_are_added(cast: Cast) -> None:
    project = make_arena(cast, prompts=2, models=("Lark", "Wren"), names_told="answered")
    assert add(project, cast, [entry(2, "Lark"), entry(2, "Wren")]).prompts == 1
    label = vote(next(handed(project, cast.ann_one)), cast.ann_one, "first")
    with pytest.raises(Conflict, match="Add new prompts"):
        add(project, cast, crow([0]))
    assert add(project, cast, [entry(3, "Lark"), entry(3, "Wren")]).prompts == 1
    assert arena_names.of_label(project, label) is not None
    assert vote_by(project, cast.ann_one, RANKS) == 3


@pytest.mark.either
@pytest.mark.django_db
def test_votes_stay_blind_and_an_excluded_response_stays_out(cast: Cast) -> None:
    project = make_arena(cast, prompts=1)
    label = vote(next(handed(project, cast.ann_one)), cast.ann_one, "first")
    said = project.preferences.get(entries__contender__name="Lark")
    exclusion.exclude(preference=said, by=cast.owner, at=NOW)
    add(project, cast, [*crow([0]), entry(0, "Jay", "kral on 0")])  # the excluded one's words
    left = [
        queue.card(lease) for lease in handed(project, cast.ann_one) if vote(lease, cast.ann_one, "first")
    ]
    assert not any(name in str(left) for name in (*RANKS, "Jay"))
    assert "kral" not in str(left)
    assert arena_names.of_label(project, label) is None
    assert len(left) + (label.comparison.low_id != said.pk != label.comparison.high_id) == 3


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_two_at_once_add_it_once_while_people_vote() -> None:
    cast = make_cast()
    project = make_arena(cast, prompts=6, battles=18)

    def closing(deed: Callable[[], object]) -> None:
        try:
            deed()
        finally:
            connection.close()

    adding: list[Callable[[], object]] = [lambda: add(project, cast, crow(range(6)))] * 2
    voting = [partial(vote_by, project, who, RANKS) for who in (cast.ann_one, cast.ann_two)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(closing, [*adding, *voting]))
    assert ArenaAddition.objects.count() == 1
    assert ArenaEntry.objects.filter(project=project).count() == 24
    for who in (cast.ann_one, cast.ann_two):
        vote_by(project, who, RANKS)
    assert Comparison.objects.filter(pool__project=project).count() == 36
    pairs = Comparison.objects.filter(pool__project=project).values_list("low", "high")
    assert len(set(pairs)) == 36
