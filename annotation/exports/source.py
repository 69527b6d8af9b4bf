"""A frozen dataset as a download reads it: its canonical files, opened by name."""

from __future__ import annotations

import os
import struct
import tempfile
from array import array
from bisect import bisect_left, bisect_right
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
STRIDE = 64  # entries of the index that are read for one preference
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


def preference(source: Source, preference_id: str) -> dict[str, Any] | None:
    """One preference as the dataset has it, scores and all; None where it is not in there."""
    found = _read(source, PREFERENCES, [("id", "==", preference_id)])
    return found[0] if found else None


def rows_of(source: Source, preference_id: str, most: int) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a preference stands in, and the first `most` of them with the other side as `other`."""
    found = _read(source, ROWS, [[("strong_id", "==", preference_id)], [("weak_id", "==", preference_id)]])
    rows = found[:most]
    if not rows:
        return 0, []
    for row in rows:
        row["other_id"] = row["weak_id"] if row["strong_id"] == preference_id else row["strong_id"]
    others = _read(source, PREFERENCES, [("id", "in", sorted({row["other_id"] for row in rows}))])
    known = {one["id"]: one for one in others}
    return len(found), [row | {"other": known[row["other_id"]]} for row in rows]


def _read(source: Source, name: str, filters: list[Any]) -> list[dict[str, Any]]:
    with source.open(name) as stream:
        found: list[dict[str, Any]] = pq.read_table(stream, filters=filters).to_pylist()
    return found


class _Texts:
    """Preference texts by id, both in temporary files: memory holds eight bytes for `STRIDE` preferences.

    `index` has an entry of fixed width for each preference: its id, where its texts begin, how long they are.
    Ids come sorted, so `marks`, the beginnings of every `STRIDE`th, tell which entries to read. (A mapped
    index would do without, but its pages count as this process's memory.)
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.open = ExitStack()
        self.marks = array("Q")
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
                own = bytes.fromhex(item["id"])
                if count % STRIDE == 0:
                    self.marks.append(_mark(own))
                self.file.write(texts)
                self.index.write(_ENTRY.pack(own, start, len(texts)))
                start += len(texts)
                count += 1
        self.file.flush()
        self.index.flush()

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def __getitem__(self, preference_id: str) -> dict[str, Any]:
        start, length = self._place(bytes.fromhex(preference_id))
        texts = orjson.loads(os.pread(self.file.fileno(), length, start))
        return dict(zip(TEXTS, texts, strict=True))

    def _place(self, wanted: bytes) -> tuple[int, int]:
        """Where the texts begin, and how long they are. Raises KeyError."""
        mark = _mark(wanted)
        first = max(0, bisect_left(self.marks, mark) - 1) * STRIDE
        end = bisect_right(self.marks, mark) * STRIDE
        entries = os.pread(self.index.fileno(), (end - first) * _ENTRY.size, first * _ENTRY.size)
        starts = range(0, len(entries), _ENTRY.size)
        at = bisect_left(starts, wanted, key=lambda start: entries[start : start + ID])
        if at == len(starts) or entries[starts[at] : starts[at] + ID] != wanted:
            raise KeyError(wanted.hex())
        _, start, length = _ENTRY.unpack_from(entries, starts[at])
        return start, length


def _mark(own: bytes) -> int:
    return int.from_bytes(own[:8], "big")
