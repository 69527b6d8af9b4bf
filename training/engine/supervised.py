"""`sft` runs: a base model is fine-tuned on the chosen responses, as preference methods expect it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from training.engine import base, loop, preparation, recomputing, responses, results
from training.engine.batching import Room, Row, groups
from training.engine.encoding import Encoded
from training.engine.errors import DatasetError
from training.engine.evaluations import HeldOut
from training.engine.layouts import TokenBatch, pad
from training.engine.logps import Scorer, check_head
from training.engine.run import Run


def train(run: Run) -> Path:
    """Fine-tune, evaluate the held-out loss, export; see `loop.train`."""
    return loop.train(run, lambda: ready(run), heldout)


def ready(run: Run) -> ChosenTrainer:
    """The trainer of a run that has begun."""
    preparation.open_base(run)
    rows = chosen_rows(run)
    if not run.base.warmed:
        base.keep(run.base, run.folder)
        preparation.place_new(run)
    preparation.record_parts(run)
    check_head(run.base.model)
    return build_trainer(run, rows)


def chosen_rows(run: Run) -> list[Row]:
    """Each different (prompt, chosen response) of the training preferences once, as {"place": position}.

    Raises:
        DatasetError: there is none, or no prompt leaves room for a response.
    """
    places: dict[str, int] = {}
    for place in run.data.preferences_of("train"):
        one = run.data.preferences[place]
        places.setdefault(json.dumps([one.prompt, one.chosen]), place)
    if not places:
        raise DatasetError("The dataset has no training preferences.", code="dataset_empty")
    return preparation.fitting(run, [{"place": place} for place in places.values()])


@dataclass
class ChosenCollator:
    """Turns rows {"place": i} into {"rows": themselves, "chosen": their chosen responses, padded}."""

    encoded: Sequence[Encoded | None]
    pad_id: int

    def __call__(self, rows: list[Row]) -> dict[str, Any]:
        found = self._of(rows)
        return {"rows": rows, "chosen": pad([(one.chosen, one.prompt_length) for one in found], self.pad_id)}

    def passes(self, rows: list[Row], room: Room) -> Iterator[list[Row]]:
        """Rows that go through the model together, those of like length: less padding."""

        def fits(group: list[Row]) -> bool:
            width = max(self.size(row) for row in group)
            return len(group) <= room.preferences and len(group) * width <= room.tokens

        return groups(sorted(rows, key=self.size), fits)

    def size(self, row: Row) -> int:
        """The tokens of a row."""
        return len(self._of([row])[0].chosen)

    def scored(self, rows: list[Row]) -> int:
        """The tokens of the responses of rows, by which their loss is divided."""
        return sum(len(one.chosen) - max(one.prompt_length, 1) for one in self._of(rows))

    def _of(self, rows: list[Row]) -> list[Encoded]:
        return [one for one in (self.encoded[row["place"]] for row in rows) if one is not None]


class ChosenTrainer(loop.LoopTrainer):
    """Minimises −Σ log π(y⁺|x) over the completion tokens of an optimizer step, divided by their number."""

    def __init__(self, *, bf16: bool, **options: Any) -> None:
        super().__init__(**options)
        self.scorer = Scorer(self.model, bf16=bf16, seen=self.meter.passed)

    def items_in(self, rows: list[Row]) -> int:
        scored: int = self.data_collator.scored(rows)
        return scored

    def sequences_in(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        chosen: TokenBatch = batch["chosen"]
        mask = chosen.attention_mask
        return chosen.input_ids, torch.ones_like(chosen.input_ids) if mask is None else mask

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        batch: TokenBatch = inputs["chosen"]
        loss: Tensor = -self.scorer(batch.to(self.args.device)).sum()
        self.tally.add({"lengths/chosen": batch.of.bincount(minlength=batch.sequences)})
        return loss

    def nothing(self, batch: dict[str, Any]) -> Tensor:
        with self.scorer.unseen():
            found: Tensor = self.scorer(batch["chosen"].to(self.args.device))
        return 0 * found.sum()


def build_trainer(run: Run, rows: list[Row]) -> ChosenTrainer:
    """The trainer of an sft run, at step 0."""
    recomputing.settle(run)
    return ChosenTrainer(
        bf16=run.bf16,
        training=run.spec.training,
        rows=Dataset.from_list(rows),
        shared=False,
        meter=run.meter,
        model=loop.adapted(run.base.model, run.spec.model.lora, "CAUSAL_LM", run.spec.training.seed),
        args=loop.arguments(run),
        data_collator=ChosenCollator(run.encoded, run.pad_id),
        processing_class=run.base.tokenizer,
    )


def heldout(run: Run, model: Any) -> HeldOut:
    """The held-out preferences under a fine-tuned model.

    Raises:
        NotFinite: it gives values that are not finite.
    """
    places = results.heldout_places(run)
    seen = results.heldout(run, places, np.zeros(0), results.scored(run, model, places))
    return replace(seen, **responses.seen(run, model))
