"""Bytes in, lines out, without ever holding the file: gzip, byte order marks, a limit on the line."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from annotation.imports.records import UnreadableFile

LINE_LIMIT = 16 * 1024 * 1024  # bytes: a longer line is refused, not read into memory
_CUT_OFF = (
    "The compressed file is damaged or was cut off here. Rows before this point are kept: upload it again."
)


def plain(stream: BinaryIO) -> BinaryIO:
    """The stream itself, or what a gzip stream unpacks to; a UTF-8 byte order mark is skipped.

    Raises:
        UnreadableFile: empty, UTF-16, or broken gzip.
    """
    start = peek(stream, 4)
    if start[:2] == b"\x1f\x8b":
        stream = cast("BinaryIO", _Gunzip(fileobj=stream, mode="rb"))
        start = peek(stream, 4)
    if not start:
        raise UnreadableFile("The file is empty.")
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UnreadableFile("The file is written in UTF-16. Save it as UTF-8 and upload it again.")
    if start[:3] == codecs.BOM_UTF8:
        stream.read(3)
    return stream


def peek(stream: BinaryIO, count: int) -> bytes:
    start = stream.read(count)
    stream.seek(0)
    return start


def lines(stream: BinaryIO, limit: int = LINE_LIMIT) -> Iterator[tuple[int, bytes | None]]:
    """(1-based line number, the line with its end); None in place of a line over the limit."""
    number = 0
    while raw := stream.readline(limit):
        number += 1
        if len(raw) == limit and not raw.endswith(b"\n"):
            while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        else:
            yield number, raw


class _Gunzip(gzip.GzipFile):
    """A gzip reader whose breakage is an UnreadableFile."""

    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise UnreadableFile(_CUT_OFF) from error

    def readline(self, size: int | None = -1) -> bytes:
        try:
            return super().readline(size)
        except (EOFError, OSError, zlib.error) as error:
            raise UnreadableFile(_CUT_OFF) from error
