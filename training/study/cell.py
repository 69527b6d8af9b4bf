"""One cell of the study: label, freeze, train by the engine, let the model write, judge by the truth.

Everything is made once and kept in the study's folder, by the settings that it follows from.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from training.engine import events
from training.study import corpora, pool, worlds
from training.study.settings import (
    RESULT,
    Cell,
    Corpus,
    Data,
    Labels,
    base_name,
    key_of,
    known,
    place,
    rewards_name,
)


def base(root: Path, seed: int, data: Data | Corpus) -> Path:
    """The folder of the model that all methods start from, fine-tuned on what the data's writers wrote."""
    folder = root / "bases" / base_name(seed, data)
    once(folder, "run/model", lambda: _ground(data).make_base(folder, seed, data))
    return folder / "run" / "model"


def dataset(root: Path, seed: int, data: Data | Corpus, labels: Labels) -> Path:
    """The folder of the frozen dataset."""
    folder = root / "datasets" / key_of([seed, asdict(data), asdict(labels)])
    once(folder, pool.LABELS, lambda: pool.freeze(folder, seed, data, labels))
    return folder


def reward_model(root: Path, seed: int, data: Data | Corpus) -> Path:
    """The folder of a Bradley-Terry reward model, trained on the preferences alone."""
    folder = root / "rewards" / rewards_name(seed, data)

    def make() -> None:
        start, pairs = base(root, seed, data), dataset(root, seed, data, Labels())
        settings = {**_ground(data).reward_settings(data), "kind": "reward_model", "seed": seed}
        _ground(data).train(folder / "run", start, pairs, data, settings)

    once(folder, "run/model", make)
    return folder / "run" / "model"


def result(root: Path, cell: Cell, margin: float | None = None) -> dict[str, Any]:
    """Figures of a cell, from its file if it was made before.

    Args:
        margin: the constant margin of a method that takes another variant's mean (`Method.margin_of`).

    Returns:
        {"labels", "rows", "rows_right", "accuracy", "pearson", "spearman", "pop_accuracy", "reward", "kl",
        "length", "ended", "margin", "steps", "seconds", "rewards": [[…] a prompt]}.
    """
    folder = place(root, cell, margin)

    def make() -> None:
        found = {"cell": asdict(cell), "margin": margin} | _made(root, folder, cell, margin)
        part = folder / f"{RESULT}.part"
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(folder / RESULT)

    once(folder, RESULT, make)
    return known(root, cell, margin) or {}


def once(folder: Path, mark: str, make: Callable[[], object]) -> None:
    """Have something made in a folder unless `mark` is there: by one process, others wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / mark).exists():
            make()


def _ground(data: Data | Corpus) -> Any:
    """The module that trains and judges on this kind of data."""
    return corpora if isinstance(data, Corpus) else worlds


def _made(root: Path, folder: Path, cell: Cell, margin: float | None) -> dict[str, Any]:
    began = time.monotonic()
    ground, start = _ground(cell.data), base(root, cell.seed, cell.data)
    data = dataset(root, cell.seed, cell.data, cell.labels)
    about: dict[str, Any] = json.loads((data / pool.LABELS).read_text(encoding="utf-8"))
    settings = _settings(cell, about["rows"] / about["pairs"])
    if cell.method.reward_model:
        settings["reward_model"] = str(reward_model(root, cell.seed, cell.data))
    if margin is not None:
        settings["margin"] = margin
    evaluations = ground.train(folder / "run", start, data, cell.data, settings | ground.generation(cell))
    seconds = time.monotonic() - began
    told = about | _discrimination(evaluations) | training(folder / "run") | {"seconds": seconds}
    worth: dict[str, Any] = ground.told(folder / "run", start, cell)
    return told | worth


def _settings(cell: Cell, rows_each: float) -> dict[str, Any]:
    """Those of the run, by the names they have alone."""
    method = cell.method
    return {
        "method": method.slug,
        "beta": method.beta,
        "epochs": method.epochs * (rows_each if method.as_many_steps else 1.0),
        "learning_rate": method.learning_rate,
        "rows_per_step": method.rows_per_step,
        "seed": cell.seed,
        **method.params,
    }


def _discrimination(found: dict[str, Any]) -> dict[str, Any]:
    correlation = found.get("margin_correlation", {})
    return {
        "accuracy": found["pair_accuracy"]["accuracy"],
        "pearson": correlation.get("pearson"),
        "spearman": correlation.get("spearman"),
        "pop_accuracy": found["pop_accuracy"].get("accuracy"),
    }


def training(folder: Path) -> dict[str, Any]:
    """Steps, and the mean margin that was subtracted, where it comes from weak preferences."""
    told = [one for _, _, one in events.read(folder / "events.jsonl")]
    margins = [one.data["pop/margin"] for one in told if "pop/margin" in one.data]
    return {
        "steps": max(one.step or 0 for one in told),
        "margin": float(np.mean(margins)) if margins else None,
    }
