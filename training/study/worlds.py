"""Cells on a synthetic world: tiny models trained in this process, judged by the truth."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from training.engine import PopTrainer
from training.study import language, writing
from training.study.settings import Cell, Data
from training.study.world import World, written

SAVE_STEPS = 1_000_000  # a cell is short: one that was broken off is trained again
SFT_ROWS = 64


def make_base(folder: Path, seed: int, data: Data) -> None:
    """Fine-tune a blank model on texts of the world's writers: folder/run/model."""
    world = World(seed)
    language.write_blank(folder / "blank", world, data)
    texts = [
        {"prompt": prompt.text, "chosen": one, "rejected": other}
        for prompt, one, other in written(world, data.sft_samples, 20)
    ]
    settings: dict[str, Any] = {"epochs": data.sft_epochs, "learning_rate": data.sft_learning_rate}
    settings |= {"kind": "sft", "rows_per_step": SFT_ROWS, "seed": seed}
    train(folder / "run", folder / "blank", texts, data, settings)


def reward_settings(_: Data) -> dict[str, Any]:
    """How the reward model is trained, which some methods read."""
    return {"learning_rate": 1e-3, "rows_per_step": 32}


def generation(_: Cell) -> dict[str, Any]:
    """Settings of a run whose model writes responses: `told` has it write them."""
    return {}


def train(folder: Path, start: Path, dataset: Any, _: Data, settings: dict[str, Any]) -> dict[str, Any]:
    """Train from the beginning; the evaluations' results."""
    shutil.rmtree(folder, ignore_errors=True)
    trainer = PopTrainer(
        str(start),
        str(dataset) if isinstance(dataset, Path) else dataset,
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


def told(folder: Path, start: Path, cell: Cell) -> dict[str, Any]:
    """What the trained model writes is worth: see `writing.judged`."""
    return writing.judged(World(cell.seed), writing.responses(folder / "model", start, cell))
