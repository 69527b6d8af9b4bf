"""The scorer reads log-probabilities right off several architectures, and refuses those it would misread."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    MistralConfig,
    Qwen2Config,
)

from training.engine.errors import ModelError
from training.engine.logps import Scorer, check_head

SIZES: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
KNOWN = [
    MistralConfig(**SIZES),
    Qwen2Config(**SIZES),
    Gemma2Config(**SIZES, final_logit_softcapping=2.0, attn_implementation="eager"),
    GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2),
]


def build(config: Any) -> Any:
    """A model whose logits are large enough for caps and scales to show."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for one in model.parameters():
            one.mul_(8)
    return model


@pytest.mark.parametrize("config", KNOWN, ids=lambda config: config.model_type)
def test_known_heads_are_read_like_the_model_reads_them(config: Any) -> None:
    model = build(config)
    check_head(model)
    ids = torch.tensor([[5, 9, 14, 3, 8]])
    completion = torch.tensor([[False, False, True, True, True]])
    with torch.no_grad():
        ours = Scorer(model)(ids, torch.ones_like(ids), completion)
        scores = torch.log_softmax(model(input_ids=ids).logits[0], -1)
    expected = sum(float(scores[place - 1, ids[0, place]]) for place in (2, 3, 4))
    assert ours.item() == pytest.approx(expected, rel=1e-4)


def test_a_head_that_scales_its_logits_is_refused() -> None:
    model = build(CohereConfig(**SIZES, logit_scale=0.1))
    with pytest.raises(ModelError, match="transforms its logits"):
        check_head(model)
