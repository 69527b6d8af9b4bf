"""A frozen dataset as a download reads it: its canonical files, opened by name."""

from __future__ import annotations

import json
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from annotation.exports.canonical import PREFERENCES, ROWS

READ = 500  # rows held at once
TEXTS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class Source:
    """`open` gives one of the canonical files as a seekable binary stream; `title` names downloads."""

    open: Callable[[str], BinaryIO]
    title: str = "dataset"


def table(source: Source, name: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The items of one canonical table, in order."""
    with source.open(name) as stream:
        file = pq.ParquetFile(stream, pre_buffer=False)
        for batch in file.iter_batches(batch_size=READ, columns=columns):
            yield from batch.to_pylist()


def rows_with_texts(source: Source) -> Iterator[dict[str, Any]]:
    """Each PoP row with the full texts of both preferences.

    Memory holds 40 bytes a preference; the texts wait in a temporary file until a row asks for them.
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


class _Texts:
    """Preference texts by id. Ids come sorted, so a position is found by bisection."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self.ids: list[bytes] = []
        self.starts = array("Q")

    def __enter__(self) -> _Texts:
        for item in table(self.source, PREFERENCES, ["id", *TEXTS]):
            self.ids.append(bytes.fromhex(item["id"]))
            self.starts.append(self.file.tell())
            self.file.write(json.dumps([item[name] for name in TEXTS], ensure_ascii=False).encode())
        self.starts.append(self.file.tell())
        return self

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
