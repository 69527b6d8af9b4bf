"""PoP rows with full texts, one JSON object a line: what `load_dataset("json", …)` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator

from annotation.exports.canonical import batches
from annotation.exports.source import Source, rows_with_texts


def stream(source: Source) -> Iterator[bytes]:
    for batch in batches(rows_with_texts(source), size=100):
        yield b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in batch)
