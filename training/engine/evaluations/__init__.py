"""Evaluations of a trained policy on held-out data: numbers in, plain JSON out. One file each; no torch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from training.engine import catalog
from training.engine.evaluations.heldout import HeldOut

__all__ = ["HeldOut", "run_all"]


def run_all(names: Iterable[str], heldout: HeldOut) -> Iterator[tuple[str, dict[str, Any], float]]:
    """(name, result, seconds) of each evaluation; one that does not apply gives {"skipped": why}."""
    for name in names:
        began = time.monotonic()
        result = catalog.load(catalog.evaluation(name).function)(heldout)
        yield name, result, time.monotonic() - began
