"""Whether the updates of a run survive the precision of the weights that it trains."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from training.engine import sharding

SAMPLE = 1 << 12  # entries looked at of each parameter
MOST = 0.5  # share of the weights that may stand still

LOST = (
    "At the peak learning rate of {rate:g} an update is rounded away for {share:.0%} of the trained weights, "
    "which are {kind}: they will not move. Train weights in fp32 (bf16 as the precision is autocast over "
    "those), or raise the learning rate."
)


@torch.no_grad()
def lost_share(model: nn.Module, learning_rate: float) -> float:
    """The share of trained weights w for which w ± learning_rate is w again in their own precision.

    AdamW moves a weight by about the learning rate a step, and in bf16 a change below 2⁻⁹ of the weight is
    lost. Weights of 0, such as new adapters', always move. An even sample of each parameter is looked at.
    """
    lost = total = 0.0
    for one in model.parameters():
        if one.requires_grad and one.numel():
            own = sharding.local(one)
            flat = own.reshape(-1)
            some = flat[:: max(1, flat.numel() // SAMPLE)]
            still = (some + learning_rate == some) & (some - learning_rate == some)
            lost += float(still.float().sum()) * own.numel() / max(1, len(some))
            total += own.numel()
    lost, total = sharding.summed(lost, total)
    return lost / total if total else 0.0


def warnings(model: nn.Module, learning_rate: float) -> Iterator[tuple[str, str]]:
    """(code, message) if most of the weights would stand still."""
    share = lost_share(model, learning_rate)
    if share > MOST:
        kinds = {str(one.dtype).removeprefix("torch.") for one in model.parameters() if one.requires_grad}
        message = LOST.format(rate=learning_rate, share=share, kind=" and ".join(sorted(kinds)))
        yield "updates_rounded_away", message
