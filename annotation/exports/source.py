"""A frozen dataset as a download reads it: its canonical files, opened by name."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import orjson
import pyarrow.parquet as pq

from annotation.exports.canonical import PREFERENCES, ROWS

READ = 500  # rows held at once
ID = 32  # bytes
_ENTRY = struct.Struct(f"!{ID}sQQ")  # id, start, length
TEXTS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class Source:
    """`open` gives one canonical file as a seekable binary stream; temporary files go to `scratch`."""

    open: Callable[[str], BinaryIO]
    scratch: str | None = None


def table(source: Source, name: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The items of one canonical table, in order."""
    for batch in _batches(source, name, columns):
        yield from batch.to_pylist()


def _batches(source: Source, name: str, columns: list[str] | None) -> Iterator[Any]:
    with source.open(name) as stream:
        file = pq.ParquetFile(stream, pre_buffer=False)
        yield from file.iter_batches(batch_size=READ, columns=columns)


def rows_with_texts(source: Source) -> Iterator[dict[str, Any]]:
    """Each PoP row with the full texts of both preferences.

    The texts and their index wait in temporary files for their rows: memory is the same for any size.
    """
    with _Texts(source) as texts:
        for row in table(source, ROWS):
            strong, weak = texts[row["strong_id"]], texts[row["weak_id"]]
            yield {
                **{f"strong_{name}": strong[name] for name in TEXTS},
                **{f"weak_{name}": weak[name] for name in TEXTS},
                "strong_id": row["strong_id"],
                "weak_id": row["weak_id"],
                "split": row["split"],
                "confidence": row["confidence"],
                "provenance": row["provenance"],
            }


def first_rows(source: Source, count: int) -> list[dict[str, Any]]:
    """The first rows with the texts of both sides; of the preferences only those they name are read."""
    rows = list(islice(table(source, ROWS), count))
    wanted = sorted({row[side] for row in rows for side in ("strong_id", "weak_id")})
    with source.open(PREFERENCES) as stream:
        found = pq.read_table(stream, columns=["id", *TEXTS], filters=[("id", "in", wanted)]).to_pylist()
    texts = {item["id"]: item for item in found}
    return [
        {
            **{f"strong_{name}": texts[row["strong_id"]][name] for name in TEXTS},
            **{f"weak_{name}": texts[row["weak_id"]][name] for name in TEXTS},
            **row,
        }
        for row in rows
    ]


class _Texts:
    """Preference texts by id, both in temporary files: memory holds nothing that grows with the dataset.

    `index` has an entry of fixed width for each preference: its id, where its texts begin, how long they are.
    Ids come sorted, so an entry is found by bisection in the mapped file.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.open = ExitStack()
        self.file, self.index = (
            self.open.enter_context(tempfile.TemporaryFile(dir=source.scratch))  # noqa: SIM115 - an ExitStack
            for _ in range(2)
        )

    def __enter__(self) -> _Texts:
        try:
            self._copy()
        except BaseException:  # storage has lost a file: __exit__ will not be called
            self.open.close()
            raise
        return self

    def _copy(self) -> None:
        start = count = 0
        for batch in _batches(self.source, PREFERENCES, ["id", *TEXTS]):
            for item in batch.to_pylist():
                texts = orjson.dumps([item[name] for name in TEXTS])
                self.file.write(texts)
                self.index.write(_ENTRY.pack(bytes.fromhex(item["id"]), start, len(texts)))
                start += len(texts)
                count += 1
        self.file.flush()
        self.index.flush()
        self.entries: mmap.mmap | bytes = b""
        if count:
            self.entries = mmap.mmap(self.index.fileno(), 0, access=mmap.ACCESS_READ)
            self.open.callback(self.entries.close)
        self.count = count

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def _id(self, number: int) -> bytes:
        return self.entries[number * _ENTRY.size : number * _ENTRY.size + ID]

    def __getitem__(self, preference_id: str) -> dict[str, Any]:
        wanted = bytes.fromhex(preference_id)
        at = bisect_left(range(self.count), wanted, key=self._id)
        if at == self.count or self._id(at) != wanted:
            raise KeyError(preference_id)
        _, start, length = _ENTRY.unpack_from(self.entries, at * _ENTRY.size)
        texts = orjson.loads(os.pread(self.file.fileno(), length, start))
        return dict(zip(TEXTS, texts, strict=True))
