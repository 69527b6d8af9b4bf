"""Formats a frozen PoP dataset is downloaded in. A new one is one module and one line here.

Every export turns the canonical files into chunks of bytes, streaming. Nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from annotation.exports import pop_canonical, pop_csv, pop_jsonl, pop_parquet, pop_trl
from annotation.exports.source import Source

__all__ = ["EXPORTS", "Export", "Source"]


@dataclass(frozen=True)
class Export:
    name: str
    label: str
    content_type: str
    suffix: str
    stream: Callable[[Source], Iterator[bytes]]


EXPORTS: dict[str, Export] = {
    item.name: item
    for item in (
        Export("jsonl", "JSON Lines, full texts", "application/x-ndjson", ".jsonl", pop_jsonl.stream),
        Export(
            "parquet", "Parquet, full texts", "application/vnd.apache.parquet", ".parquet", pop_parquet.stream
        ),
        Export("csv", "CSV, conversations as JSON", "text/csv", ".csv", pop_csv.stream),
        Export("trl", "TRL preference format", "application/x-ndjson", ".trl.jsonl", pop_trl.stream),
        Export("canonical", "Canonical files (zip)", "application/zip", ".zip", pop_canonical.stream),
    )
}
