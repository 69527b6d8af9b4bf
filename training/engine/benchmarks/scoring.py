"""Scores of RewardBench's prompts under a finished model, and the benchmark's numbers from them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.engine import reevaluation, results, reward_model
from training.engine.benchmarks import published
from training.engine.benchmarks.pairs import Pairs
from training.engine.encoding import encode
from training.engine.errors import SpecError
from training.engine.evaluations import rewardbench
from training.engine.events import Event, EventWriter
from training.engine.progress import Progress
from training.engine.reevaluation import Subject
from training.engine.run import Run
from training.engine.spec import Kind
from training.engine.stopping import Stop


def evaluate(
    subject: Subject,
    pairs: Pairs,
    *,
    compat: bool = False,
    max_length: int = published.LONGEST,
    hear: Callable[[Event], None] = lambda _: None,
) -> tuple[dict[str, Any], Tensor]:
    """RewardBench of a policy against its reference, or of a reward model.

    A policy's score of a response is Σ log π − Σ log π_ref over its tokens, nats, without β; a reward
    model's is its reward.

    Args:
        compat: tokenise as the `rewardbench` package does; policies only.
        max_length: longest conversation in tokens, or what the model's positions allow if that is less.

    Returns:
        What the JSON holds, and the scores of (chosen, rejected), fp64 [n, 2], NaN without room or number.

    Raises:
        InputError: see `errors`.
    """
    kind = subject.spec.kind
    if kind not in KINDS:
        raise SpecError(
            "RewardBench compares a policy with its reference, and an sft run has none.",
            hint="Name a preference run, a reward model, or --reference for any other model.",
        )
    if compat and kind == "reward_model":
        raise SpecError(
            "--compat is how the package tokenises for policies; a reward model has no use for it."
        )
    training = subject.spec.training.model_copy(update={"max_length": max_length})
    spec = subject.spec.model_copy(update={"training": training})
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(EventWriter(Path(scratch) / "events.jsonl", hear)) as events,
    ):
        run = Run(
            subject.run_dir or Path(scratch),
            spec,
            pairs.data,
            events,
            Stop(),
            encoder=published.encode if compat else encode,
            trains=False,
        )
        scores = _even(run, KINDS[kind](subject, run, Path(scratch)))
    found = rewardbench.summary(pairs.subsets, scores[:, 0].tolist(), scores[:, 1].tolist())
    if cut := sum(one.cut for one in run.encoded if one is not None):
        found["remarks"].append(f"{cut} prompts have a response that was cut to the longest length.")
    about = {
        "model": subject.model,
        "reference": spec.model.base if kind == "preference" else None,
        "data_sha256": pairs.data.sha256,
        "tokenised": "rewardbench 0.1.4" if compat else "chat template",
        "max_length": max_length,
    }
    return about | {"rewardbench": found}, scores


def _of_policy(subject: Subject, run: Run, scratch: Path) -> Tensor:
    policy = reevaluation.opened_policy(subject, run, scratch)
    logps = results.logps(run, policy, results.heldout_places(run))
    return logps.double() - run.reference.double()


def _of_reward_model(subject: Subject, run: Run, scratch: Path) -> Tensor:
    model = reevaluation.opened_reward_model(subject, run, scratch)
    places = results.heldout_places(run)
    progress = Progress(run.events, "evaluate", len(places))
    rewards = reward_model.score(
        model, run.encoded, places, pad_id=run.pad_id, room=run.room, bf16=run.bf16, done=progress.at
    )
    return rewards.double()


KINDS: dict[Kind, Callable[[Subject, Run, Path], Tensor]] = {
    "preference": _of_policy,
    "reward_model": _of_reward_model,
}


def _even(run: Run, scores: Tensor) -> Tensor:
    """The scores, equal where both responses are the same tokens: a forward pass may round them apart."""
    same = [one is not None and np.array_equal(one.chosen, one.rejected) for one in run.encoded]
    return torch.where(torch.tensor(same)[:, None], scores[:, :1], scores)
