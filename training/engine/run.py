"""A run on its way: what is known of it, shared by the steps that prepare, train, evaluate and save it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.engine import base, checkpoints, reference, sharding
from training.engine.batching import Room
from training.engine.contexts import Contexts
from training.engine.encoding import Encoded, Encoder, encode
from training.engine.events import EventWriter
from training.engine.launched import first
from training.engine.layouts import Layout, padded
from training.engine.logps import Scorer
from training.engine.meter import Meter
from training.engine.progress import Progress
from training.engine.records import PopData
from training.engine.spec import RunSpec
from training.engine.stopping import Stop


@dataclass
class Run:
    """One run on its way. `encoded`, `reference` and each of `columns` are aligned with `data.preferences`.

    `columns`: what the method reads beside log-probabilities, by its name in `PairBatch`, float [P].
    `contexts`: where policy and reference are compared over the whole vocabulary.
    `encoder`: how a preference becomes token ids; another one for benchmarks that have their own way.
    `seed`: of the intervals, if not that of training.
    `trains`: whether its model is trained here, or was before.
    `reference_name`: what results call the reference, if not by where it is read from.
    """

    folder: Path
    spec: RunSpec
    data: PopData
    events: EventWriter
    stop: Stop
    base: base.Base = field(init=False)
    encoded: list[Encoded | None] = field(init=False)
    layout: Layout = padded
    reference: Tensor = field(init=False)
    contexts: Contexts | None = None
    columns: dict[str, Tensor] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    encoder: Encoder = encode
    seed: int | None = None
    trains: bool = True
    reference_name: str = ""

    def __post_init__(self) -> None:
        self.stop.has_checkpoint = lambda: bool(checkpoints.complete(self.checkpoints))

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def bf16(self) -> bool:
        return self.spec.training.precision == "bf16"

    @property
    def room(self) -> Room:
        """What fits into a forward pass of scoring."""
        return Room(self.spec.evaluation.batch_size, self.spec.training.max_tokens)

    @property
    def pad_id(self) -> int:
        return int(self.base.tokenizer.pad_token_id)


def score(
    run: Run,
    model: Any,
    wanted: list[int],
    progress: Progress,
    each: Callable[[list[int], Tensor], None] = lambda _places, _found: None,
) -> Tensor:
    """Log-probabilities of the wanted preferences under `model`'s present weights: [P, 2], with progress."""

    def done(count: int) -> None:
        check_stop(run)
        progress.at(count)

    found = reference.score(
        Scorer(model, bf16=run.bf16, layout=run.layout, seen=run.meter.passed),
        run.encoded,
        wanted,
        pad_id=run.pad_id,
        room=run.room,
        done=done,
        each=each,
    )
    run.meter.done()
    return found


def check_stop(run: Run) -> None:
    """Leave the present stage if somebody asked one of those that meet at every pass.

    Raises:
        Cancelled: they did.
    """
    run.stop.requested = sharding.anyone(run.stop.requested)
    run.stop.check()


def device() -> str:
    """Where models are trained: the GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def keep_record(run: Run) -> None:
    """Write run.json: what the run is and what it ran on."""
    document = run.record | {"dataset_sha256": run.data.sha256, "spec": run.spec.model_dump(mode="json")}
    write_json(run.folder / "run.json", document)


def write_json(file: Path, document: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Write a document, whole or not at all; of several processes the first one does."""
    if not first():
        return
    part = file.with_suffix(".part")
    part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)
