"""Gradient checkpointing where it pays: a third more work, only where the run would not fit without."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from training.engine import estimate, measured, processes
from training.engine.run import Run, keep_record
from training.engine.shapes import Shape
from training.engine.spec import RunSpec

FILLED = 0.85  # of the memory: estimates are off by some ten percent, and memory has gaps
NAME = "gradient_checkpointing"
GB = 1e9


@dataclass(frozen=True)
class Decision:
    """What `auto` came to; `why` is a sentence."""

    on: bool
    why: str


def settle(run: Run) -> None:
    """Put on or off in the place of `auto`, in the spec and run.json. A resumed run has decided before."""
    if run.spec.training.gradient_checkpointing != "auto":
        return
    if NAME not in run.record:
        decision = processes.agreed(lambda: _decided(run))
        run.record[NAME] = asdict(decision)
        if decision.on:
            run.events.write("warning", code="gradient_checkpointing_on", message=said(decision))
    run.spec = switched(run.spec, on=run.record[NAME]["on"])
    keep_record(run)


def weigh(spec: RunSpec, shape: Shape, longest: int, memory: int | None = None) -> Decision:
    """Whether a run fits without.

    Args:
        longest: tokens of the longest sequence.
        memory: bytes that the run may take; None: what this machine's device has free.
    """
    room = free() if memory is None else memory
    full = estimate.largest_pass(spec, longest)
    without = estimate.memory(switched(spec, on=False), shape, pass_tokens=full).total
    why = f"without it the run takes about {without / GB:.1f} GB, and {room / GB:.1f} GB are free."
    return Decision(without > FILLED * room, why)


def free() -> int:
    """Bytes on the GPU, or in the machine, that nobody has, and those that this process has."""
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
    return int(psutil.virtual_memory().available + psutil.Process().memory_info().rss)


def switched(spec: RunSpec, *, on: bool) -> RunSpec:
    """The same spec with gradient checkpointing on or off."""
    training = spec.training.model_copy(update={NAME: "on" if on else "off"})
    return spec.model_copy(update={"training": training})


def said(decision: Decision) -> str:
    """A decision in words."""
    return f"gradient checkpointing is {'on' if decision.on else 'off'}: {decision.why}"


def before(folder: Path) -> dict[str, Any]:
    """What a run decided when it began, for run.json; of a run older than `auto`, what its spec said."""
    file = folder / "run.json"
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if NAME in document:
        return {NAME: document[NAME]}
    stored = document.get("spec", {}).get("training", {}).get(NAME)
    return {NAME: asdict(Decision(stored, "as the run began."))} if isinstance(stored, bool) else {}


def _decided(run: Run) -> Decision:
    try:
        shape = measured.of(run.base.model.config)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Decision(on=False, why="the size of such a model is not known.")
    sides = [side for one in run.encoded if one for side in (len(one.chosen), len(one.rejected))]
    kind = shape.classifier() if run.spec.kind == "reward_model" else shape
    return weigh(run.spec, kind, max(sides, default=run.spec.training.max_length))
