"""The dataset as the engine reads it: each preference once, and rows that pair them. No torch here.

Two forms: the canonical folder (preferences.parquet, rows.parquet, manifest.json) and JSON lines made by
somebody else. The SHA-256 of a folder is taken over canonical JSON lines (not over Parquet's bytes), that of
a .jsonl file over the file's bytes, as `sha256sum` gives it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.engine.errors import DatasetError

Messages = list[dict[str, str]]

PREFERENCE_KEYS = ("id", "split", "prompt", "chosen", "rejected", "score_chosen", "score_rejected")
ROW_KEYS = ("strong_id", "weak_id", "split", "confidence", "provenance")
SPLITS = ("train", "heldout")
TIE = "tie"  # provenance of a row whose sides were too close to call
INFERRED = "inferred"  # of a row that nobody compared: it follows from the others


@dataclass(frozen=True)
class Preference:
    """One (prompt, chosen, rejected), as chat messages. Scores are for evaluation and margin baselines."""

    id: str
    split: str
    prompt: Messages
    chosen: Messages
    rejected: Messages
    score_chosen: float | None = None
    score_rejected: float | None = None

    @property
    def score_margin(self) -> float | None:
        """score_chosen − score_rejected, or None where a score is missing."""
        if self.score_chosen is None or self.score_rejected is None:
            return None
        return self.score_chosen - self.score_rejected


@dataclass(frozen=True)
class Row:
    """`strong` and `weak` are positions in `PopData.preferences`. `inferred`: nobody compared the two."""

    strong: int
    weak: int
    split: str = "train"
    confidence: float = 1.0
    inferred: bool = False


@dataclass
class PopData:
    """A whole dataset. `sha256` is what it is, not what somebody says it is.

    `rows` have a stronger side. `ties` were too close to call: nothing trains on them, none is evaluated.
    """

    preferences: list[Preference]
    rows: list[Row]
    sha256: str
    manifest: dict[str, Any] = field(default_factory=dict)
    ties: int = 0

    def preferences_of(self, split: str) -> list[int]:
        """Positions of the preferences of a split."""
        return [place for place, one in enumerate(self.preferences) if one.split == split]

    def rows_of(self, split: str) -> list[Row]:
        """Rows of a split."""
        return [row for row in self.rows if row.split == split]


def load(path: Path, sha256: str = "") -> PopData:
    """Read the dataset at `path` (a canonical folder or a .jsonl file) and check its hash.

    Raises:
        DatasetError: nothing there, unreadable, inconsistent, empty, or `sha256` is not its hash.
    """
    if path.is_dir():
        data = read_folder(path)
    elif path.is_file():
        from training.engine.jsonl import read_jsonl

        data = read_jsonl(path)
    else:
        raise DatasetError(
            f"There is no dataset at {path}.",
            code="dataset_missing",
            hint="Give the folder of a frozen PoP dataset, or a .jsonl file.",
        )
    if not data.preferences:
        raise DatasetError(f"The dataset at {path} has no preferences.", code="dataset_empty")
    check_hash(data.sha256, sha256, f"the dataset at {path.name}")
    return data


def check_hash(found: str, expected: str, what: str) -> None:
    """Compare hashes.

    Raises:
        DatasetError: they differ; the message holds both.
    """
    if expected and found != expected.lower():
        raise DatasetError(
            f"The SHA-256 of {what} does not match: expected {expected}, found {found}.",
            code="dataset_hash",
            hint="The files were changed or damaged after they were frozen. Fetch the dataset again.",
        )


def canonical_line(record: dict[str, Any]) -> bytes:
    """The bytes that are hashed for one preference or row."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def read_folder(folder: Path) -> PopData:
    """Read a canonical folder; its own manifest must agree with its files.

    Raises:
        DatasetError: a file is missing or broken, columns are wrong, or the hash is not the manifest's.
    """
    manifest = _manifest(folder / "manifest.json")
    digest = hashlib.sha256()
    preferences: list[Preference] = []
    places: dict[str, int] = {}
    for record in _parquet(folder / "preferences.parquet", PREFERENCE_KEYS):
        digest.update(canonical_line(record))
        places[record["id"]] = len(preferences)
        preferences.append(Preference(**record))
    pairs = list(_parquet(folder / "rows.parquet", ROW_KEYS))
    for record in pairs:
        digest.update(canonical_line(record))
    # Before the rows are looked at: a damaged id is first of all damage.
    check_hash(digest.hexdigest(), str(manifest.get("sha256", "")), f"{folder.name} (by its manifest)")
    rows = [_row(record, places) for record in pairs if record["provenance"] != TIE]
    return PopData(preferences, rows, digest.hexdigest(), manifest, len(pairs) - len(rows))


def _row(record: dict[str, Any], places: dict[str, int]) -> Row:
    for side in ("strong_id", "weak_id"):
        if record[side] not in places:
            raise DatasetError(f"A row names the {side[:-3]} preference {record[side]}, which is not there.")
    return Row(
        places[record["strong_id"]],
        places[record["weak_id"]],
        record["split"],
        float(record["confidence"]),
        record["provenance"] == INFERRED,
    )


def _manifest(file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{file.parent} has no manifest.json.", code="dataset_missing") from None
    except ValueError as error:
        raise DatasetError(f"{file} is not JSON (half-written?): {error}") from error
    if not isinstance(manifest, dict):
        raise DatasetError(f"{file} must hold a JSON object.")
    return manifest


def _parquet(file: Path, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Records of a Parquet file with exactly the columns `keys`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            missing = set(keys) - set(table.schema_arrow.names)
            if missing:
                raise DatasetError(f"{file.name} lacks the columns {', '.join(sorted(missing))}.")
            for batch in table.iter_batches(batch_size=4096, columns=list(keys)):
                yield from batch.to_pylist()
    except FileNotFoundError:
        raise DatasetError(f"{file.parent} has no {file.name}.", code="dataset_missing") from None
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{file} is not a readable Parquet file (half-written?): {error}") from error
