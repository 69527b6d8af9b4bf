"""Parquet, read in small batches and only the columns that matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.imports.layouts import COLUMNS, check_columns, recognise
from annotation.imports.records import Row, RowProblem, UnreadableFile, row_error

BATCH = 200  # rows held at once
# What pyarrow raises on damaged input; KeyError and IndexError come from broken nested schemas.
_BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError, KeyError, IndexError, TypeError)


def read(stream: BinaryIO) -> Iterator[Row]:
    """Rows of the file; `line` is the 1-based row.

    Raises:
        UnreadableFile: not Parquet, without the needed columns, or damaged from some row on.
    """
    file = _open(stream)
    try:
        check_columns(file.schema_arrow.names)
    except RowProblem as problem:
        raise UnreadableFile(f"The file {problem}.") from problem
    wanted = [name for name in COLUMNS if name in file.schema_arrow.names]
    number = 0
    batches = file.iter_batches(batch_size=BATCH, columns=wanted)
    while True:
        try:
            batch = next(batches, None)
        except _BROKEN as error:
            raise UnreadableFile(f"The file is damaged after row {number}: {error}") from error
        if batch is None:
            break
        for row in _rows(batch):
            number += 1
            yield _row(row, number)


def _open(stream: BinaryIO) -> Any:
    if not stream.read(1):
        raise UnreadableFile("The file is empty.")
    stream.seek(0)
    try:
        return pq.ParquetFile(stream, buffer_size=2**20, pre_buffer=False)
    except _BROKEN as error:
        raise UnreadableFile(f"This is not a Parquet file, or a damaged one ({error}).") from error


def _rows(batch: Any) -> Iterator[Mapping[str, object] | RowProblem]:
    """The rows as Python values; a row with a value that has none is an error of its own."""
    for index in range(batch.num_rows):
        try:
            yield {name: batch.column(name)[index].as_py() for name in batch.schema.names}
        except _BROKEN as error:
            yield RowProblem(f"cannot be read ({error})")


def _row(row: Mapping[str, object] | RowProblem, number: int) -> Row:
    if isinstance(row, RowProblem):
        return row_error(number, row)
    try:
        return recognise(row, number)
    except RowProblem as problem:
        return row_error(number, problem, row.get("prompt") or row.get("chosen") or "")
