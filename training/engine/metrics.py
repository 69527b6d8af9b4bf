"""What is logged about training, and the warnings that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor

from training.engine import processes
from training.engine.methods import PairBatch

INERT_MARGIN = 1e-3  # β·nats: a mean weak margin below this changes nothing
INERT_AFTER = 20  # logged steps before the margin is judged
CLIPPED_SHARE = 0.9
STILL_AFTER = 3  # logged steps in a row with a gradient of 0

INERT = (
    f"After {INERT_AFTER} logged steps the weak margin is still about 0: this run trains like plain DPO. "
    "A larger target rate, learning rate or β makes the margin move."
)
CLIPPED = (
    "{share:.0%} of the weak margins are cut at M_max = {limit:g}: the margin is nearly constant. "
    "A larger M_max or a smaller β brings the differences back."
)
ZERO = (
    "{share:.0%} of the weak margins are below 0 and count as 0: the policy is wrong about most weak "
    "preferences. Look at the labels, or train longer."
)
STILL = (
    f"The gradient was exactly 0 at {STILL_AFTER} logged steps in a row: nothing is learned. Either the "
    "loss of every pair is flat (margins, weights or a β that leave nothing to gain), or it has reached the "
    "end of the precision."
)


class Tally:
    """Row-weighted means over the micro-batches since the last log."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._rows = 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Add per-row values, each of shape [B]."""
        stacked = torch.stack([value.float() for value in values.values()])
        self._rows += stacked.shape[1]
        for name, total in zip(values, stacked.sum(dim=1).tolist(), strict=True):
            self._sums[name] += total

    def drain(self) -> dict[str, float]:
        """The means over the rows of all processes, and start again."""
        everybody = processes.gathered((dict(self._sums), self._rows))
        rows = sum(count for _, count in everybody)
        totals: dict[str, float] = defaultdict(float)
        for sums, _ in everybody:
            for name, total in sums.items():
                totals[name] += total
        means = {name: total / rows for name, total in totals.items()}
        self._sums.clear()
        self._rows = 0
        return means


@torch.no_grad()
def describe(batch: PairBatch, *, beta: float, max_margin: float | None) -> dict[str, Tensor]:
    """Per-row quantities worth watching, each [B]: rewards in β·nats, log-probabilities in nats, tokens.

    `policy/log_ratio` is the mean of log πθ(y) − log πref(y) over the two responses. It is no KL to the
    reference, whose y would have to come from πθ. Where the responses come from πref, its negative is an
    estimate of KL(πref‖πθ) over whole responses.
    """
    margin = beta * batch.delta()
    values = {
        "rewards/margins": margin,
        "rewards/accuracies": (margin > 0).float(),
        "logps/chosen": batch.policy_chosen_logps,
        "logps/rejected": batch.policy_rejected_logps,
    }
    if batch.ref_chosen_logps is not None and batch.ref_rejected_logps is not None:
        chosen, rejected = batch.log_ratios()
        values["rewards/chosen"] = beta * chosen
        values["rewards/rejected"] = beta * rejected
        values["policy/log_ratio"] = (chosen + rejected) / 2
    if batch.chosen_lengths is not None and batch.rejected_lengths is not None:
        values["lengths/chosen"] = batch.chosen_lengths
        values["lengths/rejected"] = batch.rejected_lengths
    if batch.weak_policy_margin is not None:
        values["pop/weak_margin"] = values["pop/margin"] = batch.weak_policy_margin
    if batch.weak_target_margin is not None and max_margin is not None:
        values["pop/weak_margin"] = batch.weak_target_margin
        values["pop/margin"] = batch.weak_target_margin.clamp(0.0, max_margin)
        values["pop/zero_share"] = (batch.weak_target_margin <= 0).float()
        values["pop/clip_share"] = (batch.weak_target_margin >= max_margin).float()
    return values


class Watch:
    """Turns logged metrics into warnings in words, each at most once a run."""

    def __init__(self, *, max_margin: float | None) -> None:
        self.max_margin = max_margin
        self._logged = 0
        self._still = 0
        self._said: set[str] = set()

    def warnings(self, metrics: dict[str, float]) -> Iterator[tuple[str, str]]:
        """(code, message) of what is newly wrong after these metrics."""
        self._logged += 1
        self._still = self._still + 1 if metrics.get("grad_norm") == 0 else 0
        for code, message in self._judge(metrics):
            if code not in self._said:
                self._said.add(code)
                yield code, message

    def _judge(self, metrics: dict[str, float]) -> Iterator[tuple[str, str]]:
        if self._still >= STILL_AFTER:
            yield "gradient_zero", STILL
        if self.max_margin is not None and "pop/weak_margin" in metrics:
            yield from self._judge_margin(metrics)

    def _judge_margin(self, metrics: dict[str, float]) -> Iterator[tuple[str, str]]:
        zero, clipped = metrics["pop/zero_share"], metrics["pop/clip_share"]
        if self._logged >= INERT_AFTER and abs(metrics["pop/weak_margin"]) < INERT_MARGIN:
            yield "margin_inert", INERT
        if self.max_margin and clipped > CLIPPED_SHARE:
            yield "margin_clipped", CLIPPED.format(share=clipped, limit=self.max_margin)
        if self._logged >= INERT_AFTER and zero > CLIPPED_SHARE:
            yield "margin_zero", ZERO.format(share=zero)
