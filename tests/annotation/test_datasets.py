"""Freezing: what goes in, the hash, the options, who may, and what happens to the files."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from annotation.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from annotation.exports.canonical import FILES
from annotation.models import AuditEntry, Comparison, Label, PopDataset, Preference
from annotation.selectors import datasets as selector
from annotation.services import datasets, freezing
from annotation.services.datasets import FreezeOptions
from tests.annotation.frozen import decide, fill, frozen
from tests.annotation.playing import label_everything
from tests.cast import Cast, add_preferences, make_project
from training.models import Run

pytestmark = [pytest.mark.either, pytest.mark.usefixtures("files")]

# The dataset of `frozen.fill` and `frozen.decide`. It changes only with the canonical form itself.
GOLDEN = "7830e8fa07c6a802d68c219a79c95d6bec4505179b4442b9707e6317d5ef9ff5"


@pytest.fixture
def decided(cast: Cast) -> Cast:
    decide(cast.project, fill(cast.project, cast.owner))
    return cast


def table(dataset: PopDataset, name: str) -> list[dict[str, Any]]:
    with selector.open_file(dataset, name) as file:
        found: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return found


def test_the_same_labels_always_have_the_same_hash(decided: Cast) -> None:
    first, second = (frozen(decided.project, decided.owner) for _ in range(2))
    assert (first.state, second.state) == ("frozen", "frozen"), first.error
    assert first.sha256 == second.sha256 == GOLDEN
    assert first.folder != second.folder
    assert (first.number, second.number) == (1, 2)
    Comparison.objects.filter(outcome="none").delete()
    assert frozen(decided.project, decided.owner).sha256 == GOLDEN
    changed = Comparison.objects.filter(outcome="low").first()
    assert changed is not None
    Comparison.objects.filter(pk=changed.pk).update(outcome="high")
    assert frozen(decided.project, decided.owner).sha256 != GOLDEN


def test_every_decided_comparison_is_a_row_and_every_preference_is_there(decided: Cast) -> None:
    dataset = frozen(decided.project, decided.owner)
    won = Comparison.objects.exclude(outcome="none").select_related("low", "high", "pool")
    expected = set()
    for one in won:
        strong, weak = (one.low, one.high) if one.outcome == "low" else (one.high, one.low)
        expected.add((strong.content_hash, weak.content_hash, one.pool.split, one.confidence, "label"))
    rows = table(dataset, "rows.parquet")
    assert {tuple(row.values()) for row in rows} == expected
    assert [(r["strong_id"], r["weak_id"]) for r in rows] == sorted(
        (r["strong_id"], r["weak_id"]) for r in rows
    )
    stored = {one.content_hash: one for one in Preference.objects.filter(project=decided.project)}
    found = table(dataset, "preferences.parquet")
    assert [item["id"] for item in found] == sorted(stored)
    for item in found:
        preference = stored[item.pop("id")]
        assert item == {name: getattr(preference, name) for name in item}
    assert (dataset.row_count, dataset.preference_count) == (len(rows), 24)
    assert 0 < dataset.heldout_row_count == sum(row["split"] == "heldout" for row in rows) < len(rows)
    assert dataset.progress_done == dataset.progress_total > 24


def test_the_manifest_says_what_was_frozen_and_how(decided: Cast) -> None:
    dataset = frozen(decided.project, decided.owner, min_confidence=0.65)
    with selector.open_file(dataset, "manifest.json") as file:
        manifest = json.load(file)
    assert manifest == dataset.manifest
    assert (manifest["version"], manifest["sha256"], manifest["strategy"]) == (1, dataset.sha256, "random")
    assert manifest["counts"]["rows"] == dataset.row_count
    assert manifest["options"] == {"max_rows_per_strong": None, "min_confidence": 0.65}
    assert {row["confidence"] for row in table(dataset, "rows.parquet")} == {1.0, 2 / 3}
    drawn = Comparison.objects.filter(pool__project=decided.project)
    assert manifest["labels"] == {
        split: drawn.filter(pool__split=split).count() for split in ("train", "heldout")
    }
    assert manifest["reuse"] is True


def test_two_datasets_that_hold_out_the_same_preferences_say_so(decided: Cast) -> None:
    dataset = frozen(decided.project, decided.owner)
    sister = make_project(decided.owner, "Sister", strategy="iterative")
    decide(sister, fill(sister, decided.owner, order=-1))
    same = frozen(sister, decided.owner)
    assert same.manifest["heldout_sha256"] == dataset.manifest["heldout_sha256"]
    Preference.objects.filter(project=sister, split="heldout").first().delete()  # type: ignore[union-attr]
    other = frozen(sister, decided.owner)
    assert other.manifest["heldout_sha256"] != dataset.manifest["heldout_sha256"]


def test_labels_given_in_the_browser_are_the_rows(cast: Cast, at: datetime) -> None:
    add_preferences(cast.project, 9)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    dataset = frozen(cast.project, cast.admin)
    expected = set()
    for label in Label.objects.filter(is_current=True, verdict__in=["first", "second"]).select_related(
        "comparison__low", "comparison__high"
    ):
        pair = [label.comparison.low.content_hash, label.comparison.high.content_hash]
        low_won = (label.verdict == "first") == label.low_first
        expected.add(tuple(pair if low_won else pair[::-1]))
    assert {(row["strong_id"], row["weak_id"]) for row in table(dataset, "rows.parquet")} == expected
    assert len(expected) > 10


def test_rows_a_strong_preference_are_limited_the_same_way_each_time(decided: Cast) -> None:
    whole = table(frozen(decided.project, decided.owner), "rows.parquet")
    first, second = (frozen(decided.project, decided.owner, max_rows_per_strong=2) for _ in range(2))
    assert first.sha256 == second.sha256
    kept = table(first, "rows.parquet")
    for strong in {row["strong_id"] for row in whole}:
        all_of = [row for row in whole if row["strong_id"] == strong]
        kept_of = [row for row in kept if row["strong_id"] == strong]
        assert len(kept_of) == min(2, len(all_of))
        dropped = [row["confidence"] for row in all_of if row not in kept_of]
        assert min(row["confidence"] for row in kept_of) >= max(dropped, default=0)


def test_iterative_projects_keep_k_rows_unless_told_otherwise(decided: Cast, at: datetime) -> None:
    decided.project.strategy, decided.project.k = "iterative", 3
    decided.project.save()

    def options(given: Any) -> Any:
        return datasets.freeze(project=decided.project, by=decided.owner, at=at, options=given).options

    assert options(None) == {"max_rows_per_strong": 3, "min_confidence": 0.0}
    assert options({"max_rows_per_strong": None})["max_rows_per_strong"] is None
    assert options(FreezeOptions(max_rows_per_strong=1)) == {"max_rows_per_strong": 1, "min_confidence": 0.0}
    for wrong in ({"max_rows_per_strong": 0}, {"min_confidence": 1.1}, {"min_confidence": "x"}, {"k": 1}):
        with pytest.raises(Invalid) as refused:
            options(wrong)
        assert set(refused.value.fields) == set(wrong)


def test_nothing_is_frozen_before_something_is_decided(cast: Cast, at: datetime) -> None:
    fill(cast.project, cast.owner)
    with pytest.raises(Invalid, match="nothing to freeze yet"):
        datasets.freeze(project=cast.project, by=cast.owner, at=at)
    assert not PopDataset.objects.exists()


def test_options_that_leave_no_row_fail_in_words_and_leave_no_file(decided: Cast, files: Path) -> None:
    Comparison.objects.update(confidence=0.5)
    dataset = frozen(decided.project, decided.owner, min_confidence=0.9)
    assert (dataset.state, dataset.folder) == ("failed", "")
    assert "No row is left" in dataset.error
    assert not (files / "datasets").exists()


def test_only_managers_see_datasets_because_scores_are_in_them(decided: Cast, at: datetime) -> None:
    dataset = frozen(decided.project, decided.admin)
    for person, refusal in ((decided.ann_one, NotAllowed), (decided.outsider, NotFound)):
        for deed in (
            lambda p: selector.get(p, dataset.pk),
            lambda p: selector.of_project(p, decided.project),
            lambda p: datasets.freeze(project=decided.project, by=p, at=at),
            lambda p: datasets.delete(dataset=dataset, by=p, at=at),
        ):
            with pytest.raises(refusal):
                deed(person)
    assert selector.get(decided.admin, dataset.pk) == dataset
    assert list(selector.of_project(decided.owner, decided.project)) == [dataset]
    assert AuditEntry.objects.filter(verb="dataset.freeze_asked").count() == 1


def test_a_dataset_is_deleted_with_its_files_unless_a_run_uses_it(
    decided: Cast, at: datetime, files: Path, django_capture_on_commit_callbacks: Any
) -> None:
    kept, gone = (frozen(decided.project, decided.owner) for _ in range(2))
    common = {"project": decided.project, "created_by": decided.owner, "created_at": at, "spec": {}}
    Run.objects.create(dataset=kept, number=1, method="dpo_pop", **common)
    with pytest.raises(Conflict, match="runs use this dataset"):
        datasets.delete(dataset=kept, by=decided.owner, at=at)
    with django_capture_on_commit_callbacks(execute=True):
        datasets.delete(dataset=gone, by=decided.owner, at=at)
    assert sorted(path.name for path in files.glob("datasets/*/*/*")) == sorted(FILES)
    assert list(PopDataset.objects.all()) == [kept]
    datasets.delete(dataset=gone, by=decided.owner, at=at)
    PopDataset.objects.filter(pk=kept.pk).update(state="freezing")
    with pytest.raises(Conflict, match="being frozen"):
        datasets.delete(dataset=kept, by=decided.owner, at=at)


def test_a_dead_workers_freeze_is_taken_over(decided: Cast, at: datetime) -> None:
    dataset = datasets.freeze(project=decided.project, by=decided.owner, at=timezone.now())
    PopDataset.objects.update(state="freezing", heartbeat_at=timezone.now())
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert dataset.state == "freezing"
    assert datasets.ring_waiting(timezone.now()) == 0
    later = timezone.now() + freezing.STALE + timedelta(seconds=1)
    assert datasets.ring_waiting(later) == 1
    PopDataset.objects.update(heartbeat_at=timezone.now() - freezing.STALE - timedelta(seconds=1))
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert (dataset.state, dataset.sha256) == ("frozen", GOLDEN)


def test_the_engine_gets_a_folder_of_its_own_or_storages(decided: Cast, tmp_path: Path, files: Path) -> None:
    dataset = frozen(decided.project, decided.owner)
    copy = selector.materialise(dataset, tmp_path / "run" / "dataset")
    assert sorted(path.name for path in copy.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (copy / name).read_bytes() == (files / dataset.folder / name).read_bytes()
    assert selector.engine_folder(dataset, tmp_path / "scratch") == files / dataset.folder
    assert not (tmp_path / "scratch").exists()


def test_files_that_are_not_there_are_refused_in_words(decided: Cast, files: Path, at: datetime) -> None:
    queued = datasets.freeze(project=decided.project, by=decided.owner, at=at)
    with pytest.raises(Conflict, match="is queued, not frozen"):
        selector.stream(queued, "jsonl")
    dataset = frozen(decided.project, decided.owner)
    with pytest.raises(Invalid, match="no such format"):
        selector.stream(dataset, "docx")
    with pytest.raises(NotFound):
        selector.open_file(dataset, "../../secret_key")
    (files / dataset.folder / "rows.parquet").unlink()
    with pytest.raises(Unavailable, match=r"rows\.parquet"):
        selector.stream(dataset, "jsonl")
