"""Responses that models wrote, kept on disk: a resume, a later evaluation or another run writes none again.

As the cache of reference log-probabilities: a folder a model and way of sampling, in it files that are
written once, whole, and never changed. A file that cannot be read is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from training.engine import reference_cache
from training.engine.reference_cache import DIGEST

FORMAT = 1  # of keys and files


@dataclass(frozen=True)
class Response:
    """What a model wrote: token ids, with its end if it `ended` by itself and was not cut."""

    tokens: tuple[int, ...]
    ended: bool


def folder() -> Path:
    """Beside the reference log-probabilities."""
    return reference_cache.folder().with_name("generations")


def key(prompt: Sequence[int], sample: int) -> bytes:
    """Of a response: its prompt's ids and which one of that prompt it is."""
    return hashlib.sha256(json.dumps([[int(one) for one in prompt], sample]).encode()).digest()


class GenerationCache:
    """Responses under one model and way of sampling, in one or more places: each has all of them.

    `problem`: why something could not be stored; the run goes on without.
    """

    def __init__(self, space: Mapping[str, object], roots: Sequence[Path] = ()) -> None:
        """`space`: everything that decides what is written, beside prompt and sample number."""
        name = hashlib.sha256(json.dumps([FORMAT, space], sort_keys=True).encode()).hexdigest()
        self.folders = [root / name for root in (roots or (folder(),))]
        self.problem = ""

    def get(self, wanted: Iterable[bytes]) -> dict[bytes, Response]:
        """Those of the wanted keys that are known."""
        wanted = set(wanted)
        found: dict[bytes, Response] = {}
        for one in self.folders:
            for file in sorted(one.glob("*.safetensors")):
                found |= {name: response for name, response in _read(file).items() if name in wanted}
            with contextlib.suppress(OSError):  # when it was used last, for `prune`
                os.utime(one)
        return found

    def put(self, responses: Mapping[bytes, Response]) -> None:
        """Store responses, all of them or none, in each place."""
        if not responses:
            return
        tensors = {
            "keys": torch.frombuffer(bytearray(b"".join(responses)), dtype=torch.uint8).reshape(-1, DIGEST),
            "tokens": torch.tensor([token for one in responses.values() for token in one.tokens]).int(),
            "lengths": torch.tensor([len(one.tokens) for one in responses.values()]),
            "ended": torch.tensor([one.ended for one in responses.values()]),
        }
        for place in self.folders:
            self.problem = reference_cache.store(place, tensors) or self.problem


def _read(file: Path) -> dict[bytes, Response]:
    try:
        stored = load_file(file)
        names = [bytes(row) for row in stored["keys"].tolist()]
        pieces = torch.split(stored["tokens"], stored["lengths"].tolist())
        ended: list[bool] = stored["ended"].tolist()
    except (SafetensorError, OSError, KeyError, RuntimeError):
        return {}
    return {
        name: Response(tuple(piece.tolist()), bool(end))
        for name, piece, end in zip(names, pieces, ended, strict=True)
    }
