"""Files as their projects publish them, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation.imports import FORMATS, Record, RowError, UnreadableFile

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside this checkout")
FILES = sorted(path.relative_to(DATA).as_posix() for path in DATA.rglob("*.json*"))


def read(name: str) -> list[Record | RowError]:
    with (DATA / name).open("rb") as stream:
        return list(FORMATS["jsonl"].read(stream))


def test_pairs_come_in_whole_and_each_once() -> None:
    found = read("pairs.jsonl")
    assert {type(row) for row in found} == {Record}
    assert len(found) == len({row.content_hash for row in found if isinstance(row, Record)}) == 694


def test_hh_dialogues_are_split_into_turns() -> None:
    found = read("native/hh_rlhf.jsonl")
    assert len(found) == 3
    for row in found:
        assert isinstance(row, Record)
        assert [turn["role"] for turn in row.prompt] == ["user", "assistant"] * (len(row.prompt) // 2) + [
            "user"
        ]
        assert not any("Human:" in turn["content"] for turn in row.prompt)
        assert row.chosen[-1]["role"] == row.rejected[-1]["role"] == "assistant"


@pytest.mark.parametrize("name", [name for name in FILES if "pairs" not in name and "hh_" not in name])
def test_other_shapes_are_refused_in_words(name: str) -> None:
    try:
        found = read(name)
    except UnreadableFile as refused:
        assert "spread over lines" in refused.message  # noqa: PT017 - one of two right ends
        return
    assert found
    for row in found:
        assert isinstance(row, RowError)
        assert row.reason.startswith("needs chosen and rejected; found columns: ")
