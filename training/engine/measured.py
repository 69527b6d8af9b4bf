"""The size of a model that `shapes` has no arithmetic for: built without memory, and counted."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from training.engine import shapes
from training.engine.shapes import Shape


def of(config: Any) -> Shape:
    """The shape of a transformers config: by arithmetic where `shapes` knows the family, else `shape`."""
    return shapes.shape(config.to_dict()) or shape(config)


def shape(config: Any) -> Shape:
    """Build the model of a transformers config on torch's meta device and count it."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    text = config.get_text_config()
    head = model.get_output_embeddings()
    layers = [one for one in model.modules() if isinstance(one, nn.Linear) and one is not head]
    tied = head is None or head.weight is model.get_input_embeddings().weight
    hidden = int(text.hidden_size)
    heads = int(getattr(text, "num_attention_heads", None) or 1)
    keys = int(getattr(text, "num_key_value_heads", None) or heads)
    return Shape(
        parameters=sum(one.numel() for one in model.parameters()),
        linears=tuple((one.in_features, one.out_features) for one in layers),
        layers=int(text.num_hidden_layers),
        hidden=hidden,
        intermediate=int(getattr(text, "intermediate_size", None) or 4 * hidden),
        key_value=hidden * keys // heads,
        vocabulary=int(text.vocab_size),
        head=0 if tied else head.weight.numel(),
    )
