"""Cells on a corpus: models of any size, trained on all GPUs there are, judged by a reward model."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.engine import PopTrainer, judging
from training.engine.evaluations import duels
from training.study import pool
from training.study.settings import Cell, Corpus, Labels

ROWS = 64  # a step of the base and of the reward model
SAVE_STEPS = 300  # a checkpoint of 3 billion weights, with moments and target, is 50 GB
LOG = "engine.log"
TAIL = 2000


class TrainingFailed(Exception):
    """A run that ended badly, and the end of what it said."""


def make_base(folder: Path, seed: int, data: Corpus) -> None:
    """Fine-tune the base on the chosen responses, for one epoch: folder/run/model.

    Raises:
        ModelError: the judge is not to be had; that is known before anything is trained.
        TrainingFailed: see `train`.
    """
    judging.check(data.judge, folder)
    texts = folder / "dataset"
    if not (texts / pool.LABELS).is_file():
        pool.freeze(texts, seed, data, Labels())
    settings = {"kind": "sft", "learning_rate": data.sft_learning_rate, "rows_per_step": ROWS}
    train(folder / "run", data.base, texts, data, settings)


def reward_settings(data: Corpus) -> dict[str, Any]:
    """How the reward model is trained, which some methods read."""
    return {"learning_rate": data.reward_learning_rate, "rows_per_step": ROWS}


def train(
    folder: Path,
    start: Path | str,
    dataset: Path,
    data: Corpus,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Train, from the last checkpoint if there is one; the evaluations' results.

    The engine runs in processes of its own, one a GPU, so that its memory is free for the judge afterwards.

    Raises:
        TrainingFailed: the engine ended with another status than 0.
    """
    trainer = PopTrainer(
        str(start),
        str(dataset),
        output_dir=folder,
        progress=False,
        micro_batch=data.micro_batch,
        max_length=data.max_length,
        precision=data.precision,
        gradient_checkpointing="auto",
        save_steps=SAVE_STEPS,
        **settings,
    )
    with (folder / LOG).open("ab") as log:
        command = [*_launcher(), "train", str(trainer.output_dir)]
        code = subprocess.run(command, check=False, stdout=log, stderr=log).returncode  # noqa: S603 - ours
    if code:
        said = (folder / LOG).read_text(encoding="utf-8", errors="replace")[-TAIL:]
        raise TrainingFailed(f"The engine ended with status {code}; {folder / LOG} ends:\n{said}")
    found: dict[str, Any] = trainer.train()  # it is finished: this reads what came of it
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return found


def generation(cell: Cell) -> dict[str, Any]:
    """Settings of a run whose model writes responses at its end."""
    place = "evaluation.generation"
    asked = asdict(cell.sampling) | {"seed": cell.seed}
    return {f"{place}.{name}": value for name, value in asked.items()}


def _launcher() -> list[str]:
    """The engine's command: by accelerate where there are several GPUs (CUDA_VISIBLE_DEVICES says which)."""
    engine = ["-m", "training.engine"]
    gpus = torch.cuda.device_count()
    if gpus < 2:
        return [sys.executable, *engine]
    config = resources.files("training.engine") / "launch" / "ddp.yaml"
    launch = ["accelerate.commands.launch", "--config_file", str(config), "--num_processes", str(gpus)]
    return [sys.executable, "-m", *launch, *engine]


def told(folder: Path, _: Path, cell: Cell) -> dict[str, Any]:
    """Rewards of the responses by the judge, [[a reward a sample] a prompt], and what they are like.

    `kl`: as `writing.judged` has it. A response that the judge cannot read has the reward NaN.
    """
    assert isinstance(cell.data, Corpus)  # noqa: S101 - narrows the type for mypy
    lines = [json.loads(one) for one in (folder / "generations.jsonl").open(encoding="utf-8")]
    rewards = _judged(cell.data.judge, folder, lines)
    return {
        "rewards": _by_prompt(lines, rewards),
        "reward": float(np.nanmean(rewards)),
        "kl": float(np.mean([one["logp"] - one["reference_logp"] for one in lines])),
        "length": float(np.mean([len(one["tokens"]) for one in lines])),
        "ended": float(np.mean([one["ended"] == "eos" for one in lines])),
    }


def _judged(judge: str, folder: Path, lines: Sequence[dict[str, Any]]) -> list[float]:
    """The device is left free for the next run."""
    opened = judging.open_judge(judge, folder)
    found = opened(list(map(duels.conversation(opened), lines)))
    del opened
    gc.collect()
    torch.cuda.empty_cache()
    return found


def _by_prompt(lines: Sequence[dict[str, Any]], rewards: Sequence[float]) -> list[list[float]]:
    found: dict[str, list[float]] = {}
    for line, reward in zip(lines, rewards, strict=True):
        found.setdefault(line["prompt_id"], []).append(reward)
    return list(found.values())
