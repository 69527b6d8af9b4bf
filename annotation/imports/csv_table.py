"""CSV and TSV with a header line, read line by line. Cells may hold messages as JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from annotation.imports import streams
from annotation.imports.layouts import check_columns, recognise
from annotation.imports.records import Row, RowProblem, UnreadableFile, row_error

CELL_LIMIT = 16 * 1024 * 1024  # characters
_SEPARATORS = ",;\t"


def read(stream: BinaryIO) -> Iterator[Row]:
    """Rows of the table; `line` is the line a row begins on.

    Raises:
        UnreadableFile: there is no header line with chosen and rejected.
    """
    csv.field_size_limit(CELL_LIMIT)  # the module's own limit is 128 KiB
    text = _Lines(streams.plain(stream))
    header, table = _header(text)
    while True:
        begin = text.number + 1
        text.taken = ""
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield row_error(begin, _in_words(error), text.taken)
            continue
        if cells:
            yield _row(header, cells, begin, text)


class _Lines:
    """Decoded lines for the csv module. Bad bytes become lone surrogates, which the row then names."""

    def __init__(self, stream: BinaryIO) -> None:
        self.lines = streams.lines(stream)
        self.number = 0
        self.taken = ""  # how the current row begins

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, raw = next(self.lines)
        # A line over the limit cannot be a cell either: the NUL makes its row an error that says so.
        line = "\0" if raw is None else raw.decode("utf-8", "surrogateescape")
        self.taken = self.taken or line[:500]
        return line


def _header(text: _Lines) -> tuple[list[str], Iterator[list[str]]]:
    first = next(text, "")
    separator = max(_SEPARATORS, key=first.count)
    try:
        header = [name.strip() for name in next(csv.reader([first], delimiter=separator, strict=True), [])]
        check_columns(header)
    except RowProblem as problem:
        raise UnreadableFile(f"The first line must name the columns. The file {problem}.") from problem
    except csv.Error as error:
        raise UnreadableFile(f"The first line must name the columns; it cannot be read ({error}).") from error
    if len(set(header)) != len(header):
        raise UnreadableFile(f"The header names a column twice: {', '.join(header[:12])}.")
    return header, csv.reader(text, delimiter=separator, strict=True)


def _row(header: list[str], cells: list[str], line: int, text: _Lines) -> Row:
    begins = text.taken.encode("utf-8", "surrogateescape")
    if len(cells) != len(header):
        return row_error(line, f"has {len(cells)} columns where the header has {len(header)}", begins)
    try:
        return recognise(dict(zip(header, cells, strict=True)), line)
    except RowProblem as problem:
        return row_error(line, problem, begins)


def _in_words(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "the file ends inside a quoted cell"
    if "field limit" in str(error):
        return f"a cell is longer than {CELL_LIMIT // 2**20} Mi characters (is a quotation mark left open?)"
    return f"is not valid CSV ({error})"
