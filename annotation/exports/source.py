"""A frozen dataset as a download reads it: its canonical files, opened by name."""

from __future__ import annotations

import json
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from annotation.exports.canonical import PREFERENCES, ROWS

READ = 500  # rows held at once
TEXTS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class Source:
    """`open` gives one canonical file as a seekable binary stream; temporary files go to `scratch`."""

    open: Callable[[str], BinaryIO]
    scratch: str | None = None


def table(source: Source, name: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The items of one canonical table, in order."""
    with source.open(name) as stream:
        file = pq.ParquetFile(stream, pre_buffer=False)
        for batch in file.iter_batches(batch_size=READ, columns=columns):
            yield from batch.to_pylist()


def rows_with_texts(source: Source) -> Iterator[dict[str, Any]]:
    """Each PoP row with the full texts of both preferences.

    Memory holds the ids of the preferences in the rows; the texts wait in a temporary file for their rows.
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
    """Preference texts by id. Ids come sorted, so a position is found by bisection."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.file = tempfile.TemporaryFile(dir=source.scratch)  # noqa: SIM115 - closed by __exit__
        self.ids: list[bytes] = []
        self.starts = array("Q")

    def __enter__(self) -> _Texts:
        try:
            self._copy()
        except BaseException:  # storage has lost a file: __exit__ will not be called
            self.file.close()
            raise
        return self

    def _copy(self) -> None:
        wanted: set[bytes] = set()
        for row in table(self.source, ROWS, ["strong_id", "weak_id"]):
            wanted.update((bytes.fromhex(row["strong_id"]), bytes.fromhex(row["weak_id"])))
        for item in table(self.source, PREFERENCES, ["id", *TEXTS]):
            if bytes.fromhex(item["id"]) not in wanted:
                continue
            self.ids.append(bytes.fromhex(item["id"]))
            self.starts.append(self.file.tell())
            self.file.write(json.dumps([item[name] for name in TEXTS], ensure_ascii=False).encode())
        self.starts.append(self.file.tell())

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __getitem__(self, preference_id: str) -> dict[str, Any]:
        wanted = bytes.fromhex(preference_id)
        at = bisect_left(self.ids, wanted)
        if at == len(self.ids) or self.ids[at] != wanted:
            raise KeyError(preference_id)
        self.file.seek(self.starts[at])
        texts = json.loads(self.file.read(self.starts[at + 1] - self.starts[at]))
        return dict(zip(TEXTS, texts, strict=True))
