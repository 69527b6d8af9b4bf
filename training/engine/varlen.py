"""Attention within a packed row by one variable-length kernel, instead of two calls a part.

A preference is two segments: the queries of [shared, chosen] see the keys of the same, those of the rejected
rest see [shared, rejected rest]. A kernel takes all segments at once, by where they begin, and aligns each
one's causal mask at its last query and last key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import torch
from torch import Tensor
from torch.nn import functional
from transformers.integrations.sdpa_attention import repeat_kv

from training.engine.layouts import Part

# As torch.nn.attention.varlen.varlen_attn: query [Q, heads, d]; key and value [K, key-value heads, d].
Kernel = Callable[..., Tensor]
Within = Callable[[Tensor, Tensor, Tensor, tuple[Part, ...], float | None], Tensor]  # see `loop`
HALF = (torch.float16, torch.bfloat16)
WIDTHS = range(8, 257, 8)  # of a head
CAUSAL = (-1, 0)  # as many keys to the left as there are, none to the right
KNOWN = 8  # batches whose segments are kept: a layer asks after the other, and again while going backwards
ROUNDING = 0.05  # of the largest entry of a tensor: bf16 rounds 2⁻⁸ an operation
TRIAL = (Part(5, 3, 1), Part(0, 1, 4), Part(70, 60, 140))


@dataclass(frozen=True)
class Segments:
    """Where the 2n segments of n parts lie.

    Attributes:
        keys: int64 [K], places in the row, segment after segment; shared ones are there twice.
        query_starts, key_starts: int32 [2n + 1]; queries are in the row's own order.
        longest_query, longest_key: tokens of the longest segment.
    """

    keys: Tensor
    query_starts: Tensor
    key_starts: Tensor
    longest_query: int
    longest_key: int


@lru_cache(maxsize=KNOWN)
def segments(parts: tuple[Part, ...], device: torch.device) -> Segments:
    """The segments of a packed row, on a device."""
    queries, keys, places, start = [0], [0], [], 0
    for part in parts:
        own = start + part.shared + part.chosen
        shared = torch.arange(start, start + part.shared)
        places += [torch.arange(start, own), shared, torch.arange(own, own + part.rejected)]
        queries += [part.shared + part.chosen, part.rejected]
        keys += [part.shared + part.chosen, part.shared + part.rejected]
        start += part.tokens
    ends = [torch.tensor(sizes).cumsum(0).int().to(device) for sizes in (queries, keys)]
    return Segments(torch.cat(places).to(device), ends[0], ends[1], max(queries), max(keys))


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    parts: tuple[Part, ...],
    scaling: float | None,
    *,
    kernel: Kernel,
) -> Tensor:
    """Causal attention within each part of the row, all parts by one call.

    Args:
        query: [1, heads, T, d]; key, value: [1, key-value heads, T, d].

    Returns:
        [1, T, heads, d].
    """
    at = segments(parts, query.device)
    rows = [one.transpose(1, 2)[0] for one in (query, key, value)]
    found = kernel(
        rows[0].contiguous(),
        rows[1].index_select(0, at.keys),
        rows[2].index_select(0, at.keys),
        at.query_starts,
        at.key_starts,
        at.longest_query,
        at.longest_key,
        scale=scaling,
        window_size=CAUSAL,
        enable_gqa=key.shape[1] != query.shape[1],
    )
    return found[None]


def loop(query: Tensor, key: Tensor, value: Tensor, parts: tuple[Part, ...], scaling: float | None) -> Tensor:
    """The same as `attend` by torch's SDPA, part after part: on every device, in every precision."""
    groups = query.shape[1] // key.shape[1]
    sizes = [size for part in parts for size in (part.shared + part.chosen, part.rejected)]
    # `split` has one gradient for all pieces; a slice has a whole row of zeros for each
    pieces = [one.split(sizes, dim=2) for one in (query, repeat_kv(key, groups), repeat_kv(value, groups))]
    seen = []
    for place, part in enumerate(parts):
        q, k, v = (one[2 * place] for one in pieces)
        seen.append(functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling))
        q, own_k, own_v = (one[2 * place + 1] for one in pieces)
        k = torch.cat((k[:, :, : part.shared], own_k), dim=2)
        v = torch.cat((v[:, :, : part.shared], own_v), dim=2)
        mask = lower_right(part.rejected, part.shared + part.rejected, q.device)
        seen.append(functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scaling))
    return torch.cat(seen, dim=2).transpose(1, 2)


def lower_right(queries: int, keys: int, device: torch.device) -> Tensor:
    """True where a query sees a key, the last query all of them: bool [queries, keys]."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(diagonal=keys - queries)


def by(find: Callable[[], Kernel | None], takes: Callable[..., bool], otherwise: Within = loop) -> Within:
    """`attend` by the kernel that is found, where it `takes` the tensors, else `otherwise`."""

    def within(
        query: Tensor, key: Tensor, value: Tensor, parts: tuple[Part, ...], scaling: float | None
    ) -> Tensor:
        kernel = find()
        narrow = narrowed(query, key, value)
        if kernel is None or not takes(kernel, *narrow):
            return otherwise(query, key, value, parts, scaling)
        return attend(narrow[0], narrow[1], narrow[2], parts, scaling, kernel=kernel)

    return within


def torchs() -> Kernel | None:
    """torch's own kernel (Flash Attention 2); None where this torch has none."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except (ImportError, AttributeError):
        return None
    found: Kernel = varlen_attn  # type: ignore[assignment]  # two tensors where it is asked for both
    return found


def narrowed(*tensors: Tensor) -> tuple[Tensor, ...]:
    """In the precision that autocast computes in, which knows SDPA but no kernel; else as they are."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    return tuple(one.to(torch.get_autocast_dtype(device)) for one in tensors)


def torchs_takes(kernel: Kernel, query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether torch's kernel is for such tensors, and is `right` here: CUDA, half precision, such heads."""
    width = query.shape[-1]
    alike = len({one.dtype for one in (query, key, value)}) == 1 and width == value.shape[-1]
    if not (alike and query.is_cuda and query.dtype in HALF and width in WIDTHS):
        return False
    return right(kernel, query.device, query.dtype, (query.shape[1], key.shape[1]), width)


@cache
def right(
    kernel: Kernel, device: torch.device, dtype: torch.dtype, heads: tuple[int, int], width: int
) -> bool:
    """Whether a kernel gives the loop's outputs and gradients, for (heads, key-value heads) of this width.

    Tried once a process, on random numbers of its own. A kernel that raises is not right.
    """
    draws = torch.Generator().manual_seed(0)
    tokens = sum(part.tokens for part in TRIAL)

    def drawn(count: int) -> Tensor:
        return torch.randn(1, count, tokens, width, generator=draws).to(device, dtype)

    inputs = [drawn(count) for count in (heads[0], heads[1], heads[1])]
    weights = drawn(heads[0]).transpose(1, 2)
    expected = _with_gradients(loop, inputs, weights)
    try:
        found = _with_gradients(partial(attend, kernel=kernel), inputs, weights)
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        return False
    pairs = zip(found, expected, strict=True)
    return all(bool((one - other).abs().max() <= ROUNDING * other.abs().max()) for one, other in pairs)


def _with_gradients(how: Callable[..., Tensor], inputs: list[Tensor], weights: Tensor) -> list[Tensor]:
    """The output and the three gradients, fp32 (or fp64), whatever the modes of the moment are."""
    device = inputs[0].device.type
    with torch.enable_grad(), torch.autocast(device, enabled=False):
        leaves = [one.clone().requires_grad_() for one in inputs]
        output = how(*leaves, TRIAL, None)
        gradients = torch.autograd.grad(output, leaves, weights)
    wide = torch.promote_types(output.dtype, torch.float32)
    return [one.detach().to(wide) for one in (output, *gradients)]
