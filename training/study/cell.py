"""One cell of the study: label, freeze, train by the engine, let the model write, judge by the truth.

Everything is made once and kept in the study's folder, by the settings that it follows from.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from training.engine import PopTrainer, events
from training.study import language, pool, writing
from training.study.settings import (
    RESULT,
    Cell,
    Data,
    Labels,
    base_name,
    key_of,
    known,
    place,
    rewards_name,
)
from training.study.world import World, written

SAVE_STEPS = 1_000_000  # a cell is short: one that was broken off is trained again
SFT_ROWS = 64


def base(root: Path, seed: int, data: Data) -> Path:
    """The folder of the model that all methods of a world start from, fine-tuned on its writers' texts."""
    folder = root / "bases" / base_name(seed, data)

    def make() -> None:
        world = World(seed)
        language.write_blank(folder / "blank", world, data)
        texts = written(world, data.sft_samples, 20)
        _train(
            folder / "run",
            folder / "blank",
            [{"prompt": prompt.text, "chosen": one, "rejected": other} for prompt, one, other in texts],
            kind="sft",
            epochs=data.sft_epochs,
            learning_rate=data.sft_learning_rate,
            rows_per_step=SFT_ROWS,
            seed=seed,
        )

    once(folder, "run/model", make)
    return folder / "run" / "model"


def dataset(root: Path, seed: int, data: Data, labels: Labels) -> Path:
    """The folder of the frozen dataset."""
    folder = root / "datasets" / key_of([seed, asdict(data), asdict(labels)])
    once(folder, pool.LABELS, lambda: pool.freeze(folder, seed, data, labels))
    return folder


def reward_model(root: Path, seed: int, data: Data) -> Path:
    """The folder of a Bradley-Terry reward model, trained on the preferences alone."""
    folder = root / "rewards" / rewards_name(seed, data)

    def make() -> None:
        start, pairs = base(root, seed, data), dataset(root, seed, data, Labels())
        settings = {"learning_rate": 1e-3, "rows_per_step": 32, "seed": seed}
        _train(folder / "run", start, pairs, kind="reward_model", **settings)

    once(folder, "run/model", make)
    return folder / "run" / "model"


def result(root: Path, cell: Cell, margin: float | None = None) -> dict[str, Any]:
    """Figures of a cell, from its file if it was made before.

    Args:
        margin: the constant margin of a method that takes another variant's mean (`Method.margin_of`).

    Returns:
        {"labels", "rows", "rows_right", "accuracy", "pearson", "spearman", "pop_accuracy", "reward", "kl",
        "length", "ended", "weak_margin", "steps", "seconds", "rewards": [[…] a prompt]}.
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


def _made(root: Path, folder: Path, cell: Cell, margin: float | None) -> dict[str, Any]:
    began = time.monotonic()
    method, start = cell.method, base(root, cell.seed, cell.data)
    data = dataset(root, cell.seed, cell.data, cell.labels)
    about: dict[str, Any] = json.loads((data / pool.LABELS).read_text(encoding="utf-8"))
    named: dict[str, Any] = {}
    if method.reward_model:
        named["reward_model"] = str(reward_model(root, cell.seed, cell.data))
    if margin is not None:
        named["margin"] = margin
    evaluations = _train(
        folder / "run",
        start,
        data,
        method=method.slug,
        beta=method.beta,
        epochs=method.epochs * (about["rows"] / cell.data.pairs if method.as_many_steps else 1.0),
        learning_rate=method.learning_rate,
        rows_per_step=method.rows_per_step,
        seed=cell.seed,
        **method.params,
        **named,
    )
    seconds = time.monotonic() - began
    told = about | _discrimination(evaluations) | _training(folder / "run")
    texts = writing.responses(folder / "run" / "model", start, cell)
    return told | writing.judged(World(cell.seed), texts) | {"seconds": seconds}


def _train(folder: Path, start: Path, data: Any, **settings: Any) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    trainer = PopTrainer(
        str(start),
        str(data) if isinstance(data, Path) else data,
        output_dir=folder,
        progress=False,
        micro_batch=512,
        max_length=language.MAX_LENGTH,
        save_steps=SAVE_STEPS,
        logging_steps=10,
        **settings,
    )
    found: dict[str, Any] = trainer.train()
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return found


def _discrimination(found: dict[str, Any]) -> dict[str, Any]:
    correlation = found.get("margin_correlation", {})
    return {
        "accuracy": found["pair_accuracy"]["accuracy"],
        "pearson": correlation.get("pearson"),
        "spearman": correlation.get("spearman"),
        "pop_accuracy": found["pop_accuracy"].get("accuracy"),
    }


def _training(folder: Path) -> dict[str, Any]:
    """Steps, and the mean of the weak margin over training where the method has one."""
    told = [one for _, _, one in events.read(folder / "events.jsonl")]
    margins = [one.data["pop/weak_margin"] for one in told if "pop/weak_margin" in one.data]
    return {
        "steps": max(one.step or 0 for one in told),
        "weak_margin": float(np.mean(margins)) if margins else None,
    }
