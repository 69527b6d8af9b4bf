"""Formats preferences are imported from. A new file format is one module and one line here.

Every reader takes a binary stream and gives `Record` or `RowError`, one a row; what makes the whole file
unreadable is an `UnreadableFile`. Nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from annotation.imports import csv_table, jsonl, parquet
from annotation.imports.records import Record, Row, RowError, UnreadableFile

__all__ = ["FORMATS", "HUB", "Format", "Record", "Row", "RowError", "UnreadableFile", "guess"]

HUB = "hub"


@dataclass(frozen=True)
class Format:
    name: str
    label: str
    endings: tuple[str, ...]
    read: Callable[[BinaryIO], Iterator[Row]]


FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        Format("jsonl", "JSON Lines or a JSON array", (".jsonl", ".ndjson", ".json"), jsonl.read),
        Format("csv", "CSV or TSV with a header", (".csv", ".tsv"), csv_table.read),
        Format("parquet", "Parquet", (".parquet", ".pq"), parquet.read),
    )
}


def guess(filename: str) -> str:
    """The format a file's name speaks for; "" when none does. A trailing .gz is looked through."""
    name = filename.lower().removesuffix(".gz")
    return next((item.name for item in FORMATS.values() if name.endswith(item.endings)), "")
