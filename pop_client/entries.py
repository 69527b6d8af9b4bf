"""Responses of models out of a file: JSON lines, a JSON list, or CSV with a header."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEEDED = ("prompt", "model", "response")


def read(file: Path, model: str = "") -> list[dict[str, Any]]:
    """`prompt`, `model`, `response` and perhaps `source` of each row; other columns are left out.

    `model` is whose they are where a row says nothing. What a text may be the server knows.

    Raises:
        ValueError: a row that is none, or lacks something, by its 1-based number.
    """
    return [_entry(row, number, model) for number, row in enumerate(_rows(file), start=1)]


def _rows(file: Path) -> Iterator[Any]:
    text = file.read_text("utf-8-sig")
    if file.suffix.lower() == ".csv":
        yield from csv.DictReader(text.splitlines(keepends=True))
    elif text.lstrip().startswith("["):
        yield from json.loads(text)
    else:
        yield from _lines(text)


def _lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):  # other line ends may stand in a text
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON: {error}") from error


def _entry(row: Any, number: int, model: str) -> dict[str, Any]:
    given = row if isinstance(row, dict) else {}
    found = {name: given[name] for name in (*NEEDED, "source") if given.get(name) is not None}
    found.setdefault("model", model)
    if lacking := [name for name in NEEDED if not found.get(name)]:
        lacks = f"has no {' and no '.join(lacking)}"
        none = "is no object with prompt, model and response"
        raise ValueError(f"response {number} {lacks if given is row else none}")
    return found
