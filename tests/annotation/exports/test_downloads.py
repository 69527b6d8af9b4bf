"""Downloads hold what the labels say, and the libraries people use read them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import datasets as hub_datasets
import pyarrow.parquet as pq
import pytest

from annotation.exports import EXPORTS
from annotation.exports.canonical import FILES
from annotation.models import Comparison, PopDataset
from annotation.selectors import datasets as selector
from tests.annotation.frozen import decide, fill, frozen
from tests.cast import Cast
from training.engine import records

pytestmark = [pytest.mark.either, pytest.mark.usefixtures("files")]
TEXTS = ("prompt", "chosen", "rejected")


@pytest.fixture
def dataset(cast: Cast) -> PopDataset:
    decide(cast.project, fill(cast.project, cast.owner))
    return frozen(cast.project, cast.owner)


def expected_rows(cast: Cast) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows straight from the comparisons."""
    rows = {}
    for one in Comparison.objects.exclude(outcome="none").select_related("low", "high", "pool"):
        strong, weak = (one.low, one.high) if one.outcome == "low" else (one.high, one.low)
        sides = (("strong", strong), ("weak", weak))
        rows[strong.content_hash, weak.content_hash] = {
            **{f"{side}_{name}": getattr(of, name) for side, of in sides for name in TEXTS},
            "strong_id": strong.content_hash,
            "weak_id": weak.content_hash,
            "split": one.pool.split,
            "confidence": one.confidence,
            "provenance": "label",
        }
    return rows


def save(dataset: PopDataset, name: str, folder: Path) -> Path:
    file = folder / f"rows{EXPORTS[name].suffix}"
    file.write_bytes(b"".join(selector.stream(dataset, name)))
    return file


def check(cast: Cast, rows: list[dict[str, Any]]) -> None:
    expected = expected_rows(cast)
    assert [list(row) for row in rows] == [list(next(iter(expected.values())))] * len(expected)
    assert {(row["strong_id"], row["weak_id"]): row for row in rows} == expected


def test_jsonl_has_one_row_a_line_in_the_order_of_ids(
    cast: Cast, dataset: PopDataset, tmp_path: Path
) -> None:
    text = save(dataset, "jsonl", tmp_path).read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    check(cast, rows)
    ids = [(row["strong_id"], row["weak_id"]) for row in rows]
    assert ids == sorted(ids)


def test_parquet_has_the_same_rows(cast: Cast, dataset: PopDataset, tmp_path: Path) -> None:
    check(cast, pq.read_table(save(dataset, "parquet", tmp_path)).to_pylist())


@pytest.mark.parametrize(("name", "loader"), [("jsonl", "json"), ("parquet", "parquet")])
def test_load_dataset_reads_it_mixed_conversations_included(
    cast: Cast, dataset: PopDataset, tmp_path: Path, name: str, loader: str
) -> None:
    file = save(dataset, name, tmp_path)
    loaded = hub_datasets.load_dataset(
        loader, data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")
    )
    check(cast, list(loaded))
    assert {len(row["strong_prompt"]) for row in loaded} == {1, 4}
    assert loaded.features["weak_chosen"].feature["content"].dtype == "string"


def test_the_canonical_zip_is_the_folder_and_the_engine_reads_it(
    cast: Cast, dataset: PopDataset, tmp_path: Path
) -> None:
    data = b"".join(selector.stream(dataset, "canonical"))
    assert data == b"".join(selector.stream(dataset, "canonical"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert tuple(archive.namelist()) == FILES
        archive.extractall(tmp_path / "set")
    loaded = records.load(tmp_path / "set", dataset.sha256)
    assert (len(loaded.preferences), len(loaded.rows)) == (24, dataset.row_count)
    expected = expected_rows(cast)
    for row in loaded.rows:
        strong, weak = loaded.preferences[row.strong], loaded.preferences[row.weak]
        found = expected.pop((strong.id, weak.id))
        assert (found["strong_chosen"], found["weak_prompt"]) == (strong.chosen, weak.prompt)
        assert (found["split"], found["confidence"]) == (row.split, row.confidence)
    assert expected == {}


def test_the_hash_can_be_worked_out_by_hand(dataset: PopDataset) -> None:
    digest = hashlib.sha256()
    for name in ("preferences.parquet", "rows.parquet"):
        with selector.open_file(dataset, name) as file:
            for item in pq.read_table(file).to_pylist():
                line = json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
                digest.update(line.encode() + b"\n")
    assert dataset.sha256 == digest.hexdigest()


@pytest.mark.parametrize("name", EXPORTS)
def test_a_download_comes_in_pieces(dataset: PopDataset, name: str) -> None:
    pieces = [piece for piece in selector.stream(dataset, name) if piece]
    assert len(pieces) >= 2
    assert max(map(len, pieces)) < sum(map(len, pieces))


def test_csv_holds_conversations_as_json(cast: Cast, dataset: PopDataset, tmp_path: Path) -> None:
    with save(dataset, "csv", tmp_path).open(newline="", encoding="utf-8") as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    texts = [f"{side}_{name}" for side in ("strong", "weak") for name in TEXTS]
    check(
        cast,
        [
            {**row, **{name: json.loads(row[name]) for name in texts}, "confidence": float(row["confidence"])}
            for row in rows
        ],
    )


def test_trl_takes_the_strong_side_as_a_conversational_preference(
    cast: Cast, dataset: PopDataset, tmp_path: Path
) -> None:
    from trl.data_utils import is_conversational

    lines = save(dataset, "trl", tmp_path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    rows = [json.loads(line) for line in lines]
    expected = list(expected_rows(cast).values())
    assert len(rows) == len(expected)
    strong = {json.dumps([one[f"strong_{name}"] for name in TEXTS]) for one in expected}
    assert {json.dumps([row[name] for name in TEXTS]) for row in rows} == strong
    assert all(is_conversational(row) for row in rows)
    names = {*TEXTS, *(f"weak_{name}" for name in TEXTS), "confidence", "split", "provenance"}
    assert set(rows[0]) == names
