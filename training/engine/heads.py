"""Log-probabilities of given tokens from hidden states, without the logits of all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

# Logits held at once: 2²⁴ numbers, 64 MB in fp32. More of them are computed again backwards.
TILE = 1 << 24
PIECE = 2048  # tokens of the vocabulary


def token_logps(head: Any, hidden: Tensor, targets: Tensor, cap: float | None = None) -> Tensor:
    """log p of each target.

    Args:
        head: the output head.
        hidden: states that predict the targets, [C, H].
        targets: int64 [C].
        cap: the model's soft cap on its logits, if it has one.

    Returns:
        Nats, fp32 (fp64 for fp64 states), shape [C].
    """
    if type(head) is nn.Linear and not cap:
        found: Tensor = _Linear.apply(  # type: ignore[no-untyped-call]
            hidden, head.weight, head.bias, targets
        )
        return found
    size = max(1, TILE // int(head.weight.shape[0]))
    if len(hidden) <= size:
        return _tile(head, hidden, targets, cap)
    tiles = zip(torch.split(hidden, size), torch.split(targets, size), strict=True)
    return torch.cat(
        [checkpoint(_tile, head, part, target, cap, use_reentrant=False) for part, target in tiles]
    )


def distributions(head: Any, hidden: Tensor, cap: float | None = None) -> Tensor:
    """log p of every token, from hidden states [C, H]: nats, fp32 (fp64 for fp64 states), [C, V]."""
    logits = head(hidden)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if cap:
        logits = cap * torch.tanh(logits / cap)
    return functional.log_softmax(logits, dim=-1)


def _tile(head: Any, hidden: Tensor, targets: Tensor, cap: float | None) -> Tensor:
    return distributions(head, hidden, cap).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


class _Linear(torch.autograd.Function):
    """`token_logps` of a linear head, a piece of the vocabulary at a time.

    A piece of the logits fits into a core's cache, so that what is done to them costs next to nothing beside
    the products. exp(logits) are kept for the gradient while they are few, else computed again.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        dtype = _compute_dtype(hidden)
        states, keep = hidden.to(dtype), any(ctx.needs_input_grad) and len(hidden) * len(weight) <= TILE
        wide = torch.promote_types(dtype, torch.float32)
        largest = torch.full((len(hidden),), -torch.inf, dtype=wide, device=hidden.device)
        total, kept = torch.zeros_like(largest), []
        for piece in _pieces(len(weight)):
            logits = _logits(states, weight, bias, piece)
            highest = torch.maximum(largest, logits.amax(dim=-1))
            part = logits.sub_(highest.unsqueeze(-1)).exp_()
            total = total.mul_((largest - highest).exp_()).add_(part.sum(dim=-1))
            largest = highest
            if keep:
                kept += [part, highest]
        normaliser = largest + total.log_()
        ctx.save_for_backward(hidden, weight, bias, targets, normaliser, *kept)
        ctx.dtype = dtype
        of_targets = (states.to(wide) * weight[targets].to(dtype).to(wide)).sum(dim=-1)
        return of_targets - normaliser if bias is None else of_targets + bias[targets] - normaliser

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """∂ log p_t / ∂ logit_j = 1[j = t] − p_j."""
        hidden, weight, bias, targets, normaliser, *kept = ctx.saved_tensors
        states, slope = hidden.to(ctx.dtype), gradient.unsqueeze(-1)
        wide = normaliser.dtype
        ours = slope * weight[targets].to(wide) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight, dtype=wide) if ctx.needs_input_grad[1] else None
        of_bias = torch.zeros_like(bias, dtype=wide) if ctx.needs_input_grad[2] else None
        for place, piece in enumerate(_pieces(len(weight))):
            if kept:
                p = kept[2 * place] * ((kept[2 * place + 1] - normaliser).exp_() * -gradient).unsqueeze(-1)
            else:
                p = _logits(states, weight, bias, piece).sub_(normaliser.unsqueeze(-1)).exp_().mul_(-slope)
            narrow = p.to(states.dtype)
            if ours is not None:
                _add_product(ours, narrow, weight[piece].to(states.dtype))
            if of_weight is not None:
                _add_product(of_weight[piece], narrow.T, states)
            if of_bias is not None:
                of_bias[piece] = p.sum(dim=0)
        if of_weight is not None:
            of_weight.index_add_(0, targets, slope * states.to(wide))
        if of_bias is not None:
            of_bias.index_add_(0, targets, gradient)
        return _like(ours, hidden), _like(of_weight, weight), _like(of_bias, bias), None


def _pieces(vocabulary: int) -> Iterator[slice]:
    for start in range(0, vocabulary, PIECE):
        yield slice(start, min(start + PIECE, vocabulary))


def _compute_dtype(hidden: Tensor) -> torch.dtype:
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def _logits(states: Tensor, weight: Tensor, bias: Tensor | None, piece: slice) -> Tensor:
    """Of one piece of the vocabulary; fp32, or fp64 for fp64 states."""
    with torch.autocast(states.device.type, enabled=False):
        logits = functional.linear(
            states, weight[piece].to(states.dtype), None if bias is None else bias[piece].to(states.dtype)
        )
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, in the precision of `total`."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _like(found: Tensor | None, whose: Tensor | None) -> Tensor | None:
    return found if found is None or whose is None else found.to(whose.dtype)
