"""Small things to train on, and ways to run the engine. No arithmetic is taken from the engine."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.engine import events, records
from training.engine.spec import RunSpec
from training.engine.stopping import Stop

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
TINY = {"hidden_size": 32, "layers": 2, "heads": 2, "vocabulary": 300, "sft_steps": 2}

OPENED: list[events.EventWriter] = []  # closed after each test

GOOD = ("Yes, gladly.", "Sure: two cups.", "It is safe.", "Use a list.", "Paris.", "Seven.")
BAD = ("No", "dunno...", "Go away", "???", "Ask someone else, really.", "Why?")


def preference(number: int) -> dict[str, Any]:
    """A short preference with scores; every number gives another one."""
    return {
        "prompt": f"Question {number}: what now?",
        "chosen": f"{GOOD[number % len(GOOD)]} ({number})",
        "rejected": BAD[number // 2 % len(BAD)] * (1 + number % 3),
        "score_chosen": 6.0 + number % 5,
        "score_rejected": 5.0 - number % 3,
    }


def row(strong: int, weak: int, split: str = "train") -> dict[str, Any]:
    return {"strong": preference(strong), "weak": preference(weak), "split": split}


def rows(count: int, heldout: int = 4) -> list[dict[str, Any]]:
    """`count` training rows over about half as many preferences, and held-out rows over others."""
    train = [row(n % (count // 2 + 1), (n * 7 + 3) % (count // 2 + 1) + 1000) for n in range(count)]
    return train + [row(5000 + n, 5001 + n, "heldout") for n in range(heldout)]


def spec(**changes: Any) -> dict[str, Any]:
    """A run spec that takes a second; `changes` replace or extend its sections."""
    document: dict[str, Any] = {
        "dataset": {"path": "rows.jsonl"},
        "model": {"base": "tiny", "tiny": dict(TINY)},
        "method": {"slug": "dpo_pop", "params": {"beta": 0.5}},
        "training": {
            "epochs": 1,
            "learning_rate": 1e-3,
            "rows_per_step": 4,
            "micro_batch": 2,
            "max_length": 64,
            "save_steps": 3,
        },
    }
    for section, values in changes.items():
        if isinstance(values, dict):
            document[section] = document.get(section, {}) | values
        else:
            document[section] = values
    return document


def run_dir(folder: Path, lines: list[dict[str, Any]] | None = None, **changes: Any) -> Path:
    """A RUN_DIR with rows.jsonl and spec.json."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in (rows(8) if lines is None else lines))
    (folder / "rows.jsonl").write_text(text, encoding="utf-8")
    (folder / "spec.json").write_text(json.dumps(spec(**changes)), encoding="utf-8")
    return folder


def open_run(folder: Path, writer: type[events.EventWriter] = events.EventWriter) -> Any:
    """A `runner.Run` of a RUN_DIR, in this process."""
    from training.engine import run

    parsed = RunSpec.model_validate(json.loads((folder / "spec.json").read_text(encoding="utf-8")))
    data = records.load(folder / parsed.dataset.path, parsed.dataset.sha256)
    events_file = writer(folder / "events.jsonl")
    OPENED.append(events_file)
    return run.Run(folder, parsed, data, events_file, Stop())


def told(folder: Path, kind: str = "") -> list[events.Event]:
    """The events of a run, of one kind or all."""
    found = [event for _, _, event in events.read(folder / "events.jsonl")]
    return [event for event in found if not kind or event.kind == kind]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Poll a real condition until it holds; fail if the process ends or time runs out first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline, "the condition did not come true in time"


def reached(folder: Path, step: int) -> Callable[[], bool]:
    """Whether a run has logged a step."""
    return lambda: any(event.step is not None and event.step >= step for event in told(folder, "metrics"))


def noisy(model: Any, seed: int, size: float) -> Any:
    """A copy of a model with normal noise on every parameter."""
    import torch

    other = copy.deepcopy(model)
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for one in other.parameters():
            one.add_(size * torch.randn(one.shape, generator=draws, dtype=one.dtype))
    return other


# --- the canonical folder, written here without the application -------------------------------------------

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
PREFERENCES = pa.schema(
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
ROWS = pa.schema(
    [
        ("strong_id", pa.string()),
        ("weak_id", pa.string()),
        ("split", pa.string()),
        ("confidence", pa.float64()),
        ("provenance", pa.string()),
    ]
)


def canonical(folder: Path, *, scores: bool = True) -> str:
    """Write a small frozen dataset; returns its SHA-256, computed here."""
    folder.mkdir(parents=True, exist_ok=True)
    preferences = [_stored(n, "train" if n < 6 else "heldout", scores) for n in range(9)]
    links = [(0, 1, "train"), (2, 3, "train"), (4, 5, "train"), (0, 5, "train"), (6, 7, "heldout")]
    stored = [
        {
            "strong_id": f"{strong:04}",
            "weak_id": f"{weak:04}",
            "split": split,
            "confidence": 0.75,
            "provenance": "label",
        }
        for strong, weak, split in links
    ]
    pq.write_table(pa.Table.from_pylist(preferences, PREFERENCES), folder / "preferences.parquet")
    pq.write_table(pa.Table.from_pylist(stored, ROWS), folder / "rows.parquet")
    text = "".join(
        json.dumps(one, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
        for one in [*preferences, *stored]
    )
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "sha256": sha256}), encoding="utf-8")
    return sha256


def _stored(number: int, split: str, scores: bool) -> dict[str, Any]:
    one = preference(number)
    return {
        "id": f"{number:04}",
        "split": split,
        "prompt": [{"role": "user", "content": f"{one['prompt']} é"}],
        "chosen": [{"role": "assistant", "content": one["chosen"]}],
        "rejected": [{"role": "assistant", "content": one["rejected"]}],
        "score_chosen": one["score_chosen"] if scores else None,
        "score_rejected": one["score_rejected"] if scores else None,
    }
