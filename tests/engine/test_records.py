"""Reading datasets: the canonical folder, foreign JSON lines, and everything that can be wrong with them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine import world
from training.engine import records
from training.engine.errors import DatasetError


def test_the_canonical_folder_is_read_and_its_hash_agrees(tmp_path: Path) -> None:
    sha256 = world.canonical(tmp_path)
    data = records.load(tmp_path, sha256)
    assert data.sha256 == sha256
    assert [one.id for one in data.preferences] == [f"{n:04}" for n in range(9)]
    assert data.preferences_of("heldout") == [6, 7, 8]
    assert [(row.strong, row.weak) for row in data.rows_of("train")] == [(0, 1), (2, 3), (4, 5), (0, 5)]
    assert data.rows[0].confidence == 0.75
    assert data.preferences[2].score_margin == 5.0
    assert data.preferences[0].prompt == [{"role": "user", "content": "Question 0: what now? é"}]


def test_missing_scores_are_none(tmp_path: Path) -> None:
    sha256 = world.canonical(tmp_path, scores=False)
    assert {one.score_margin for one in records.load(tmp_path, sha256).preferences} == {None}


def test_the_canonical_line_is_the_written_contract() -> None:
    line = records.canonical_line({"b": "é", "a": None, "c": 1.0})
    assert line == '{"a":null,"b":"é","c":1.0}\n'.encode()


def test_another_hash_is_refused_with_both_values(tmp_path: Path) -> None:
    sha256 = world.canonical(tmp_path)
    with pytest.raises(DatasetError, match=rf"expected {'0' * 64}, found {sha256}") as refused:
        records.load(tmp_path, "0" * 64)
    assert refused.value.code == "dataset_hash"


def test_files_that_disagree_with_their_manifest_are_refused(tmp_path: Path) -> None:
    world.canonical(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"sha256": "f" * 64}), encoding="utf-8")
    with pytest.raises(DatasetError, match="by its manifest"):
        records.load(tmp_path)


@pytest.mark.parametrize("name", ["preferences.parquet", "rows.parquet", "manifest.json"])
def test_a_half_written_file_is_named(tmp_path: Path, name: str) -> None:
    world.canonical(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=rf"{name}.*half-written"):
        records.load(tmp_path)


@pytest.mark.parametrize("name", ["preferences.parquet", "rows.parquet", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    world.canonical(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DatasetError, match=name):
        records.load(tmp_path)


def test_inferred_rows_are_told_apart_in_both_forms(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    world.canonical(tmp_path)
    stored = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    stored[1]["provenance"] = "inferred"
    pq.write_table(pa.Table.from_pylist(stored, world.ROWS), tmp_path / "rows.parquet")
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    lines = [world.row(1, 2), world.row(3, 4) | {"provenance": "inferred"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for data in (records.load(tmp_path), records.load(tmp_path / "rows.jsonl")):
        assert [row.inferred for row in data.rows][:2] == [False, True]
        assert not any(row.inferred for row in data.rows[2:])


def test_a_row_that_names_nobody_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    world.canonical(tmp_path)
    lost = {
        "strong_id": "0000",
        "weak_id": "nobody",
        "split": "train",
        "confidence": 1.0,
        "provenance": "label",
    }
    pq.write_table(pa.Table.from_pylist([lost], world.ROWS), tmp_path / "rows.parquet")
    with pytest.raises(DatasetError, match="by its manifest") as refused:
        records.load(tmp_path)
    assert refused.value.hint  # a damaged id is damage, whatever it names
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DatasetError, match="weak preference nobody"):
        records.load(tmp_path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    world.canonical(tmp_path)
    pq.write_table(pa.table({"id": ["1"], "prompt": ["x"]}), tmp_path / "preferences.parquet")
    with pytest.raises(DatasetError, match="lacks the columns chosen, rejected"):
        records.load(tmp_path)


def test_nothing_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no dataset"):
        records.load(tmp_path / "nowhere")


def write(file: Path, *lines: Any) -> Path:
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    file.write_text(text, encoding="utf-8")
    return file


def test_flat_and_nested_rows_with_texts_and_messages_mean_the_same(tmp_path: Path) -> None:
    nested = world.row(1, 2)
    flat = {f"{side}_{part}": nested[side][part] for side in ("strong", "weak") for part in nested[side]}
    turns = json.loads(json.dumps(nested))
    turns["strong"]["prompt"] = [{"role": "user", "content": nested["strong"]["prompt"]}]
    turns["weak"]["chosen"] = [{"role": "assistant", "content": nested["weak"]["chosen"]}]
    data = records.load(write(tmp_path / "rows.jsonl", nested, flat, turns))
    assert len(data.preferences) == 2
    assert [(row.strong, row.weak) for row in data.rows] == [(0, 1)] * 3
    assert data.preferences[0].score_margin == 3.0


def test_responses_may_repeat_the_prompt(tmp_path: Path) -> None:
    plain = world.row(1, 2)
    whole = json.loads(json.dumps(plain))
    for side in ("chosen", "rejected"):
        asked = {"role": "user", "content": plain["strong"]["prompt"]}
        whole["strong"][side] = [asked, {"role": "assistant", "content": plain["strong"][side]}]
    data = records.load(write(tmp_path / "rows.jsonl", plain, whole))
    assert len(data.preferences) == 2
    assert [one["role"] for one in data.preferences[0].chosen] == ["assistant"]


def test_a_preference_that_comes_again_with_scores_keeps_them(tmp_path: Path) -> None:
    bare = world.row(1, 2)
    for name in ("score_chosen", "score_rejected"):
        del bare["strong"][name]
    data = records.load(write(tmp_path / "rows.jsonl", bare, world.row(1, 3)))
    assert len(data.preferences) == 3
    assert data.preferences[0].score_margin == 3.0


def test_the_hash_of_a_jsonl_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", world.row(1, 2))
    assert records.load(file).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_plain_preferences_make_no_rows(tmp_path: Path) -> None:
    data = records.load(write(tmp_path / "p.jsonl", world.preference(1), world.preference(2)))
    assert (len(data.preferences), data.rows) == (2, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"strong": {"prompt": "x', "half-written"),
        ("[1]\n", "must be a JSON object"),
        ('{"strong_prompt": "x"}\n', "strong_chosen is missing"),
        ('{"strong": {"prompt": "x"}}\n', "strong.chosen is missing"),
        ('{"prompt": "x", "chosen": "a", "rejected": "a"}\n', "are the same"),
        ('{"prompt": "x", "chosen": "  ", "rejected": "a"}\n', "assistant side is empty"),
        ('{"prompt": "x", "chosen": 3, "rejected": "a"}\n', "expected text or a list"),
        ('{"prompt": "x", "chosen": [{"role": "assistant"}], "rejected": "a"}\n', "role and content"),
        ('{"prompt": "x", "chosen": "b", "rejected": "a", "split": "test"}\n', "split must be one of"),
        ('{"prompt": "x", "chosen": "b", "rejected": "a", "score_chosen": "7"}\n', "finite number"),
        ('{"prompt": "x", "chosen": "b", "rejected": "a", "score_chosen": NaN}\n', "finite number"),
        (
            '{"prompt": "x", "chosen": "b", "rejected": "a", "score_chosen": 1' + "0" * 400 + "}\n",
            "too large",
        ),
        (
            '{"prompt": "x", "chosen": [{"role": "user", "content": "y"}], "rejected": "a"}\n',
            "not by the assis",
        ),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(DatasetError, match=rf"line 2: .*{reason}"):
        records.load(write(tmp_path / "rows.jsonl", world.row(1, 2), line))


def test_invalid_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"prompt": "\xff"}\n')
    with pytest.raises(DatasetError, match="line 1: not UTF-8"):
        records.load(tmp_path / "rows.jsonl")


def test_a_row_of_a_preference_against_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="same preference"):
        records.load(write(tmp_path / "rows.jsonl", world.row(1, 1)))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no preferences"):
        records.load(write(tmp_path / "rows.jsonl", "\n\n"))


@pytest.mark.skipif(not world.SHARED.exists(), reason="the shared data is not here")
def test_real_preferences_are_read_with_their_scores() -> None:
    data = records.load(world.SHARED / "pairs.jsonl")
    assert len(data.preferences) == 694
    assert any(len(one.prompt) > 1 for one in data.preferences)
    assert sum(one.score_margin is not None for one in data.preferences) > 100


def test_ties_are_counted_and_are_no_rows(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    plain = records.load(folder, world.canonical(folder))
    assert plain.ties == 0
    lines = [
        json.dumps(line | {"provenance": "tie"} if place < 2 else line) for place, line in enumerate(pairs())
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    data = records.load(file)
    assert (data.ties, len(data.rows), len(data.preferences)) == (2, 1, 4)


def pairs() -> list[dict[str, Any]]:
    """Three rows over four preferences."""
    made = [{"prompt": f"Q{n}", "chosen": "yes", "rejected": "no"} for n in range(4)]
    return [{"strong": made[n], "weak": made[n + 1]} for n in range(3)]
