"""`reward_model` runs: a classifier with one output learns which response people prefer, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import EarlyStoppingCallback

from training.engine import base, loop, preparation, processes, recomputing, results, reward_model, sharding
from training.engine.base import Base
from training.engine.batching import Room, Row, groups, unique
from training.engine.encoding import Encoded
from training.engine.errors import DatasetError
from training.engine.evaluations import HeldOut
from training.engine.evaluations.heldout import TOO_LONG
from training.engine.layouts import padded_tokens
from training.engine.methods.logistic import logistic
from training.engine.notices import tell_ties
from training.engine.progress import Progress
from training.engine.run import Run, check_stop, device

NO_HELDOUT = "{why} Training goes on to its end, and the last weights are kept, not the best."
NO_SPARE = (
    "The tokenizer pads with the token that ends responses, and has no other: rewards are read at the token "
    "before the end, by whoever uses this model, so what is cut looks like what has ended."
)


def train(run: Run) -> Path:
    """Train a reward model, evaluate it on held-out preferences, export it; see `loop.train`."""
    return loop.train(run, lambda: build_trainer(run, _opened(run)), heldout)


def _opened(run: Run) -> list[Row]:
    """The rows; the base gets a new head, and a new `tiny` is warmed up as a language model first."""
    tiny = run.spec.model.base == base.TINY
    rows: list[Row] = []
    if tiny and not (run.folder / "base").is_dir():
        preparation.open_base(run)
        rows = training_rows(run)
        preparation.warm_up(run)
        processes.wait()  # all read what the first one stores
    place = str(run.folder / "base") if tiny else base.place(run.spec, run.folder)
    sharding.one_after_another(lambda: _open(run, place), device())
    preparation.record_parts(run)
    if not reward_model.reads_end(run.base.tokenizer):
        run.events.write("warning", code="end_not_read", message=NO_SPARE)
    if rows:
        return rows
    preparation.encode(run)
    return training_rows(run)


def _open(run: Run, place: str) -> None:
    """Load the base with a new head. peft copies a head that it trains, so that one is never divided."""
    spec = run.spec
    model, tokenizer = reward_model.from_base(
        place, spec.model.revision, base.dtype(spec), spec.training.seed
    )
    run.base = Base(model, tokenizer, warmed=True)
    preparation.place(run, reward_model.head(model) if spec.model.lora is not None else ())


def training_rows(run: Run) -> list[Row]:
    """PoP rows for the objective `pop`, else every training preference: as the collator takes them.

    Raises:
        DatasetError: nothing is left, or the objective needs scores that are missing.
    """
    objective = run.spec.reward.objective
    tell_ties(run)
    if objective == "pop":
        rows = [{"strong": row.strong, "weak": row.weak} for row in run.data.rows_of("train")]
    else:
        rows = [{"strong": place} for place in run.data.preferences_of("train")]
    if not rows:
        what = "rows: label comparisons, or choose another objective" if objective == "pop" else "preferences"
        raise DatasetError(f"The dataset has no training {what}.", code="dataset_empty")
    kept = preparation.fitting(run, rows)
    lacking = sum(run.data.preferences[row["strong"]].score_margin is None for row in kept)
    if objective == "margin" and lacking:
        raise DatasetError(
            f"The objective needs scores, and {lacking} of {len(kept)} training preferences have none.",
            code="scores_missing",
            hint="Import score_chosen and score_rejected, or choose the objective bradley_terry.",
        )
    return kept


@dataclass
class RewardCollator:
    """Turns rows {"strong": i[, "weak": j]} into unique preferences and where each row finds its own.

    Batch, n unique preferences, B rows:
        rows: the rows themselves
        input_ids, attention_mask: all chosen first, then all rejected, int64 [2n, L]
        strong_of, weak_of: int64 [B], places among the unique ones
        margin: score margins of the strong ones, float [B] (objective `margin` only)
    """

    encoded: Sequence[Encoded | None]
    margins: Tensor | None  # [P]
    pad_id: int

    def __call__(self, rows: list[Row]) -> dict[str, Any]:
        strong = [row["strong"] for row in rows]
        weak = [row["weak"] for row in rows if "weak" in row]
        places, of = unique([*strong, *weak])
        batch: dict[str, Any] = {"rows": rows, **reward_model.sequences(self._of(places), self.pad_id)}
        batch |= {"strong_of": of[: len(strong)]} | ({"weak_of": of[len(strong) :]} if weak else {})
        return batch | ({} if self.margins is None else {"margin": self.margins[strong]})

    def passes(self, rows: list[Row], room: Room) -> Iterator[list[Row]]:
        """Rows that go through the model together, those of like length: less padding."""

        def fits(group: list[Row]) -> bool:
            places = {place for row in group for place in row.values()}
            return len(places) <= room.preferences and padded_tokens(self._of(places)) <= room.tokens

        return groups(sorted(rows, key=self.size), fits)

    def size(self, row: Row) -> int:
        """The tokens of a row's preferences, padded to the longest."""
        return padded_tokens(self._of(row.values()))

    def _of(self, places: Iterable[int]) -> list[Encoded]:
        return [one for one in (self.encoded[place] for place in places) if one is not None]


def losses(differences: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """The loss of each row: −log σ(Δr), −log σ(Δr − m), or −log σ(Δr_s − sg[Δr_w]).

    Args:
        differences: Δr = r(y⁺) − r(y⁻) of the batch's unique preferences, shape [n].
        batch: `strong_of` [B], and `margin` [B] or `weak_of` [B] where the objective has them.

    Returns:
        Nats, shape [B].

    Source: Bradley and Terry 1952; the margin: Touvron et al. 2023, arXiv 2307.09288, Eq. 2; PoP rows:
    arXiv 2509.22851, Eq. 5.
    """
    margin = differences.detach()[batch["weak_of"]] if "weak_of" in batch else batch.get("margin", 0.0)
    return logistic(differences[batch["strong_of"]], margin)


class RewardTrainer(loop.LoopTrainer):
    """Trains on `losses`; `evaluate` scores the held-out preferences."""

    def __init__(self, *, run: Run, **options: Any) -> None:
        super().__init__(**options)
        self.run = run

    def items_in(self, rows: list[Row]) -> int:
        return len(rows)

    def sequences_in(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return batch["input_ids"], batch["attention_mask"]

    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        batch = self._moved(inputs)
        mask = inputs["attention_mask"]
        self.meter.count(tokens=int(mask.sum()), places=mask.numel(), sequences=len(mask))
        chosen, rejected = reward_model.rewards(model, batch, bf16=self.run.bf16).chunk(2)
        found = losses(chosen - rejected, batch)
        margins = (chosen - rejected).detach()[batch["strong_of"]]
        self.tally.add({"reward/margins": margins, "reward/accuracies": (margins > 0).float()})
        return found.sum()

    def nothing(self, batch: dict[str, Any]) -> Tensor:
        return 0 * reward_model.rewards(self.model, self._moved(batch), bf16=self.run.bf16).sum()

    def _moved(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: one.to(self.args.device) for name, one in batch.items() if isinstance(one, Tensor)}

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The held-out Bradley-Terry loss, nats, and pair accuracy; whoever listens is told."""
        self.meter.pause()
        places = results.heldout_places(self.run)
        margins = heldout_margins(self.run, self.model, places)
        found = {
            "eval_loss": float(logistic(margins).mean()),
            "eval_accuracy": float((margins > 0).double().mean()),
        }
        self.log(dict(found))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        self.meter.go_on()
        return found


def heldout_margins(run: Run, model: Any, places: list[int], progress: Progress | None = None) -> Tensor:
    """Δr of the held-out preferences at `places`, fp64, shape [n].

    Raises:
        NotFinite: the model does not give numbers, or not any more.
    """

    def done(count: int) -> None:
        check_stop(run)
        if progress is not None:
            progress.at(count)

    def scored(own: list[int]) -> Tensor:
        return reward_model.score(
            model, run.encoded, own, pad_id=run.pad_id, room=run.room, bf16=run.bf16, done=done
        )

    found = processes.divided(places, scored)[places].double()
    results.check_finite(run, found)
    return found[:, 0] - found[:, 1]


def watched(run: Run) -> list[int]:
    """The held-out preferences by which the best checkpoint is found; a warning where there is none."""
    places = results.heldout_places(run)
    if not places:
        asked = len(run.data.preferences_of("heldout"))
        why = TOO_LONG.format(count=asked) if asked else "The dataset has no held-out preferences."
        run.events.write("warning", code="no_heldout", message=NO_HELDOUT.format(why=why))
    return places


def build_trainer(run: Run, rows: list[Row]) -> RewardTrainer:
    """The trainer of a reward-model run, at step 0; it stops early where there are held-out preferences."""
    recomputing.settle(run)
    places = watched(run)
    margins = [one.score_margin for one in run.data.preferences]
    known = torch.tensor([float("nan") if one is None else one for one in margins])
    trainer = RewardTrainer(
        run=run,
        training=run.spec.training,
        rows=Dataset.from_list(rows),
        shared=False,
        meter=run.meter,
        model=loop.adapted(run.base.model, run.spec.model.lora, "SEQ_CLS", run.spec.training.seed),
        args=loop.arguments(run, **(_best_kept(run) if places else {})),
        data_collator=RewardCollator(
            run.encoded, known if run.spec.reward.objective == "margin" else None, run.pad_id
        ),
        eval_dataset=Dataset.from_list([{"strong": place} for place in places]) if places else None,
        processing_class=run.base.tokenizer,
    )
    if places and run.spec.reward.patience:
        trainer.add_callback(EarlyStoppingCallback(early_stopping_patience=run.spec.reward.patience))
    return trainer


def _best_kept(run: Run) -> dict[str, Any]:
    """Evaluate before each checkpoint, and end with the weights of the best."""
    return {
        "eval_strategy": "steps",
        "eval_steps": run.spec.training.save_steps,
        "load_best_model_at_end": True,
        "metric_for_best_model": run.spec.reward.watch,
        "greater_is_better": run.spec.reward.watch == "accuracy",
    }


def heldout(run: Run, model: Any) -> HeldOut:
    """The held-out preferences under a reward model.

    Raises:
        NotFinite: it gives values that are not finite.
    """
    places = results.heldout_places(run)
    progress = Progress(run.events, "evaluate", len(processes.share(places)))
    margins = heldout_margins(run, model, places, progress).numpy()
    return results.heldout(run, places, margins.astype(np.float64))
