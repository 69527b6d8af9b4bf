"""PoP rows with full texts as Parquet, written and sent row group by row group."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.exports import arrow
from annotation.exports.arrow import MESSAGES
from annotation.exports.canonical import batches
from annotation.exports.sink import Sink
from annotation.exports.source import TEXTS, Source, rows_with_texts

GROUP = 500  # rows
SCHEMA = pa.schema(
    [
        *((f"{side}_{name}", MESSAGES) for side in ("strong", "weak") for name in TEXTS),
        ("strong_id", pa.string()),
        ("weak_id", pa.string()),
        ("split", pa.string()),
        ("confidence", pa.float64()),
        ("provenance", pa.string()),
    ]
)


def stream(source: Source) -> Iterator[bytes]:
    sink = Sink()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        for batch in batches(rows_with_texts(source), size=GROUP):
            writer.write_table(arrow.table(batch, SCHEMA), row_group_size=GROUP)
            yield sink.take()
    yield sink.take()
