"""Says in words why an engine ended, and what to do about it."""

from __future__ import annotations

import signal
from typing import NamedTuple

_LOWER_MEMORY = (
    "Lower training.micro_batch or training.max_length, turn on training.gradient_checkpointing, "
    "set training.precision to bf16, or train with LoRA (model.lora)."
)
_HINTS: tuple[tuple[str, str], ...] = (
    ("out of memory", _LOWER_MEMORY),
    ("outofmemory", _LOWER_MEMORY),
    ("memoryerror", _LOWER_MEMORY),
    ("no space left on device", "Free disk space on the worker, then resume the run."),
    (
        "no module named",
        "The engine's Python lacks a package: install the project there (POP_ENGINE_PYTHON).",
    ),
    ("cuda error", "The GPU driver reported an error: look at the log, then resume the run."),
)
_TAIL_LINES = 15


class Diagnosis(NamedTuple):
    error: str
    hint: str


def of_exit(code: int, log_tail: str) -> Diagnosis:
    """Of an engine that ended without a `failed` event, from its exit code and the end of its log."""
    if code in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        return Diagnosis(
            "The engine was killed (signal 9), probably because the machine ran out of memory.", _LOWER_MEMORY
        )
    tail = "\n".join(log_tail.splitlines()[-_TAIL_LINES:]).strip()
    if code < 0:
        opening = f"The engine was ended by {_signal_name(-code)}."
    else:
        opening = f"The engine ended with exit code {code}."
    said = f" The end of its log:\n{tail}" if tail else " It left no log."
    return Diagnosis(opening + said, hint_for(tail))


def hint_for(words: str) -> str:
    """What usually helps against an error with these words in it; empty when nothing is known."""
    lowered = words.lower()
    return next((hint for sign, hint in _HINTS if sign in lowered), "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
