"""Attention over a packed row: every preference sees itself, and its rejected completion not the chosen one.

Registered with transformers as an attention implementation of its own. Models that cannot be packed (sliding
windows, soft caps, states that run along the row) are found by trying: `packable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from training.engine import bundles, varlen
from training.engine.layouts import Part

LOOP, VARLEN = "pop_packed", "pop_packed_varlen"
UNUSED = torch.zeros(1, 1, 1, 1)  # a mask that nobody looks at
REFUSED = ("softcap", "s_aux", "position_bias")  # what only some attentions know


class Unpackable(Exception):
    """This model's attention wants more than a packed row can give."""


def attention(  # noqa: PLR0917 - as transformers calls it
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    parts: Sequence[Part] | None = None,
    within: varlen.Within = bundles.attend,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each part of the row; without `parts`, transformers' own SDPA attention.

    Args:
        query: [1, heads, T, d]; key, value: [1, key-value heads, T, d].
        parts: what lies in the row; their tokens add up to T.
        within: what computes it, in bundles or all at once.

    Returns:
        [1, T, heads, d], and no weights.

    Raises:
        Unpackable: the layer wants a soft cap, sinks, or a window shorter than a sequence.
    """
    if parts is None:
        found, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return found, None
    window = options.get("sliding_window")
    longest = max(part.shared + max(part.chosen, part.rejected) for part in parts)
    if any(options.get(name) is not None for name in REFUSED) or (window is not None and window < longest):
        raise Unpackable
    return within(query, key, value, tuple(parts), scaling), None


def register(name: str, within: varlen.Within) -> None:
    """Let models be switched to packed attention by `within`."""
    AttentionInterface.register(name, partial(attention, within=within))
    AttentionMaskInterface.register(name, sdpa_mask)
    REGISTERED.add(name)


REGISTERED: set[str] = set()
register(LOOP, bundles.attend)
register(VARLEN, varlen.by(varlen.torchs, varlen.torchs_takes, bundles.attend))


def implementations(device: torch.device) -> tuple[str, ...]:
    """The packed attentions that are worth a try on a device, the fastest first."""
    return (VARLEN, LOOP) if device.type == "cuda" and varlen.torchs() is not None else (LOOP,)


def switched(model: Any) -> bool:
    """Whether a model attends by one of the packed attentions."""
    return model.config.get_text_config()._attn_implementation in REGISTERED


def switch(model: Any, implementation: str = LOOP) -> str:
    """Have a model attend by packed attention (or another implementation) from now on.

    Not for one forward pass alone: gradient checkpointing attends again while it goes backwards.

    Returns:
        The implementation before.
    """
    config = model.config.get_text_config()
    before: str = config._attn_implementation
    config._attn_implementation = implementation
    return before


def options(model: Any, parts: Sequence[Part]) -> dict[str, Any]:
    """What a switched model's forward is given for a packed row.

    transformers hands `parts` through to `attention`, and takes a mask of four dimensions as it is.

    Raises:
        ValueError: the model is not switched; it would see the whole row.
    """
    if not switched(model):
        raise ValueError("a packed batch wants a model that is switched to packed attention")
    return {"parts": parts, "attention_mask": UNUSED}
