"""Responses as programs send them, as entries of an arena: texts, or chat messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from annotation.errors import Invalid
from annotation.imports import values
from annotation.imports.records import Message, RowProblem
from annotation.services.arenas import Entry


def read(rows: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    """`{"prompt", "model", "response", "source"}` each.

    Raises:
        Invalid: a text that is none, by its 1-based number.
    """
    for number, row in enumerate(rows, start=1):
        try:
            yield Entry(
                prompt=_messages(row["prompt"], "prompt", "user"),
                model=row["model"],
                response=_messages(row["response"], "response", "assistant"),
                source=row.get("source", ""),
            )
        except RowProblem as problem:
            words = f"Response {number}: {problem}."
            raise Invalid("invalid_arena", words, {"entries": [words]}) from problem


def _messages(value: object, name: str, role: str) -> list[Message]:
    parsed = values.parse(value, name)
    return [{"role": role, "content": parsed}] if isinstance(parsed, str) else parsed
