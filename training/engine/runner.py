"""A run from the checked spec to the exported model. Everything it does is told in events."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset

from training.engine import (
    checkpoints,
    loop,
    memory,
    processes,
    recomputing,
    responses,
    results,
    rewarding,
    supervised,
)
from training.engine.batching import PairCollator
from training.engine.evaluations import HeldOut
from training.engine.logps import Scorer
from training.engine.preparation import prepare
from training.engine.run import Run
from training.engine.spec import TRAINED, Kind
from training.engine.trainer import PairTrainer


def train(run: Run) -> Path:
    """Train, evaluate, export: whichever kind of run it is.

    Returns:
        The folder of the finished model; of a run that only evaluates, its evaluation.json.

    Raises:
        InputError, NotFinite, OutOfMemory: see `errors`.
        Cancelled: somebody asked; a checkpoint may be there.
    """
    began = time.monotonic()
    run.stop.check()
    trains = run.spec.kind in TRAINED
    if trains:
        responses.check(run)
    try:
        with memory.explained(lambda: run.spec, lambda: run.meter.last):
            made = KINDS[run.spec.kind](run)
        model = made.name if trains else None
        run.events.write("finished", model=model, seconds=time.monotonic() - began)
        processes.wait()
    finally:
        processes.leave()
    return made


def train_policy(run: Run) -> Path:
    """A preference run: a policy by one of the methods."""
    resume = checkpoints.last(run.checkpoints)
    rows = prepare(run, resume)
    trainer = fit(run, rows, resume)
    return results.finish(run, trainer.model, heldout(run, trainer.model), trainer.state.global_step)


def evaluate_again(run: Run) -> Path:
    """An evaluation run: see `reevaluation.again`."""
    from training.engine import reevaluation  # it evaluates as runs do, by this module

    return reevaluation.again(run)


KINDS: dict[Kind, Callable[[Run], Path]] = {
    "preference": train_policy,
    "reward_model": rewarding.train,
    "sft": supervised.train,
    "evaluation": evaluate_again,
}


def build_trainer(run: Run, rows: list[dict[str, int]]) -> PairTrainer:
    """The trainer of a run, at step 0."""
    recomputing.settle(run)
    collator = PairCollator(
        encoded=run.encoded,
        reference=run.reference,
        columns=run.columns,
        pad_id=run.pad_id,
        layout=run.layout,
        ids=[one.id for one in run.data.preferences],
    )
    return PairTrainer(
        spec=run.spec,
        collator=collator,
        rows=Dataset.from_list(rows),
        meter=run.meter,
        contexts=run.contexts,
        model=run.base.model,
        processing_class=run.base.tokenizer,
        output_dir=run.checkpoints,
    )


def fit(run: Run, rows: list[dict[str, int]], resume: Path | None) -> PairTrainer:
    """Run the training loop, from a checkpoint if there is one.

    Raises:
        Cancelled: somebody asked; the last step is in a checkpoint.
    """
    run.stop.check()
    trainer = build_trainer(run, rows)
    if resume is not None:
        trainer.take_up(resume)
    loop.fit(run, trainer, resume)
    return trainer


def heldout(run: Run, model: Any) -> HeldOut:
    """The held-out split under `model` against the run's reference.

    Raises:
        NotFinite: the model gives probabilities that are not finite.
    """
    places = results.heldout_places(run)
    policy = results.scored(run, model, places)
    ratios = (policy - run.reference)[places].double().numpy()
    margin = run.spec.method.params["beta"] * (ratios[:, 0] - ratios[:, 1])
    seen = results.heldout(run, places, margin, policy, run.reference)
    return replace(seen, **_at_contexts(run, model), **responses.seen(run, model))


def _at_contexts(run: Run, model: Any) -> dict[str, Any]:
    if run.contexts is None:
        return {}
    scorer = Scorer(model, bf16=run.bf16, layout=run.layout)
    kl = run.contexts.kl(scorer, pad_id=run.pad_id, room=run.room)
    return {"context_kl": kl.double().numpy(), "context_of": run.contexts.of.numpy()}
