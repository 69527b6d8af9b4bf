"""The cache of reference log-probabilities on disk, shared by runs, sweeps and resumes on a machine.

A folder a model and precision; in it files that are written once, whole, and never changed, so that any
number of runs read and write at the same time. A file that cannot be read is as good as none: its values are
computed again. Nothing that depends on the learning rate, the method or the run is in a key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.engine import kept

FORMAT = 1  # of keys and files
DIGEST = 32  # bytes


def folder() -> Path:
    """In POP_CACHE_DIR, or in the user's cache directory."""
    return kept.root() / "reference"


class ReferenceCache:
    """Log-probabilities of sequences under one model.

    `problem`: why something could not be stored (a full disk, no permission); the run goes on without.
    """

    def __init__(self, weights: str, precision: str, root: Path | None = None) -> None:
        space = hashlib.sha256(json.dumps([FORMAT, weights, precision]).encode()).hexdigest()
        self.folder = (root or folder()) / space
        self.problem = ""

    def get(self, wanted: Iterable[bytes]) -> dict[bytes, float]:
        """Those of the wanted keys that are known, nats."""
        wanted = set(wanted)
        found: dict[bytes, float] = {}
        for file in _files(self.folder):
            keys, values = _read(file)
            found |= {key: value for key, value in zip(keys, values, strict=True) if key in wanted}
        with contextlib.suppress(OSError):  # when it was used last, for `prune`
            os.utime(self.folder)
        return found

    def put(self, values: Mapping[bytes, float]) -> None:
        """Store values, all of them or none."""
        if not values:
            return
        keys = np.frombuffer(b"".join(values), np.uint8).reshape(-1, DIGEST)
        tensors = {"keys": torch.from_numpy(keys.copy()), "values": torch.tensor(list(values.values()))}
        self.problem = store(self.folder, tensors) or self.problem


def store(place: Path, tensors: Mapping[str, Tensor], name: str = "") -> str:
    """Write a file of a cache, whole or not at all; why it could not be, or nothing.

    Args:
        name: its name without an ending; a new one if nothing is said.
    """
    part = place / f"{uuid.uuid4().hex}.part"
    try:
        place.mkdir(parents=True, exist_ok=True)
        save_file(dict(tensors), part)
        part.replace(place / f"{name or part.stem}.safetensors")
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        return str(error)
    return ""


@dataclass(frozen=True)
class Space:
    """What is kept for one model: folder, sequences or answers, bytes, when it was used last (seconds)."""

    folder: Path
    sequences: int
    bytes: int
    used: float


def roots() -> tuple[Path, ...]:
    """What is kept for later: log-probabilities and rewards, distributions, responses, judges' answers."""
    return tuple(kept.root() / name for name in ("reference", "contexts", "generations", "verdicts"))


def spaces(root: Path | None = None) -> list[Space]:
    """What the cache holds, last used first."""
    places = roots() if root is None else (root,)
    found = [_space(one) for place in places for one in place.glob("*") if one.is_dir()]
    return sorted(found, key=lambda one: -one.used)


def prune(days: float, root: Path | None = None) -> list[Space]:
    """Remove what no run has used for so many days; gives back what went."""
    before = time.time() - days * 86_400
    gone = [one for one in spaces(root) if one.used < before]
    for one in gone:
        shutil.rmtree(one.folder, ignore_errors=True)
    return gone


def _space(of: Path) -> Space:
    files = [*_files(of), *sorted(of.glob("*.jsonl"))]
    sequences = sum(map(_count, files))
    return Space(of, sequences, sum(one.stat().st_size for one in files), of.stat().st_mtime)


def _files(of: Path) -> Iterator[Path]:
    yield from sorted(of.glob("*.safetensors"))


def _count(file: Path) -> int:
    if file.suffix == ".jsonl":
        return file.read_bytes().count(b"\n")
    try:
        with safe_open(file, "pt") as stored:
            found: int = stored.get_slice("keys").get_shape()[0]
    except (SafetensorError, OSError):
        return 0
    return found


def _read(file: Path) -> tuple[list[bytes], list[float]]:
    try:
        stored = load_file(file)
        flat = stored["keys"].numpy().tobytes()
        keys = [flat[start : start + DIGEST] for start in range(0, len(flat), DIGEST)]
        values: list[float] = stored["values"].tolist()
    except (SafetensorError, OSError, KeyError):
        return [], []
    return (keys, values) if len(keys) == len(values) else ([], [])
