"""Attention within a packed row on any device: short parts many at a time, long ones each alone.

A short preference costs two calls of attention that take longer to begin than to compute. Padded to a
multiple of `STEP` tokens, those of the same width are one call, with a mask that has all of a part: itself
causally, the rejected rest without the chosen one. The width follows from the part alone, so that no part's
numbers depend on what else is in the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional
from transformers.integrations.sdpa_attention import repeat_kv

from training.engine import varlen
from training.engine.layouts import Part

SHORT = (
    64  # tokens of a part that goes into a bundle: beyond, what padding costs is more than what a call does
)
STEP = 16


@dataclass(frozen=True)
class Bundle:
    """n parts, padded to w tokens.

    Attributes:
        places: int64 [n·w], where in the row their tokens are; padding is the part's first token again.
        mask: bool [n, 1, w, w], true where a query sees a key; padding sees itself only.
        own: int64 [tokens], which of the n·w are no padding.
    """

    places: Tensor
    mask: Tensor
    own: Tensor


@dataclass(frozen=True)
class Plan:
    """How a row is taken apart and put together again.

    Attributes:
        bundles: of the short parts, by width.
        long: the other parts, in the row's order, and `long_places`: int64, where their tokens are.
        order: int64 [T], for each token of the row its place in the bundles' tokens, then the long parts'.
    """

    bundles: tuple[Bundle, ...]
    long: tuple[Part, ...]
    long_places: Tensor
    order: Tensor


def attend(
    query: Tensor, key: Tensor, value: Tensor, parts: tuple[Part, ...], scaling: float | None
) -> Tensor:
    """Causal attention within each part of the row, as `varlen.loop` has it but for rounding.

    Args:
        query: [1, heads, T, d]; key, value: [1, key-value heads, T, d].

    Returns:
        [1, T, heads, d].
    """
    plan = planned(parts, query.device)
    if not plan.bundles:
        return varlen.loop(query, key, value, parts, scaling)
    rows = [one.transpose(1, 2)[0] for one in (query, key, value)]
    seen = [_bundled(rows, one, scaling) for one in plan.bundles]
    if plan.long:
        alone = [one.index_select(0, plan.long_places).transpose(0, 1)[None] for one in rows]
        seen.append(varlen.loop(alone[0], alone[1], alone[2], plan.long, scaling)[0])
    return torch.cat(seen).index_select(0, plan.order)[None]


def _bundled(rows: Sequence[Tensor], bundle: Bundle, scaling: float | None) -> Tensor:
    """The bundle's own tokens after attention, [tokens, heads, d]."""
    count, _, width, _ = bundle.mask.shape
    q, k, v = (
        one.index_select(0, bundle.places).view(count, width, *one.shape[1:]).transpose(1, 2) for one in rows
    )
    groups = q.shape[1] // k.shape[1]
    found = functional.scaled_dot_product_attention(
        q, repeat_kv(k, groups), repeat_kv(v, groups), attn_mask=bundle.mask, scale=scaling
    )
    return found.transpose(1, 2).flatten(0, 1).index_select(0, bundle.own)


@lru_cache(maxsize=varlen.KNOWN)
def planned(parts: tuple[Part, ...], device: torch.device) -> Plan:
    """The plan of a row, on a device: a layer asks after the other, and again while going backwards."""
    starts, total = [], 0
    for part in parts:
        starts.append(total)
        total += part.tokens
    by_width: dict[int, list[int]] = {}
    for number, part in enumerate(parts):
        width = -(-part.tokens // STEP) * STEP if part.tokens <= SHORT else 0
        by_width.setdefault(width, []).append(number)
    long = by_width.pop(0, [])
    in_order = [number for width in sorted(by_width) for number in by_width[width]] + long
    tokens = torch.cat([torch.arange(starts[one], starts[one] + parts[one].tokens) for one in in_order])
    order = torch.empty(total, dtype=torch.int64)
    order[tokens] = torch.arange(total)
    alone = [torch.arange(starts[one], starts[one] + parts[one].tokens) for one in long]
    return Plan(
        tuple(_bundle(parts, starts, by_width[width], width, device) for width in sorted(by_width)),
        tuple(parts[one] for one in long),
        (torch.cat(alone) if alone else torch.empty(0, dtype=torch.int64)).to(device),
        order.to(device),
    )


def _bundle(
    parts: Sequence[Part], starts: Sequence[int], numbers: Sequence[int], width: int, device: torch.device
) -> Bundle:
    sizes = torch.tensor([[starts[one], parts[one].tokens] for one in numbers])
    shared = torch.tensor([parts[one].shared for one in numbers])[:, None]
    chosen = shared + torch.tensor([parts[one].chosen for one in numbers])[:, None]
    place = torch.arange(width)[None]
    own = place < sizes[:, 1:]
    places = sizes[:, :1] + torch.where(own, place, 0)
    theirs = (place >= shared) & (place < chosen)  # the chosen rest, which the rejected one does not see
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    sees = causal & ~((place >= chosen)[:, :, None] & theirs[:, None]) & own[:, None] & own[:, :, None]
    sees |= torch.eye(width, dtype=torch.bool)
    return Bundle(
        places.flatten().to(device), sees[:, None].to(device), own.flatten().nonzero()[:, 0].to(device)
    )
