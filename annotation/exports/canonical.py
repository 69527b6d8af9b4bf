"""The canonical form of a PoP dataset: preferences.parquet, rows.parquet, manifest.json and their SHA-256.

The hash is taken over the canonical JSON lines of all preferences and then all rows, never over Parquet's
bytes: the same labels have the same hash whatever library version or database wrote them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from math import isfinite
from pathlib import Path
from typing import Any, TypedDict

import orjson
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from annotation.exports.arrow import MESSAGES

VERSION = 1
PREFERENCES, ROWS, MANIFEST = "preferences.parquet", "rows.parquet", "manifest.json"
FILES = (PREFERENCES, ROWS, MANIFEST)
BATCH = 1_000  # items in one row group: what the writer and every reader hold at once

PREFERENCE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        ("score_chosen", pa.float64()),
        ("score_rejected", pa.float64()),
    ]
)
ROW_SCHEMA = pa.schema(
    [
        ("strong_id", pa.string()),
        ("weak_id", pa.string()),
        ("split", pa.string()),
        ("confidence", pa.float64()),
        ("provenance", pa.string()),
    ]
)


class Counts(TypedDict):
    preferences: int
    rows: int
    heldout_preferences: int
    heldout_rows: int


def write(
    folder: Path,
    *,
    preferences: Iterable[Mapping[str, Any]],
    rows: Iterable[Mapping[str, Any]],
    about: Mapping[str, Any],
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Write the three files into `folder`, streaming, and give back the manifest.

    Args:
        preferences: sorted by id, keys exactly the columns of `PREFERENCE_SCHEMA`.
        rows: sorted by (strong_id, weak_id), keys exactly the columns of `ROW_SCHEMA`.
        about: what else the manifest says.
        progress: told the number of items written, after each batch.

    Raises:
        OSError: the disk is full, among others.
    """
    writer, heldout = _Writer(progress), hashlib.sha256()
    noted = _noting(preferences, heldout)
    kept = writer.table(folder / PREFERENCES, PREFERENCE_SCHEMA, noted, preference_line)
    paired = writer.table(folder / ROWS, ROW_SCHEMA, rows, row_line)
    counts = Counts(
        preferences=sum(kept.values()),
        rows=sum(paired.values()),
        heldout_preferences=kept.get("heldout", 0),
        heldout_rows=paired.get("heldout", 0),
    )
    hashes = {"sha256": writer.hash.hexdigest(), "heldout_sha256": heldout.hexdigest()}
    manifest = {"version": VERSION, **hashes, "counts": counts, **about}
    text = json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def _noting(preferences: Iterable[Mapping[str, Any]], heldout: Any) -> Iterator[Mapping[str, Any]]:
    """The preferences; the hash is fed those held out: equal ones say that two datasets hold out the same."""
    for one in preferences:
        if one["split"] == "heldout":
            heldout.update(f"{one['id']} {one['score_chosen']} {one['score_rejected']}\n".encode())
        yield one


def preference_line(item: Mapping[str, Any]) -> bytes:
    """A preference as the hash sees it: compact JSON, keys sorted, as Python's json writes it.

    orjson writes texts as json does, not numbers.
    """
    return (
        b'{"chosen":%b,"id":%b,"prompt":%b,"rejected":%b,"score_chosen":%b,"score_rejected":%b,"split":%b}\n'
        % (
            _texts(item["chosen"]),
            _texts(item["id"]),
            _texts(item["prompt"]),
            _texts(item["rejected"]),
            _number(item["score_chosen"]),
            _number(item["score_rejected"]),
            _texts(item["split"]),
        )
    )


def row_line(item: Mapping[str, Any]) -> bytes:
    """A row as the hash sees it, likewise."""
    return b'{"confidence":%b,"provenance":%b,"split":%b,"strong_id":%b,"weak_id":%b}\n' % (
        _number(item["confidence"]),
        _texts(item["provenance"]),
        _texts(item["split"]),
        _texts(item["strong_id"]),
        _texts(item["weak_id"]),
    )


def _texts(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _number(value: float | None) -> bytes:
    """As json writes it: the shortest text that reads as the same number."""
    if value is None:
        return b"null"
    if not isfinite(value):
        raise ValueError(f"{value} is not a number that JSON knows")
    return repr(value).encode()


def batches(items: Iterable[Mapping[str, Any]], size: int = BATCH) -> Iterator[list[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class _Writer:
    """Hashes while it writes; a thread makes Parquet of the lines before, which costs this one no time."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self.hash = hashlib.sha256()
        self.progress = progress
        self.done = 0

    def table(
        self,
        file: Path,
        schema: Any,
        items: Iterable[Mapping[str, Any]],
        line: Callable[[Mapping[str, Any]], bytes],
    ) -> dict[str, int]:
        """Write one table; how many items each split has."""
        splits: dict[str, int] = {}
        # Through a file of our own: closing it reports a full disk, where pyarrow's own sink may not.
        with (
            file.open("wb") as sink,
            pq.ParquetWriter(sink, schema, compression="zstd") as writer,
            ThreadPoolExecutor(1) as thread,
        ):
            before: Future[None] | None = None
            for batch in batches(items):
                lines = b"".join(map(line, batch))
                self.hash.update(lines)
                for item in batch:
                    splits[item["split"]] = splits.get(item["split"], 0) + 1
                if before:
                    before.result()
                before = thread.submit(_write, writer, lines, schema)
                self.done += len(batch)
                self.progress(self.done)
            if before:
                before.result()
        return splits


def _write(writer: Any, lines: bytes, schema: Any) -> None:
    """The lines that were hashed, as one row group."""
    writer.write_table(table_of(lines, schema), row_group_size=BATCH)


def table_of(lines: bytes, schema: Any) -> Any:
    """JSON lines as an Arrow table of exactly this schema."""
    return pj.read_json(
        pa.BufferReader(lines),
        pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),  # a line never crosses a block's end
        pj.ParseOptions(explicit_schema=schema, newlines_in_values=False, unexpected_field_behavior="error"),
    )
