"""The target policy: a slow Polyak average of the policy, kept in fp32.

A bf16 average silently turns DPO-PoP into plain DPO: at small rates its updates are below bf16's
resolution. The average holds trainable parameters only, so with LoRA it is a second adapter over the one base
(averaging A and B separately, which is not the average of B·A). It stands in for the policy's parameters
during one forward pass.

Where the weights are divided among processes (`sharding`), each has its part of the average, and exchanges it
with its part of the policy's weights for as long as the target computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call

from training.engine import sharding
from training.engine.launched import first
from training.engine.layouts import TokenBatch
from training.engine.logps import Scorer, evaluating, preference_logps

# Entries of each parameter that the drift ratio looks at; exact below, an even sample above.
DRIFT_SAMPLE = 1 << 16
FILE = "target.safetensors"


class TargetPolicy:
    """θ̂ ← θ̂ + rate·(θ − θ̂), every `interval` optimizer steps; θ̂ starts at the policy it is made from.

    With `offload` the fp32 average lies in the host's memory; what goes through forward passes is a copy
    beside the policy, bf16 where those compute in bf16.
    """

    def __init__(self, scorer: Scorer, *, rate: float, interval: int = 1, offload: bool = False) -> None:
        self.scorer = scorer
        self.rate = rate
        self.interval = interval
        self.steps = 0
        self.offload = offload
        self.divided = sharding.divided(scorer)
        self.exchanged = False
        self.average = {name: self._kept(_wide(one)) for name, one in self._trainable()}
        self.start = {name: _sample(one).clone() for name, one in self.average.items()}
        self.used = self._used()

    def _trainable(self) -> list[tuple[str, Tensor]]:
        """What this process has of each."""
        return [(name, sharding.local(one)) for name, one in self._parameters()]

    def _parameters(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, one) for name, one in self.scorer.named_parameters() if one.requires_grad]

    def _kept(self, weights: Tensor) -> Tensor:
        copy = weights.clone()
        return copy.cpu() if self.offload else copy

    def _used(self) -> dict[str, Tensor]:
        """What a forward pass takes in the place of the policy's parameters."""
        if not self.offload or self.divided:
            return self.average
        kind = torch.bfloat16 if self.scorer.bf16 else None
        return {name: self.average[name].to(one.device, kind) for name, one in self._trainable()}

    @torch.no_grad()
    def step(self) -> None:
        """Count one optimizer step and follow the policy if it is time."""
        self.steps += 1
        if self.steps % self.interval == 0:
            for name, one in self._trainable():
                self.average[name].lerp_(_wide(one).to(self.average[name].device), self.rate)
            self.used = self._used()

    @torch.no_grad()
    def logps(self, batch: TokenBatch) -> Tensor:
        """log π of n preferences under θ̂: [n, 2] (chosen, rejected), nats; no gradient, no dropout."""
        with evaluating(self.scorer), self.at_work():
            return preference_logps(self._averaged, batch)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While it lasts, divided weights are the target's: fewer exchanges for several batches."""
        if self.exchanged or not self.divided:
            yield
            return
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        self.exchanged = not self.exchanged
        for name, one in self._trainable():
            kept = one.clone()
            one.copy_(self.average[name])
            self.average[name].copy_(kept)

    def _averaged(self, batch: TokenBatch) -> Tensor:
        if self.divided:
            scores: Tensor = self.scorer(batch)
        else:
            scores = functional_call(self.scorer, self.used, (batch,))
        return scores

    @torch.no_grad()
    def drift_ratio(self) -> float | None:
        """‖θ̂ − θ₀‖ / ‖θ − θ₀‖; None while the policy has not moved."""
        ahead = behind = 0.0
        for name, one in self._trainable():
            start = self.start[name]
            ahead += float((_sample(_wide(one)).to(start.device) - start).square().sum())
            behind += float((_sample(self.average[name]) - start).square().sum())
        ahead, behind = sharding.summed(ahead, behind)
        return (behind / ahead) ** 0.5 if ahead > 0 else None

    def save(self, folder: Path) -> None:
        """Write the average and its counter; of several processes the first one does, and the others help."""
        tensors = {}
        for name, one in self._parameters():
            full = self._whole(name, one)
            if first():
                tensors[name] = full.contiguous()
        if first():
            save_file(tensors, folder / FILE, metadata={"steps": str(self.steps)})

    def _whole(self, name: str, like: nn.Parameter) -> Tensor:
        average = self.average[name]
        if not self.divided:
            return average
        return sharding.whole(sharding.joined(average.to(like.device), like)).cpu()

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        from safetensors import safe_open

        stored = load_file(folder / FILE)
        for name, one in self._parameters():
            self.average[name].copy_(sharding.part(stored[name], one))
        with safe_open(folder / FILE, framework="pt") as file:
            self.steps = int(file.metadata()["steps"])
        self.used = self._used()


def _wide(tensor: Tensor) -> Tensor:
    """fp32, or fp64 for an fp64 policy."""
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32))


def _sample(tensor: Tensor) -> Tensor:
    flat = tensor.reshape(-1)
    return flat[:: max(1, flat.numel() // DRIFT_SAMPLE)]
