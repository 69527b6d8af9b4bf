"""Summed log-probabilities of completions, without padding where the model allows, and without all logits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.engine import packing, sharding
from training.engine.encoding import Encoded
from training.engine.errors import ModelError
from training.engine.heads import distributions, token_logps
from training.engine.layouts import Layout, TokenBatch, packed, padded, part_of

CLOSE = (1e-4, 2e-2)  # of a log-probability (of a nat a token, if that is more): rounding in fp32 and in bf16

BEGINNING = 2  # tokens
PLAIN_HEAD = "Use an architecture with a plain linear output head (Llama, Qwen, Mistral, Gemma, …)."


class Scorer(nn.Module):
    """A causal language model that answers log π(completion | prompt).

    Only positions whose next token is a completion token go through the output head; the log-softmax is
    taken in fp32 (fp64 for an fp64 model). With `bf16` the model runs under autocast over its own weights.
    `layout` says how preferences become the batches that it is given. `seen` is told of each batch.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        bf16: bool = False,
        layout: Layout = padded,
        seen: Callable[[TokenBatch], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.model = model
        self.bf16 = bf16
        self.layout = layout
        self.seen = seen
        if layout is packed and not packing.switched(model):
            packing.switch(model)

    def forward(self, batch: TokenBatch) -> Tensor:
        """Σ log π over the scored tokens of each sequence: nats, fp32 (or fp64), shape [S]."""
        self.seen(batch)
        found: Tensor = sharding.inside(self.model, self._scores, batch)
        return found

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """While it lasts, `seen` is told of nothing."""
        seen, self.seen = self.seen, lambda _: None
        try:
            yield
        finally:
            self.seen = seen

    @property
    def vocabulary(self) -> int:
        """Of how many tokens the head gives logits."""
        _, head = _parts(self.model)
        return len(head.weight)  # type: ignore[arg-type]

    def distributions(self, batch: TokenBatch, wanted: Tensor) -> Tensor:
        """log π(· | context) where scored tokens of a batch are predicted.

        Args:
            wanted: which of its scored tokens, bool [C].

        Returns:
            Nats, fp32 (or fp64), [k, V] for k wanted tokens, in the batch's order.
        """
        self.seen(batch)
        found: Tensor = sharding.inside(self.model, self._distributions, batch, wanted)
        return found

    def _scores(self, batch: TokenBatch) -> Tensor:
        _, head = _parts(self.model)
        with self._autocast(batch):
            found = token_logps(head, self._states(batch), batch.targets, _softcap(self.model))
        return found.new_zeros(batch.sequences).index_add(0, batch.of, found)

    def _distributions(self, batch: TokenBatch, wanted: Tensor) -> Tensor:
        _, head = _parts(self.model)
        with self._autocast(batch):
            states = self._states(batch)[wanted.to(batch.at.device)]
            return distributions(head, states, _softcap(self.model))

    def _autocast(self, batch: TokenBatch) -> torch.autocast:
        device = batch.input_ids.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.bf16, cache_enabled=False)

    def _states(self, batch: TokenBatch) -> Tensor:
        """The states that predict a batch's scored tokens, [C, H]."""
        backbone, _ = _parts(self.model)
        hidden = backbone(input_ids=batch.input_ids, use_cache=False, **self._inputs(batch))
        found: Tensor = hidden.last_hidden_state.flatten(0, 1)[batch.at]
        return found

    def _inputs(self, batch: TokenBatch) -> dict[str, Any]:
        if batch.position_ids is None:
            return {"attention_mask": batch.attention_mask}
        return {"position_ids": batch.position_ids, **packing.options(self.model, batch.parts)}

    def batch(self, encoded: Sequence[Encoded], pad_id: int) -> TokenBatch:
        """Preferences in this scorer's layout, where its weights are."""
        return self.layout(encoded, pad_id).to(next(self.parameters()).device)


def _parts(model: Any) -> tuple[nn.Module, nn.Module]:
    """The backbone and the output head of a causal language model, through adapters."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base.base_model, base.get_output_embeddings()


def _softcap(model: Any) -> float | None:
    cap: float | None = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return cap


def check_head(model: Any) -> None:
    """Compare `Scorer` with the model's own logits on a few tokens.

    Some architectures scale or shift their logits in ways that only their own forward knows; training those
    on wrong log-probabilities would go unnoticed.

    Raises:
        ModelError: they differ, or the parts that `Scorer` asks for are not there.
    """
    device = next(model.parameters()).device
    ids = torch.arange(8).remainder(int(model.config.get_text_config().vocab_size))
    probe = padded([Encoded(ids.numpy(), ids.numpy(), 1)], 0).to(device)
    with torch.no_grad(), evaluating(model):
        try:
            ours = Scorer(model)(probe)[0]
        except (AttributeError, TypeError) as error:
            raise ModelError(
                f"{type(model).__name__} has no backbone and output head that can be asked apart: {error}.",
                code="model_unsupported",
                hint=PLAIN_HEAD,
            ) from error
        logits = model(input_ids=ids.unsqueeze(0).to(device), use_cache=False).logits.float()
    theirs = functional.log_softmax(logits[0, :-1], -1).gather(-1, ids[1:, None].to(device)).sum()
    if not torch.allclose(ours.float(), theirs, rtol=1e-2, atol=1e-2):
        raise ModelError(
            f"{type(model).__name__} transforms its logits in a way this engine does not know.",
            code="model_unsupported",
            hint=PLAIN_HEAD,
        )


def layout_for(model: Any, encoded: Sequence[Encoded | None], pad_id: int, *, bf16: bool = False) -> Layout:
    """`packed` if the model scores packed preferences as it scores padded ones, else `padded`.

    It is tried on the preference with the longest sequence (windows are as long as a sequence, not as a
    preference), on the one with the shortest, and on where their responses begin: what a convolution or a
    state carries over from the response before is felt there, and lost in the rounding of a long sum. A model
    that can be packed stays switched to the first of `packing.implementations` that gives its numbers.

    Args:
        bf16: tried under autocast as well, as a `Scorer` of this kind will compute.
    """
    there = [one for one in encoded if one is not None]
    there.sort(key=lambda one: -max(len(one.chosen), len(one.rejected)))
    probe = [found for one in (*there[:1], *there[-1:]) for found in (one, _beginnings(one))]
    if not probe:
        return padded
    ways = (False, True) if bf16 else (False,)
    expected = [_tried(model, probe, pad_id, padded, way) for way in ways]
    before = packing.switch(model)
    for implementation in packing.implementations(next(model.parameters()).device):
        packing.switch(model, implementation)
        if all(_agrees(model, probe, one, way) for one, way in zip(expected, ways, strict=True)):
            return packed
    packing.switch(model, before)
    return padded


def _agrees(model: Any, probe: Sequence[Encoded], expected: Tensor, bf16: bool) -> bool:
    """Whether a switched model scores packed preferences as expected, but for rounding."""
    try:
        found = _tried(model, probe, 0, packed, bf16)
    except (packing.Unpackable, TypeError, ValueError, RuntimeError):
        return False
    lengths = [one.chosen_length for one in probe] + [one.rejected_length for one in probe]
    off = (found - expected).abs() / torch.maximum(expected.abs(), torch.tensor(lengths).to(expected))
    close = CLOSE[bf16 or next(model.parameters()).dtype == torch.bfloat16]
    return bool((off <= close).all())


def _beginnings(one: Encoded) -> Encoded:
    """A preference cut behind the first tokens in which its responses differ; only those are scored."""
    shared = part_of(one).shared
    end = shared + BEGINNING
    return Encoded(one.chosen[:end], one.rejected[:end], shared)


@torch.no_grad()
def _tried(model: Any, probe: Sequence[Encoded], pad_id: int, layout: Layout, bf16: bool) -> Tensor:
    scorer = Scorer(model, bf16=bf16, layout=layout)
    with evaluating(model):
        found: Tensor = scorer(scorer.batch(probe, pad_id)).float()
    return found


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout off for a while; each module is then as it was before."""
    were_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in were_training:
            module.training = True


def preference_logps(scorer: Callable[[TokenBatch], Tensor], batch: TokenBatch) -> Tensor:
    """Log-probabilities of n preferences in a layout's order: [n, 2] (chosen, rejected), nats."""
    chosen, rejected = scorer(batch).chunk(2)
    return torch.stack((chosen, rejected), dim=1)
