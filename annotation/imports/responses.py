"""Responses of models for an arena, out of JSON lines, a JSON list or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from annotation.imports.records import UnreadableFile

CELL_LIMIT = 16 * 1024 * 1024  # characters; the csv module's own limit is 128 KiB
NEEDED = ("prompt", "model", "response")


def read(data: bytes, *, model: str = "") -> Iterator[dict[str, Any]]:
    """Each row's `prompt`, `model`, `response` and `source`; other columns are left out.

    `model` is whose they are where a row does not say. What a text may be is the caller's business.

    Raises:
        UnreadableFile: in words, by the row's 1-based number.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"The file is not UTF-8 text (byte {error.start + 1}).") from error
    for number, row in enumerate(_rows(text), start=1):
        yield _entry(row, number, model)


def _rows(text: str) -> Iterator[Any]:
    first = text.lstrip()[:1]
    if not first:
        raise UnreadableFile("The file is empty.")
    if first == "[":
        yield from _list(text)
    elif first == "{":
        yield from _lines(text)
    else:
        yield from _table(text)


def _list(text: str) -> list[Any]:
    try:
        found: list[Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(f"The file is not JSON: {error}.") from error
    return found


def _lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):  # other line ends may stand in a text
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UnreadableFile(f"Line {number} is not JSON: {error}.") from error


def _table(text: str) -> Iterator[Any]:
    csv.field_size_limit(CELL_LIMIT)
    try:
        yield from csv.DictReader(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise UnreadableFile(f"The file is no CSV: {error}.") from error


def _entry(row: Any, number: int, model: str) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise UnreadableFile(f"Response {number} is no object with prompt, model and response.")
    found = {name: row[name] for name in (*NEEDED, "source") if row.get(name) is not None}
    found["model"] = str(found.get("model") or model)
    found["source"] = str(found.get("source", ""))
    if lacking := [name for name in NEEDED if not found.get(name)]:
        raise UnreadableFile(f"Response {number} has no {' and no '.join(lacking)}.")
    return found
