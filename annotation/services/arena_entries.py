"""Responses as programs send them, or as a file, as entries of an arena: texts, or chat messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from annotation.errors import Invalid
from annotation.imports import responses, values
from annotation.imports.records import Message, RowProblem, UnreadableFile
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


def of_file(data: bytes, *, model: str = "") -> list[Entry]:
    """A file's responses; `model` is whose they are where it does not say.

    Raises:
        Invalid: not such a file, or a text that is none.
    """
    try:
        return list(read(responses.read(data, model=model)))
    except UnreadableFile as error:
        raise Invalid("invalid_arena", str(error), {"file": [str(error)]}) from error


def _messages(value: object, name: str, role: str) -> list[Message]:
    parsed = values.parse(value, name)
    return [{"role": role, "content": parsed}] if isinstance(parsed, str) else parsed
