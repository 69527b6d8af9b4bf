"""Lines of `events.jsonl`: how a run tells the world where it stands. Append-only, one JSON object a line.

kind        data
started     versions, hardware, run_kind, method (or null), dataset_sha256, resumed_from (step or null)
stage       name: rewards | sft | reference | train | evaluate | generate | judge | rewardbench |
            alpaca_eval | save;
            total (units of work, or null)
progress    stage, done, total, rate (per second), eta_seconds
metrics     loss, learning_rate, grad_norm, rewards/margins, rewards/accuracies, … (train; `step` set; all of
            them in docs/engine.md);
            before it, without a step, sft/loss, or strengths/labelled, connected, largest, mean_deviation
            reward/margins, reward/accuracies, heldout/loss, heldout/accuracy (reward models)
warning     code, message
checkpoint  nothing (`step` set)
evaluation  name, result, seed, dataset_sha256, duration_seconds
failed      code, message, hint
cancelled   checkpoint (bool)
finished    model (null where nothing was trained), seconds
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, Field

Kind = Literal[
    "started",
    "stage",
    "progress",
    "metrics",
    "warning",
    "checkpoint",
    "evaluation",
    "failed",
    "cancelled",
    "finished",
]


class Event(BaseModel):
    """One line. `step` is the optimizer step, where there is one."""

    kind: Kind
    at: datetime
    step: int | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class EventWriter:
    """Appends whole lines; a line a crash left half-written is closed first, so that readers skip only it.

    `hear` is given each event once it is written: a terminal or a notebook shows it.
    """

    def __init__(self, file: Path, hear: Callable[[Event], None] = lambda _: None) -> None:
        self._hear = hear
        self._out: BinaryIO = file.open("ab")
        if self._out.tell() and not _ends_with_newline(file):
            self._out.write(b"\n")

    def write(self, kind: Kind, step: int | None = None, **data: Any) -> None:
        event = Event(kind=kind, at=datetime.now(UTC), step=step, data=_finite(data))
        self._out.write(event.model_dump_json().encode() + b"\n")
        self._out.flush()
        self._hear(event)

    def close(self) -> None:
        self._out.flush()
        os.fsync(self._out.fileno())
        self._out.close()


class OneStage(EventWriter):
    """Another writer's lines where several stages are the steps of one."""

    def __init__(self, events: EventWriter, stage: str) -> None:
        self._events, self._stage = events, stage

    def write(self, kind: Kind, step: int | None = None, **data: Any) -> None:
        name = {"stage": "name", "progress": "stage"}.get(kind)
        self._events.write(kind, step, **(data | ({} if name is None else {name: self._stage})))

    def close(self) -> None:
        """Whose lines they are closes them."""


class Unheard(EventWriter):
    """For the processes that only help: the first one tells."""

    def __init__(self) -> None:
        """No file."""

    def write(self, kind: Kind, step: int | None = None, **data: Any) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def read(file: Path, offset: int = 0) -> Iterator[tuple[int, int, Event]]:
    """Whole events from a byte offset: (offset, offset after it, event). Broken lines are skipped."""
    if not file.exists():
        return
    with file.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            if not line.endswith(b"\n"):
                return
            start, offset = offset, offset + len(line)
            try:
                event = Event.model_validate_json(line)
            except ValueError:
                continue
            yield start, offset, event


def _ends_with_newline(file: Path) -> bool:
    with file.open("rb") as lines:
        lines.seek(-1, os.SEEK_END)
        return lines.read(1) == b"\n"


def _finite(value: Any) -> Any:
    """JSON has no NaN: floats that are not finite become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
