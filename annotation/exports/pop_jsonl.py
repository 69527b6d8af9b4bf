"""PoP rows with full texts, one JSON object a line: what `load_dataset("json", …)` reads."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from annotation.exports.canonical import batches
from annotation.exports.source import Source, rows_with_texts


def stream(source: Source) -> Iterator[bytes]:
    for batch in batches(rows_with_texts(source), size=100):
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch)
