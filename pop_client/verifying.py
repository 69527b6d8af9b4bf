"""The hash of a dataset, computed again from its canonical files as docs/adr/0001 defines it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TABLES = ("preferences.parquet", "rows.parquet")
BATCH = 1_000
_line = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical_sha256(archive: Path) -> str:
    """SHA-256 over the canonical JSON lines of all preferences and then all rows in a canonical zip.

    Raises:
        ValueError: the file is no such zip.
    """
    counted = hashlib.sha256()
    try:
        with zipfile.ZipFile(archive) as files:
            for item in _items(files):
                counted.update(_line(item).encode() + b"\n")
    except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
        raise ValueError(f"{archive} is not a canonical dataset: {error}") from error
    return counted.hexdigest()


def _items(files: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    for name in TABLES:
        with files.open(name) as stream:
            for batch in pq.ParquetFile(stream, pre_buffer=False).iter_batches(batch_size=BATCH):
                yield from batch.to_pylist()
