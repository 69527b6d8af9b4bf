"""Scores of RewardBench's prompts under a finished model, and the benchmark's numbers from them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.engine import reevaluation, results, reward_model
from training.engine.benchmarks import pairs as files
from training.engine.benchmarks import published
from training.engine.benchmarks.pairs import Pairs
from training.engine.encoding import encode
from training.engine.errors import SpecError
from training.engine.evaluations import rewardbench
from training.engine.events import Event, EventWriter, OneStage
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
    """RewardBench of a policy against its reference, or of a reward model, in no run of its own.

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
    check(subject, compat=compat)
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(EventWriter(Path(scratch) / "events.jsonl", hear)) as events,
    ):
        folder = subject.run_dir or Path(scratch)
        run = Run(folder, subject.spec, pairs.data, events, Stop(), trains=False)
        found, scores = measured(subject, run, pairs, Path(scratch), compat=compat, max_length=max_length)
    about = {
        "model": subject.model,
        "reference": subject.spec.model.base if subject.spec.kind == "preference" else None,
        "seed": subject.spec.training.seed,
        "data_sha256": pairs.data.sha256,
        "tokenised": TOKENISED[compat],
        "max_length": max_length,
    }
    return about | {"rewardbench": found}, scores


def asked(subject: Subject, run: Run) -> Pairs | None:
    """The prompts that an evaluation run asks for; None: it does not.

    Raises:
        InputError: they are not there, or say nothing of the subject.
    """
    wanted = run.spec.evaluation.rewardbench
    if wanted.data is None:
        return None
    check(subject, compat=wanted.compat)
    below = run.folder / Path(wanted.data).expanduser()
    return files.read([str(below) if below.is_file() else wanted.data])


def add(subject: Subject, run: Run, found: Pairs) -> None:
    """RewardBench as part of an evaluation run: told in its events, and put into its evaluation.json.

    Raises:
        InputError: see `errors`.
        Cancelled: somebody asked.
    """
    began = time.monotonic()
    inner = replace(run, events=OneStage(run.events, "rewardbench"))
    compat = run.spec.evaluation.rewardbench.compat
    result, _ = measured(subject, inner, found, run.folder, compat=compat)
    seconds = time.monotonic() - began
    results.add(run, "rewardbench", result, sha256=found.data.sha256, seconds=seconds)


def check(subject: Subject, *, compat: bool) -> None:
    """Raises SpecError where the benchmark, or this way to tokenise, says nothing of such a model."""
    if subject.spec.kind not in KINDS:
        raise SpecError(
            "RewardBench compares a policy with its reference, and an sft run has none.",
            hint="Name a preference run, a reward model, or --reference for any other model.",
        )
    if compat and subject.spec.kind == "reward_model":
        raise SpecError("compat is how the package tokenises for policies; a reward model has no use for it.")


def measured(
    subject: Subject,
    run: Run,
    pairs: Pairs,
    scratch: Path,
    *,
    compat: bool,
    max_length: int = published.LONGEST,
) -> tuple[dict[str, Any], Tensor]:
    """What `rewardbench.summary` gives, with what the prompts and tokens are, and the scores, fp64 [n, 2]."""
    training = run.spec.training.model_copy(update={"max_length": max_length})
    spec = run.spec.model_copy(update={"training": training})
    inner = replace(run, spec=spec, data=pairs.data, encoder=published.encode if compat else encode)
    scores = _even(inner, KINDS[spec.kind](subject, inner, scratch))
    chosen, rejected = scores.T.tolist()
    found = rewardbench.summary(pairs.subsets, chosen, rejected, results.seed(run))
    if cut := sum(one.cut for one in inner.encoded if one is not None):
        found["remarks"].append(f"{cut} prompts have a response that was cut to the longest length.")
    tokens = f"{TOKENISED[compat]}, {max_length:,} tokens at most"
    return found | {"tokenised": tokens, "data_sha256": pairs.data.sha256}, scores


def _of_policy(subject: Subject, run: Run, scratch: Path) -> Tensor:
    policy = reevaluation.opened_policy(subject, run, scratch)
    logps = results.logps(run, policy, results.heldout_places(run))
    return logps.double() - run.reference.double()


def _of_reward_model(subject: Subject, run: Run, scratch: Path) -> Tensor:
    model = reevaluation.opened_reward_model(subject, run, scratch)
    places = results.heldout_places(run)
    progress = Progress(run.events, "evaluate", len(places))

    def done(count: int) -> None:
        run.stop.check()
        progress.at(count)

    rewards = reward_model.score(
        model, run.encoded, places, pad_id=run.pad_id, room=run.room, bf16=run.bf16, done=done
    )
    return rewards.double()


TOKENISED = {True: "rewardbench 0.1.4", False: "chat template"}
KINDS: dict[Kind, Callable[[Subject, Run, Path], Tensor]] = {
    "preference": _of_policy,
    "reward_model": _of_reward_model,
}


def _even(run: Run, scores: Tensor) -> Tensor:
    """The scores, equal where both responses are the same tokens: a forward pass may round them apart."""
    same = [one is not None and np.array_equal(one.chosen, one.rejected) for one in run.encoded]
    return torch.where(torch.tensor(same)[:, None], scores[:, :1], scores)
