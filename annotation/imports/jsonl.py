"""JSON Lines, one object a line; also one JSON array of objects. Both may be gzipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from annotation.imports import json_array, streams
from annotation.imports.layouts import recognise
from annotation.imports.records import Row, RowProblem, UnreadableFile, row_error


def read(stream: BinaryIO) -> Iterator[Row]:
    """Rows of a JSONL file or a JSON array, told apart by the first character."""
    text = streams.plain(stream)
    begin = text.tell()
    first = _first_character(text)
    text.seek(begin)
    if first == b"[":
        yield from json_array.read(text)
    else:
        yield from _lines(text)


def _lines(stream: BinaryIO) -> Iterator[Row]:
    for number, raw in streams.lines(stream):
        if raw is None:
            yield row_error(number, f"the line is longer than {streams.LINE_LIMIT // 2**20} MiB")
        elif raw.strip():
            if number == 1 and raw.strip() == b"{":
                raise UnreadableFile(
                    "The file holds one JSON object spread over lines. "
                    "Expected one object a line (JSONL) or a JSON array of objects."
                )
            yield _row(number, raw)


def _row(number: int, raw: bytes) -> Row:
    try:
        return recognise(_object(raw), number)
    except RowProblem as problem:
        return row_error(number, problem, raw)


def _object(raw: bytes) -> dict[str, object]:
    try:
        value = orjson.loads(raw)
    except ValueError:
        return _object_or_reason(raw)  # NaN and lone surrogates among them: json knows more, and says why
    if not isinstance(value, dict):
        raise RowProblem("is not a JSON object")
    # Whole numbers beyond 64 bits become floats here: an id would lose its last digits.
    if any(type(item) is float and abs(item) >= 2**63 for item in value.values()):
        return _object_or_reason(raw)
    return value


def _object_or_reason(raw: bytes) -> dict[str, object]:
    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise RowProblem(f"is not valid UTF-8 (byte {error.start + 1} of the line)") from error
    except RecursionError as error:
        raise RowProblem("is nested too deeply") from error
    except ValueError as error:
        cut_off = "" if raw.endswith(b"\n") else "; the file ends in the middle of this line"
        raise RowProblem(f"is not JSON ({error}){cut_off}") from error
    if not isinstance(value, dict):
        raise RowProblem("is not a JSON object")
    return value


def _first_character(stream: BinaryIO) -> bytes:
    while chunk := stream.read(4096):
        if chunk.strip():
            return chunk.strip()[:1]
    raise UnreadableFile("The file is empty.")
