"""events.jsonl survives what happens to files: half lines, crashes, tailing while it grows."""

from __future__ import annotations

import math
from pathlib import Path

from training.engine.events import EventWriter, read


def write(file: Path, *stages: str) -> None:
    writer = EventWriter(file)
    for stage in stages:
        writer.write("stage", name=stage, total=None)
    writer.close()


def names(file: Path, offset: int = 0) -> list[str]:
    return [str(event.data["name"]) for _, _, event in read(file, offset)]


def test_a_file_that_is_not_there_has_no_events(tmp_path: Path) -> None:
    assert list(read(tmp_path / "events.jsonl")) == []


def test_a_half_written_last_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write(file, "sft")
    whole = file.read_bytes()
    write(file, "train")
    line = file.read_bytes()[len(whole) :]
    for cut in (1, len(line) // 2, len(line) - 1):
        file.write_bytes(whole + line[:cut])
        assert names(file) == ["sft"]
    file.write_bytes(whole + line)
    assert names(file, offset=len(whole)) == ["train"]


def test_offsets_tile_the_file(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write(file, "sft", "reference", "train")
    spans = [(start, end) for start, end, _ in read(file)]
    assert spans[0][0] == 0
    assert spans[-1][1] == file.stat().st_size
    assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]]


def test_a_line_broken_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    write(file, "sft")
    with file.open("ab") as out:
        out.write(b'{"kind": "stage", "at": "2026')
    write(file, "train")
    assert names(file) == ["sft", "train"]


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    writer = EventWriter(file)
    writer.write("metrics", 3, loss=math.nan, nested=[math.inf, {"deep": -math.inf}], fine=1.5)
    writer.close()
    ((_, _, event),) = read(file)
    assert event.step == 3
    assert event.data == {"loss": None, "nested": [None, {"deep": None}], "fine": 1.5}
