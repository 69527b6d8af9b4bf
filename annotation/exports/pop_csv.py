"""PoP rows as CSV: conversations are JSON in their cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import orjson

from annotation.exports.canonical import batches
from annotation.exports.source import TEXTS, Source, rows_with_texts

CONVERSATIONS = tuple(f"{side}_{name}" for side in ("strong", "weak") for name in TEXTS)
COLUMNS = (*CONVERSATIONS, "strong_id", "weak_id", "split", "confidence", "provenance")


def stream(source: Source) -> Iterator[bytes]:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for batch in batches(rows_with_texts(source), size=100):
        for row in batch:
            writer.writerow({**row, **{name: orjson.dumps(row[name]).decode() for name in CONVERSATIONS}})
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()
    yield out.getvalue().encode()
