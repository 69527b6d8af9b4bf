from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from annotation.imports import FORMATS, Record, RowError, UnreadableFile, json_array, streams

ROW = {"prompt": "Capital?", "chosen": "Paris", "rejected": "Lyon"}
read = FORMATS["jsonl"].read


def line(**changes: Any) -> bytes:
    return json.dumps({**ROW, **changes}).encode()


def rows(data: bytes) -> list[Record | RowError]:
    return list(read(io.BytesIO(data)))


def shape(data: bytes) -> list[tuple[str, int]]:
    return [(type(row).__name__, row.line) for row in rows(data)]


def errors(data: bytes) -> dict[int, str]:
    return {row.line: row.reason for row in rows(data) if isinstance(row, RowError)}


def test_one_object_a_line_with_blank_lines_between() -> None:
    data = line() + b"\r\n\n  \n" + line(prompt="Two?") + b"\n"
    assert shape(data) == [("Record", 1), ("Record", 4)]


def test_a_byte_order_mark_is_read_over() -> None:
    assert shape(b"\xef\xbb\xbf" + line()) == [("Record", 1)]
    assert shape(b"\xef\xbb\xbf[" + line() + b"]") == [("Record", 1)]
    assert shape(gzip.compress(b"\xef\xbb\xbf" + line())) == [("Record", 1)]


def test_invalid_utf8_costs_its_line_only() -> None:
    data = b"\n".join([line(), b'{"prompt": "caf\xe9"}', line(prompt="Three?")])
    assert shape(data) == [("Record", 1), ("RowError", 2), ("Record", 3)]
    assert "not valid UTF-8 (byte 16 of the line)" in errors(data)[2]


def test_a_half_written_last_line_is_named_and_the_rest_kept() -> None:
    data = line() + b"\n" + line(prompt="Two?")[:-9]
    assert shape(data) == [("Record", 1), ("RowError", 2)]
    assert "the file ends in the middle of this line" in errors(data)[2]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"[1]", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
        (b"{'prompt': 1}", "is not JSON"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"chosen": "a", "rejected": "\\u0000", "prompt": "p"}', "NUL"),
        (b'{"chosen": "a", "rejected": "\\ud800", "prompt": "p"}', "not valid UTF-8"),
        (b'{"prompt": "p", "chosen": "a", "rejected": "b", "score_chosen": NaN}', "finite number"),
        (
            b'{"prompt": "p", "chosen": "a", "rejected": "b", "score_chosen": ' + b"9" * 5000 + b"}",
            "is not JSON",
        ),
    ],
)
def test_a_bad_line_is_refused_with_its_number(bad: bytes, reason: str) -> None:
    data = line() + b"\n" + bad + b"\n" + line(prompt="Three?")
    assert shape(data) == [("Record", 1), ("RowError", 2), ("Record", 3)]
    assert reason in errors(data)[2]


def test_a_refusal_holds_nothing_a_database_refuses() -> None:
    data = line() + b'\n{"chosen": "\x00\xff", \x00' + b"x" * 10_000
    refused = rows(data)[1]
    assert isinstance(refused, RowError)
    assert len(refused.excerpt) <= 200
    assert "\x00" not in refused.excerpt + refused.reason
    (refused.excerpt + refused.reason).encode()


def test_a_line_over_the_limit_is_skipped_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [*streams.lines(io.BytesIO(b"ok\n" + b"x" * 1000 + b"\nok again\n" + b"y" * 64), limit=64)]
    assert many == [(1, b"ok\n"), (2, None), (3, b"ok again\n"), (4, None)]


def test_a_gzipped_file_is_looked_through_and_a_broken_one_keeps_its_start() -> None:
    whole = gzip.compress(b"\n".join(line(prompt=f"{n} {n * 7919 % 1000}?") for n in range(5000)))
    assert len(rows(whole)) == 5000
    kept: list[object] = []
    with pytest.raises(UnreadableFile, match="cut off"):
        kept.extend(read(io.BytesIO(whole[: len(whole) // 2])))
    assert len(kept) > 1000


def test_a_json_array_is_read_item_by_item() -> None:
    array = json.dumps([{**ROW, "prompt": f"Question {n} — é?"} for n in range(3000)], indent=1).encode()
    found = rows(b" \n" + array)
    assert [row.line for row in found] == list(range(1, 3001))
    assert {type(row) for row in found} == {Record}
    assert shape(b"[]") == []


def test_an_array_item_larger_than_the_buffer_is_read() -> None:
    big = "é" * (3 * json_array.CHUNK)
    (found,) = rows(json.dumps([{**ROW, "prompt": big}], ensure_ascii=False).encode())
    assert isinstance(found, Record)
    assert found.prompt[0]["content"] == big


def test_a_half_written_array_keeps_what_came_before() -> None:
    array = json.dumps([ROW, {**ROW, "prompt": "Two?"}]).encode()
    assert shape(array[:-1]) == [("Record", 1), ("Record", 2), ("RowError", 3)]
    assert shape(array[:-5]) == [("Record", 1), ("RowError", 2)]
    assert "the file ends in the middle" in errors(array[:-5])[2]


def test_array_items_that_are_no_objects_are_refused_one_by_one() -> None:
    data = b"[1, " + line() + b', "x", null, [2], 17]'
    assert shape(data) == [("RowError", 1), ("Record", 2), *(("RowError", n) for n in (3, 4, 5, 6))]
    bad_bytes = b'[{"prompt": "p", "chosen": "\xff", "rejected": "b"}, ' + line() + b"]"
    assert shape(bad_bytes) == [("RowError", 1), ("Record", 2)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf", "The file is empty."),
        (b" \n\n ", "The file is empty."),
        (gzip.compress(b"", mtime=0), "The file is empty."),
        ("{}".encode("utf-16"), "UTF-16"),
        (b'{\n "data": []\n}', "one JSON object spread over lines"),
        (b"[{} {}]", "no comma after item 1"),
        (b"[{}, oops, {}]", "Item 2 of the JSON array cannot be read"),
        (b"[" * 200_000, "Item 1 of the JSON array cannot be read"),
        (b"\x1f\x8bgarbage", "cut off"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_it_is(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        rows(data)
    assert words in refused.value.message
