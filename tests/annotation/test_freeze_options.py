"""What each freeze option does: the same options give the same bytes, and previews tell the truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from annotation.consensus import RULES
from annotation.models import (
    Adjudication,
    Assignment,
    Comparison,
    Label,
    Pool,
    PopDataset,
    Preference,
    Project,
    User,
)
from annotation.selectors import datasets as selector
from annotation.selectors import freeze_preview
from annotation.services import freeze_options, gold, resolving
from tests.annotation.frozen import fill, frozen
from tests.cast import NOW, Cast, make_project
from training.engine import records

pytestmark = [pytest.mark.either, pytest.mark.usefixtures("files")]
Row = dict[str, Any]


def judged(project: Project, people: Sequence[User], count: int = 24, order: int = 1) -> None:
    """Three answers on most pairs: the second person errs more, every ninth pair is too close.

    `order` −1 imports and asks the other way round: the same labels under other ids.
    """
    preferences = sorted(fill(project, project.created_by, count, order), key=lambda one: one.content_hash)
    for pool in Pool.objects.filter(project=project).order_by("split"):
        named = [one for one in preferences if one.split == pool.split]
        pairs = list(enumerate(combinations(range(len(named)), 2)))
        for number, (one, other) in pairs[::order]:
            answer(pool, named[one], named[other], number, people)


def answer(pool: Pool, one: Preference, other: Preference, number: int, people: Sequence[User]) -> None:
    """`one` has the smaller hash and is the stronger one in truth."""
    at = NOW
    low, high = (one, other) if one.pk < other.pk else (other, one)
    made = Comparison.objects.create(
        pool=pool,
        low=low,
        high=high,
        needed=3,
        free_slots=0,
        label_count=3,
        queue_position=number,
        created_at=at,
    )
    for place, person in enumerate(people):
        right = (number + place) % (7, 3, 5)[place] != 0
        low_first = bool(number % 2)
        verdict = "first" if ((low == one) == right) == low_first else "second"
        if number % 9 == 4:
            verdict = "too_close" if place else "cannot_judge"
        lease = Assignment.objects.create(
            comparison=made, annotator=person, project=pool.project, state="labelled", low_first=low_first,
            leased_at=at, expires_at=at,
        )  # fmt: skip
        Label.objects.create(
            assignment=lease, comparison=made, project=pool.project, annotator=person, verdict=verdict,
            low_first=low_first, created_at=at,
        )  # fmt: skip
    resolving.resolve(comparison=made, votes=resolving.votes_of(made), project=pool.project, at=at)
    made.save()


@pytest.fixture
def people(cast: Cast) -> list[User]:
    return [cast.ann_one, cast.ann_two, cast.admin]


@pytest.fixture
def project(cast: Cast, people: list[User]) -> Project:
    judged(cast.project, people)
    return cast.project


def rows_of(dataset: PopDataset) -> list[Row]:
    assert dataset.state == "frozen", dataset.error
    with selector.open_file(dataset, "rows.parquet") as file:
        found: list[Row] = pq.read_table(file).to_pylist()
    assert [(row["strong_id"], row["weak_id"]) for row in found] == sorted(
        (row["strong_id"], row["weak_id"]) for row in found
    )
    return found


def splits_of(dataset: PopDataset) -> dict[str, str]:
    with selector.open_file(dataset, "preferences.parquet") as file:
        return {item["id"]: item["split"] for item in pq.read_table(file).to_pylist()}


def pair_of(row: Row) -> frozenset[str]:
    return frozenset((row["strong_id"], row["weak_id"]))


CHOICES: list[dict[str, Any]] = [
    {},
    {"min_confidence": 0.9, "max_rows_per_strong": 2},
    {"consensus": "weighted"},
    {"consensus": "dawid_skene", "min_confidence": 0.8},
    {"consensus": "noisy_bradley_terry", "max_rows_per_strong": 3},
    {"include_ties": True},
    {"resplit_share": 0.3, "resplit_seed": 4},
    {"inferred_at_least": 0.7, "resplit_share": 0.2},
    {"noise": 0.3, "noise_seed": 5, "include_ties": True},
]


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_the_same_labels_under_other_ids_give_the_same_bytes(
    cast: Cast, people: list[User], options: dict[str, Any]
) -> None:
    other = make_project(cast.owner, "Other")
    judged(cast.project, people)
    judged(other, people, order=-1)
    one, two = (frozen(project, cast.owner, **options) for project in (cast.project, other))
    assert rows_of(one) == rows_of(two)
    assert one.sha256 == two.sha256 == frozen(cast.project, cast.owner, **options).sha256


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_the_preview_counts_what_is_frozen(cast: Cast, project: Project, options: dict[str, Any]) -> None:
    exclude_one(project)
    chosen = freeze_options.resolve(options, project)
    seen = freeze_preview.of_project(cast.owner, project, chosen)
    dataset = frozen(project, cast.owner, **options)
    found = rows_of(dataset)
    assert (seen.rows, seen.heldout) == (dataset.row_count, dataset.heldout_row_count)
    assert seen.preferences == dataset.preference_count == len(splits_of(dataset))
    assert seen.ties == sum(row["provenance"] == "tie" for row in found)
    assert seen.inferred == sum(row["provenance"] == "inferred" for row in found)


def exclude_one(project: Project) -> str:
    gone = Preference.objects.filter(project=project).earliest("pk")
    Preference.objects.filter(pk=gone.pk).update(excluded_at=NOW)
    for side in ("low", "high"):
        Comparison.objects.filter(**{side: gone}).update(state="withdrawn")
    return gone.content_hash


@pytest.mark.parametrize("options", [{}, {"consensus": "weighted"}], ids=str)
def test_excluded_preferences_are_in_no_file(cast: Cast, project: Project, options: dict[str, Any]) -> None:
    gone = exclude_one(project)
    withdrawn = Comparison.objects.filter(state="withdrawn").count()
    dataset = frozen(project, cast.owner, **options)
    assert gone not in splits_of(dataset)
    assert not any(gone in pair_of(row) for row in rows_of(dataset))
    assert dataset.manifest["left_out"]["excluded"] == withdrawn > 0


@pytest.mark.parametrize("rule", RULES)
def test_a_reviewers_word_stands_under_every_rule(cast: Cast, project: Project, rule: str) -> None:
    """Against all three annotators, and where they saw no winner."""
    one, other = Comparison.objects.filter(confidence=1.0)[0], Comparison.objects.filter(outcome="none")[0]
    turned = {"low": "high", "high": "low"}[one.outcome]
    for comparison, outcome in ((one, turned), (other, "high")):
        Comparison.objects.filter(pk=comparison.pk).update(outcome=outcome, confidence=1.0, adjudicated=True)
        Adjudication.objects.create(
            comparison=comparison, outcome=outcome, decided_by=cast.owner, decided_at=NOW
        )
    found = {pair_of(row): row for row in rows_of(frozen(project, cast.owner, consensus=rule))}
    for comparison, outcome in ((one, turned), (other, "high")):
        row = found[frozenset((comparison.low.content_hash, comparison.high.content_hash))]
        assert (row["strong_id"], row["confidence"]) == (getattr(comparison, outcome).content_hash, 1.0)


@pytest.mark.parametrize("rule", ["weighted", "dawid_skene", "noisy_bradley_terry"])
def test_joint_rules_say_how_sure_they_are(cast: Cast, project: Project, rule: str) -> None:
    dataset = frozen(project, cast.owner, consensus=rule)
    sure = {row["confidence"] for row in rows_of(dataset)}
    assert len(sure) >= 3
    assert all(0.5 < value <= 1 and round(value, 6) == value for value in sure)
    assert dataset.manifest["consensus"] == dataset.manifest["options"]["consensus"] == rule
    least = float(np.median(list(sure)))
    fewer = frozen(project, cast.owner, consensus=rule, min_confidence=least)
    assert {row["confidence"] for row in rows_of(fewer)} == {value for value in sure if value >= least}
    assert fewer.manifest["left_out"]["unsure"] == dataset.row_count - fewer.row_count > 0


@pytest.mark.parametrize("options", [{}, {"include_ties": True}], ids=str)
def test_pairs_that_are_only_gold_are_no_work_that_was_left_out(
    cast: Cast, project: Project, options: dict[str, Any]
) -> None:
    pair = Comparison.objects.filter(pool__split="train").first()
    assert pair
    pair.delete()
    before = frozen(project, cast.owner, **options)
    one, other = pair.low_id, pair.high_id
    gold.add(project=project, one=one, other=other, answer="one", use="check", by=cast.owner, at=NOW)
    after = frozen(project, cast.owner, **options)
    assert (after.manifest["left_out"], after.sha256) == (before.manifest["left_out"], before.sha256)


def test_ties_are_rows_of_their_own(cast: Cast, project: Project) -> None:
    plain, dataset = frozen(project, cast.owner), frozen(project, cast.owner, include_ties=True)
    ties = [row for row in rows_of(dataset) if row["provenance"] == "tie"]
    close = Comparison.objects.filter(labels__verdict="too_close").distinct()
    assert len(ties) == close.count() > 0
    assert all(row["confidence"] == 0.5 and row["strong_id"] < row["weak_id"] for row in ties)
    assert [row for row in rows_of(dataset) if row not in ties] == rows_of(plain)
    assert plain.manifest["left_out"]["no_winner"] - dataset.manifest["left_out"]["no_winner"] == len(ties)


def test_no_program_trains_on_a_tie(cast: Cast, project: Project) -> None:
    dataset = frozen(project, cast.owner, include_ties=True)
    ties = sum(row["provenance"] == "tie" for row in rows_of(dataset))
    data = records.load(selector.engine_folder(dataset, Path("unused")), dataset.sha256)
    assert (data.ties, len(data.rows)) == (ties, dataset.row_count - ties)
    lines = {
        name: [json.loads(line) for line in b"".join(selector.stream(dataset, name)).split(b"\n") if line]
        for name in ("trl", "jsonl")
    }
    assert {row["provenance"] for row in lines["trl"]} == {"label"}
    assert sum(row["provenance"] == "tie" for row in lines["jsonl"]) == ties
    assert len(lines["jsonl"]) == len(lines["trl"]) + ties == dataset.row_count


def test_split_anew_no_preference_is_on_both_sides(cast: Cast, project: Project) -> None:
    options: dict[str, Any] = {"resplit_share": 0.3, "resplit_seed": 1}
    dataset = frozen(project, cast.owner, **options)
    splits = splits_of(dataset)
    for row in rows_of(dataset):
        assert splits[row["strong_id"]] == splits[row["weak_id"]] == row["split"]
    assert 0 < list(splits.values()).count("heldout") < 15
    left_out = dataset.manifest["left_out"]["between_splits"]
    assert left_out == frozen(project, cast.owner).row_count - dataset.row_count > 0
    assert splits != splits_of(frozen(project, cast.owner, **options | {"resplit_seed": 2}))


def test_inferred_rows_are_marked_new_likely_and_few(cast: Cast, project: Project) -> None:
    Comparison.objects.filter(pk__in=list(Comparison.objects.values_list("pk", flat=True)[::2])).delete()
    plain = rows_of(frozen(project, cast.owner))
    dataset = frozen(project, cast.owner, inferred_at_least=0.7, inferred_per_strong=2)
    found = rows_of(dataset)
    inferred = [row for row in found if row["provenance"] == "inferred"]
    assert [row for row in found if row not in inferred] == plain
    assert len(inferred) > 5
    assert len({pair_of(row) for row in found}) == len(found)
    assert all(0.7 <= row["confidence"] <= 1 and row["split"] == "train" for row in inferred)
    strong = [row["strong_id"] for row in inferred]
    assert max(map(strong.count, strong)) <= 2
    # In truth the smaller hash is the stronger one.
    assert np.mean([row["strong_id"] < row["weak_id"] for row in inferred]) > 0.7


def test_noise_turns_training_rows_round(cast: Cast, project: Project) -> None:
    plain = {pair_of(row): row for row in rows_of(frozen(project, cast.owner))}
    dataset = frozen(project, cast.owner, noise=0.3, noise_seed=1)
    noisy = {pair_of(row): row for row in rows_of(dataset)}
    assert noisy.keys() == plain.keys()
    turned = [pair for pair in plain if plain[pair]["strong_id"] != noisy[pair]["strong_id"]]
    training = sum(row["split"] == "train" for row in plain.values())
    assert 0.15 < len(turned) / training < 0.45
    assert {plain[pair]["split"] for pair in turned} == {"train"}
    assert dataset.manifest["options"]["noise"] == 0.3
    other = {pair_of(row): row for row in rows_of(frozen(project, cast.owner, noise=0.3, noise_seed=2))}
    assert noisy != other
    # More noise turns what less noise turns, and more.
    most = {pair_of(row): row for row in rows_of(frozen(project, cast.owner, noise=0.5, noise_seed=1))}
    assert all(most[pair]["strong_id"] == noisy[pair]["strong_id"] for pair in turned)


def test_rows_are_limited_alike_in_memory_and_in_the_database(cast: Cast, project: Project) -> None:
    streamed = frozen(project, cast.owner, max_rows_per_strong=2)
    chosen = frozen(project, cast.owner, max_rows_per_strong=2, include_ties=True)
    assert [row for row in rows_of(chosen) if row["provenance"] == "label"] == rows_of(streamed)
    assert streamed.manifest["left_out"]["over_limit"] == chosen.manifest["left_out"]["over_limit"] > 0


def test_many_labels_are_counted_by_the_freeze_alone(
    cast: Cast, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze_preview, "MOST_CHOSEN", 5)
    chosen = freeze_options.resolve({"consensus": "weighted"}, project)
    seen = freeze_preview.of_project(cast.owner, project, chosen)
    assert (seen.counted, seen.rows, seen.preferences) == (False, None, 24)


def test_the_command_takes_every_option(cast: Cast, project: Project, capsys: Any) -> None:
    call_command("freeze", project.slug, option=["consensus=weighted", "noise=0.1", "include_ties=true"])
    made = PopDataset.objects.latest("pk")
    assert made.options == {
        "max_rows_per_strong": None, "min_confidence": 0.0, "consensus": "weighted", "noise": 0.1,
        "include_ties": True,
    }  # fmt: skip
    with pytest.raises(CommandError, match=r"noise: A number between 0 and \.5"):
        call_command("freeze", project.slug, option=["noise=2"])
    with pytest.raises(CommandError, match="NAME=VALUE"):
        call_command("freeze", project.slug, option=["noise"])
