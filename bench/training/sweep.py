"""A sweep as a person runs it: whole runs of the engine over one dataset, one learning rate after another."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.training import world
from bench.training.world import Size
from training.engine import PopTrainer, events

RATES = (1e-3, 5e-4)
BATCH = 8  # preferences a forward pass
STEP = 32  # rows


def lines(size: Size, k: int) -> list[dict[str, Any]]:
    """A line for each run of a sweep that begins with an empty cache: what its references cost."""
    before = os.environ.get("POP_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["POP_CACHE_DIR"] = str(Path(folder) / "cache")
        try:
            return [_line(size, k, number, rate, Path(folder)) for number, rate in enumerate(RATES, 1)]
        finally:
            os.environ.pop("POP_CACHE_DIR")
            if before is not None:
                os.environ["POP_CACHE_DIR"] = before


def _line(size: Size, k: int, number: int, rate: float, folder: Path) -> dict[str, Any]:
    preferences = world.texts(size)
    rows = [
        {"strong": preferences[row["strong"]], "weak": preferences[row["weak"]]}
        for row in world.rows(size, k)
    ]
    began = time.perf_counter()
    PopTrainer(
        world.model(size),
        rows,
        tokenizer=world.tokenizer(size.vocabulary),
        output_dir=folder / str(number),
        progress=False,
        learning_rate=rate,
        rows_per_step=STEP,
        micro_batch=BATCH,
        evaluations=[],
    ).train()
    seconds = time.perf_counter() - began
    told = [event for _, _, event in events.read(folder / str(number) / "events.jsonl")]
    stages = {event.data["name"]: event for event in told if event.kind == "stage"}
    scored = stages["reference"].data
    return {
        "case": f"sweep_{number}",
        "learning_rate": rate,
        "vocabulary": size.vocabulary,
        "k": k,
        "reference_forwards": scored["total"],
        "reference_cached": scored["cached"],
        "reference_s": round(_between(stages["reference"].at, stages["train"].at), 3),
        "run_s": round(seconds, 3),
    }


def _between(one: datetime, other: datetime) -> float:
    return (other - one).total_seconds()
