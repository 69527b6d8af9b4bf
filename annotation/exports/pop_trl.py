"""TRL's preference format: the strong side as prompt, chosen and rejected, the weak side beside it.

TRL's DPOTrainer takes the rows as conversational preference data and leaves the other columns alone. It would
train on a tie as on any row, so ties are not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from annotation.exports.canonical import batches
from annotation.exports.source import TEXTS, Source, rows_with_texts


def stream(source: Source) -> Iterator[bytes]:
    for batch in batches(rows_with_texts(source), size=100):
        kept = [_row(row) for row in batch if row["provenance"] != "tie"]
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in kept)


def _row(row: Mapping[str, object]) -> dict[str, object]:
    strong = {name: row[f"strong_{name}"] for name in TEXTS}
    weak = {f"weak_{name}": row[f"weak_{name}"] for name in TEXTS}
    return {**strong, **weak, **{name: row[name] for name in ("confidence", "split", "provenance")}}
