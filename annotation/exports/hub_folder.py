"""A frozen dataset as a data set of the Hub: Parquet for `datasets.load_dataset`, the manifest, a card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from annotation.exports import arrow, pop_parquet
from annotation.exports.canonical import MANIFEST, PREFERENCE_SCHEMA, PREFERENCES, batches
from annotation.exports.source import Source, rows_with_texts, table

GROUP = 500  # rows
CARD = """---
configs:
{configs}
---

# {title}

Preference-over-preference labels, frozen by PoP Studio. Each row of `rows` says which of two preferences
is the stronger one; `preferences` has every preference of the pool once, whether it is in a row or not.

| | training | held out |
|---|---|---|
| rows | {rows_train} | {rows_heldout} |
| preferences | {preferences_train} | {preferences_heldout} |

- SHA-256 of the canonical form: `{sha256}`
- Strategy `{strategy}`, options `{options}`
- The whole record of how it was made is in `manifest.json`.

No licence is given here: whoever publishes this data set chooses one.

```python
from datasets import load_dataset

rows = load_dataset("{repo_id}", "rows")
preferences = load_dataset("{repo_id}", "preferences")
```
"""


def write(source: Source, folder: Path, *, repo_id: str) -> None:
    """Write the files of the repository into `folder`, streaming."""
    with source.open(MANIFEST) as file:
        manifest: dict[str, Any] = json.load(file)
    _split(folder / "rows", pop_parquet.SCHEMA, rows_with_texts(source))
    _split(folder / "preferences", PREFERENCE_SCHEMA, table(source, PREFERENCES))
    text = json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(folder, manifest, repo_id), encoding="utf-8")


def _split(folder: Path, schema: Any, items: Iterable[Mapping[str, Any]]) -> None:
    """One file a split, so that training and held-out rows cannot be mixed up by whoever loads them."""
    folder.mkdir()
    writers: dict[str, pq.ParquetWriter] = {}
    with ExitStack() as opened:
        for batch in batches(items, size=GROUP):
            for split in sorted({item["split"] for item in batch}):
                if split not in writers:
                    target = pq.ParquetWriter(folder / f"{split}.parquet", schema, compression="zstd")
                    writers[split] = opened.enter_context(target)
                part = [item for item in batch if item["split"] == split]
                writers[split].write_table(arrow.table(part, schema))


def _card(folder: Path, manifest: Mapping[str, Any], repo_id: str) -> str:
    counts = manifest["counts"]
    name = str(manifest["dataset"]["name"] or f"Dataset {manifest['dataset']['number']}")
    return CARD.format(
        configs="\n".join(_configs(folder)),
        title=" ".join(f"{manifest['project']['name']}: {name}".split()),
        rows_train=counts["rows"] - counts["heldout_rows"],
        rows_heldout=counts["heldout_rows"],
        preferences_train=counts["preferences"] - counts["heldout_preferences"],
        preferences_heldout=counts["heldout_preferences"],
        sha256=manifest["sha256"],
        strategy=manifest["strategy"],
        options=json.dumps(manifest["options"], sort_keys=True),
        repo_id=repo_id,
    )


def _configs(folder: Path) -> Iterator[str]:
    for name in ("rows", "preferences"):
        yield f"- config_name: {name}"
        if name == "rows":
            yield "  default: true"
        yield "  data_files:"
        for file in sorted((folder / name).glob("*.parquet"), reverse=True):  # train before heldout
            yield f"  - split: {file.stem}"
            yield f"    path: {name}/{file.name}"
