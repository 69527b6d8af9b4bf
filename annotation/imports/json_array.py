"""One JSON array of objects, read item by item from a stream of any size."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

from annotation.imports.layouts import recognise
from annotation.imports.records import Row, RowProblem, UnreadableFile, row_error

CHUNK = 64 * 1024  # bytes
ITEM_LIMIT = 16 * 1024 * 1024  # characters
_BLANK = " \t\r\n"


class _Text:
    """The unread rest of the file, as much of it as one item needs. Bad bytes become lone surrogates."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.rest, self.ended = "", False

    def grow(self) -> bool:
        """Read on, as much again as is held: an item of n characters is tried log n times."""
        if self.ended:
            return False
        raw = self.stream.read(max(CHUNK, len(self.rest)))
        self.ended = not raw
        self.rest += self.decoder.decode(raw, final=self.ended)
        return True

    def next_sign(self) -> str:
        """The next character that is not blank, left in place; "" at the end of the file."""
        self.rest = self.rest.lstrip(_BLANK)
        while not self.rest and self.grow():
            self.rest = self.rest.lstrip(_BLANK)
        return self.rest[:1]

    def item(self) -> object:
        """Take one JSON value.

        Raises:
            ValueError, RecursionError: no value stands here.
        """
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self.rest)
            except ValueError:
                if len(self.rest) > ITEM_LIMIT or not self.grow():
                    raise
                continue
            # A number at the edge of the buffer may go on: "1" and then "2".
            if end == len(self.rest) and self.grow():
                continue
            self.rest = self.rest[end:]
            return value


def read(stream: BinaryIO) -> Iterator[Row]:
    """Rows of the array; `line` is the 1-based position of the item.

    Raises:
        UnreadableFile: the array is broken, so that no later item can be found.
    """
    text, number = _Text(stream), 0
    text.next_sign()
    text.rest = text.rest[1:]  # the opening bracket
    while (sign := text.next_sign()) != "]":
        number += 1
        if not sign:
            yield row_error(number, "the file ends in the middle of the array")
            return
        try:
            item = text.item()
        except (ValueError, RecursionError) as error:
            if text.ended and text.rest.startswith("{"):
                yield row_error(
                    number, "is not JSON; the file ends in the middle of this item", text.rest[:500]
                )
                return
            raise UnreadableFile(
                f"Item {number} of the JSON array cannot be read ({error}), nor anything after it."
            ) from error
        yield _row(number, item)
        if text.next_sign() == ",":
            text.rest = text.rest[1:]
        elif text.next_sign() not in {"]", ""}:
            raise UnreadableFile(f"There is no comma after item {number} of the JSON array.")


def _row(number: int, item: object) -> Row:
    if not isinstance(item, dict):
        return row_error(number, "is not a JSON object", str(item)[:500])
    try:
        return recognise(item, number)
    except RowProblem as problem:
        return row_error(number, problem, json.dumps(item, ensure_ascii=False)[:500])
