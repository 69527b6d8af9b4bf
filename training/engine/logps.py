"""Summed log-probabilities of completions, without the logits of the whole batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from training.engine.batching import Sequences
from training.engine.errors import ModelError

# Logits held at once: 2²⁴ numbers, 64 MB in fp32. Larger batches go in tiles, recomputed backwards.
TILE = 1 << 24


class Scorer(nn.Module):
    """A causal language model that answers log π(completion | prompt).

    Only positions whose next token is a completion token go through the output head; the log-softmax is
    taken in fp32 (fp64 for an fp64 model). With `bf16` the model runs under autocast over its own weights.
    """

    def __init__(self, model: nn.Module, *, bf16: bool = False) -> None:
        super().__init__()
        self.model = model
        self.bf16 = bf16

    def forward(self, input_ids: Tensor, attention_mask: Tensor, completion_mask: Tensor) -> Tensor:
        """Σ log π over each sequence's completion tokens.

        Args:
            input_ids: int64 [S, L]; attention_mask: int64 [S, L]; completion_mask: bool [S, L].

        Returns:
            Nats, fp32 (or fp64), shape [S].
        """
        backbone, head = _parts(self.model)
        with torch.autocast(input_ids.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            hidden = backbone(
                input_ids=input_ids, attention_mask=attention_mask, use_cache=False
            ).last_hidden_state
            wanted = completion_mask[:, 1:]
            flat = _token_logps(head, hidden[:, :-1][wanted], input_ids[:, 1:][wanted], _softcap(self.model))
        return torch.zeros_like(wanted, dtype=flat.dtype).masked_scatter(wanted, flat).sum(dim=1)


def _token_logps(head: nn.Module, hidden: Tensor, targets: Tensor, cap: float | None) -> Tensor:
    """log p of each target, shape [N], from hidden states [N, H]."""
    size = max(1, TILE // _vocabulary(head))
    if len(hidden) <= size:
        return _tile(head, hidden, targets, cap)
    tiles = zip(torch.split(hidden, size), torch.split(targets, size), strict=True)
    return torch.cat(
        [checkpoint(_tile, head, part, target, cap, use_reentrant=False) for part, target in tiles]
    )


def _vocabulary(head: Any) -> int:
    return int(head.weight.shape[0])


def _tile(head: nn.Module, hidden: Tensor, targets: Tensor, cap: float | None) -> Tensor:
    logits = head(hidden)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if cap:
        logits = cap * torch.tanh(logits / cap)
    return functional.log_softmax(logits, dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


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
        ModelError: they differ.
    """
    device = next(model.parameters()).device
    ids = (
        torch.arange(8, device=device).remainder(int(model.config.get_text_config().vocab_size)).unsqueeze(0)
    )
    completion = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad(), evaluating(model):
        ours = Scorer(model)(ids, torch.ones_like(ids), completion)
        logits = model(input_ids=ids, use_cache=False).logits.float()
    theirs = functional.log_softmax(logits[:, :-1], -1).gather(-1, ids[:, 1:].unsqueeze(-1)).sum()
    if not torch.allclose(ours.float().sum(), theirs, rtol=1e-2, atol=1e-2):
        raise ModelError(
            f"{type(model).__name__} transforms its logits in a way this engine does not know.",
            code="model_unsupported",
            hint="Use an architecture with a plain linear output head (Llama, Qwen, Mistral, Gemma, …).",
        )


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout off for a while."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def preference_logps(scorer: Callable[..., Tensor], sequences: Sequences) -> Tensor:
    """Log-probabilities of n preferences batched by `both_sides`: [n, 2] (chosen, rejected), nats."""
    chosen, rejected = scorer(**sequences).chunk(2)
    return torch.stack((chosen, rejected), dim=1)
