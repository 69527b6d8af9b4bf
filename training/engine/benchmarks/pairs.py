"""RewardBench's prompts, from files or the Hub. No torch here.

A row has `prompt` (text or messages), `chosen`, `rejected` (text), `subset` and perhaps `id`. Unlike training
data a response may be empty, and the two may be the same: such a prompt is a tie, which the benchmark counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.engine.errors import DatasetError
from training.engine.records import Messages, PopData, Preference, canonical_line

SPLIT = "filtered"  # the 2,985 that the benchmark is
NEEDED = ("prompt", "chosen", "rejected", "subset")
HINT = "A row needs prompt, chosen, rejected and subset, as allenai/reward-bench has them."


@dataclass(frozen=True)
class Pairs:
    """The benchmark's prompts as held-out preferences, and the subset and id of each."""

    data: PopData
    subsets: list[str]
    ids: list[str]


def read(sources: Sequence[str]) -> Pairs:
    """Read .jsonl, .json or .parquet files, or Hub ids (OWNER/NAME or OWNER/NAME:SPLIT), one after another.

    Raises:
        DatasetError: there is no such file or dataset, or a row lacks something; the message says which.
    """
    digest = hashlib.sha256()
    preferences: list[Preference] = []
    subsets, ids = [], []
    for source in sources:
        for number, row in enumerate(_rows(source), 1):
            try:
                one = _record(row)
                digest.update(canonical_line({"messages": one, "subset": row["subset"]}))
            except (TypeError, KeyError, ValueError) as error:
                said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
                raise DatasetError(f"{source}, row {number}: {said}.", hint=HINT) from error
            preferences.append(Preference(str(len(preferences)), "heldout", *one))
            subsets.append(row["subset"])
            ids.append(str(row.get("id", number)))
    if not preferences:
        raise DatasetError(f"There is no row in {', '.join(sources)}.", code="dataset_empty")
    return Pairs(PopData(preferences, [], digest.hexdigest()), subsets, ids)


def _record(row: Any) -> tuple[Messages, Messages, Messages]:
    """Prompt, chosen and rejected of a row."""
    if not isinstance(row, dict):
        raise TypeError("a row must be an object")
    for name in NEEDED:
        if row.get(name) is None:
            raise KeyError(name)
        if not isinstance(row[name], str) and name != "prompt":
            raise TypeError(f"{name} must be text")
    chosen, rejected = ([{"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected"))
    return _prompt(row["prompt"]), chosen, rejected


def _prompt(value: Any) -> Messages:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise TypeError("prompt must be text or a list of messages")
    if not all(isinstance(one, dict) and isinstance(one.get("content"), str) for one in value):
        raise TypeError("a message of a prompt needs role and content, both text")
    return [{"role": str(one.get("role", "user")), "content": one["content"]} for one in value]


def _rows(source: str) -> Iterator[Any]:
    file = Path(source).expanduser()
    if not file.is_file():
        yield from _of_hub(source)
    elif file.suffix == ".parquet":
        yield from _of_parquet(file)
    else:
        yield from _of_json(file)


def _of_json(file: Path) -> Iterable[Any]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            found = json.loads(text)
            return found if isinstance(found, list) else [found]
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file} is not JSON (half-written?): {error}", hint=HINT) from error


def _of_parquet(file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{file} is not a readable Parquet file (half-written?): {error}") from error


def _of_hub(source: str) -> Iterable[Any]:
    """A dataset's split. Every failure of the Hub's client is told as one: it has dozens."""
    from datasets import load_dataset

    name, _, split = source.partition(":")
    hint = "Name a .jsonl, .json or .parquet file, or a dataset of the Hub that can be reached."
    if name.count("/") != 1 or Path(name).suffix:
        raise DatasetError(f"There is no file {source}.", code="dataset_missing", hint=hint)
    try:
        return list(load_dataset(name, split=split or SPLIT))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DatasetError(
            f"The dataset {name} could not be read from the Hub: {reason}", code="dataset_missing", hint=hint
        ) from error
