"""The scorer reads log-probabilities right off several architectures, and refuses those it would misread."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPT2Config,
    Lfm2Config,
    Llama4TextConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
)

from training.engine import packing
from training.engine.encoding import Encoded
from training.engine.errors import ModelError
from training.engine.layouts import Layout, packed, pad, padded
from training.engine.logps import Scorer, check_head, evaluating, layout_for

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
    model = AutoModelForCausalLM.from_config(copy.deepcopy(config)).eval()
    with torch.no_grad():
        for one in model.parameters():
            one.mul_(8)
    return model


@pytest.mark.parametrize("config", KNOWN, ids=lambda config: config.model_type)
def test_known_heads_are_read_like_the_model_reads_them(config: Any) -> None:
    model = build(config)
    check_head(model)
    ids = torch.tensor([[5, 9, 14, 3, 8]])
    with torch.no_grad():
        ours = Scorer(model)(pad([(ids[0].numpy(), 2)], 0))
        scores = torch.log_softmax(model(input_ids=ids).logits[0], -1)
    expected = sum(float(scores[place - 1, ids[0, place]]) for place in (2, 3, 4))
    assert ours.item() == pytest.approx(expected, rel=1e-4)


def test_a_head_that_scales_its_logits_is_refused() -> None:
    model = build(CohereConfig(**SIZES, logit_scale=0.1))
    with pytest.raises(ModelError, match="transforms its logits"):
        check_head(model)


def test_a_model_whose_backbone_cannot_be_asked_apart_is_refused_in_words() -> None:
    """`base_model` of such a text model is the model itself, whose forward gives logits and no states."""
    model = build(Llama4TextConfig(**SIZES, intermediate_size_mlp=64, num_local_experts=2))
    with pytest.raises(ModelError, match="no backbone and output head") as refused:
        check_head(model)
    assert refused.value.code == "model_unsupported"
    assert "Llama, Qwen" in refused.value.hint


def encoded() -> list[Encoded]:
    """Two preferences; the responses of the second begin alike, and one ends where the other goes on."""
    texts = [([5, 9, 14], [3, 8, 20, 7], [4, 8]), ([6, 2], [11, 12, 13], [11, 12])]
    return [
        Encoded(np.asarray(prompt + one, np.int32), np.asarray(prompt + other, np.int32), len(prompt))
        for prompt, one, other in texts
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (KNOWN[1], packed),
        (KNOWN[3], packed),
        (MistralConfig(**SIZES, sliding_window=None), packed),
        (MistralConfig(**SIZES, sliding_window=4), padded),  # shorter than the longest sequence
        (KNOWN[2], padded),  # caps in its attention
        (LlamaConfig(**{**SIZES, "num_key_value_heads": 1}), packed),
        (MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4), padded),
    ],
    ids=["qwen2", "gpt2", "mistral", "mistral-window", "gemma2", "llama-gqa", "mamba"],
)
def test_models_are_packed_where_that_changes_nothing(config: Any, expected: Layout) -> None:
    model = build(config)
    with torch.no_grad():
        plain = Scorer(model)(padded(encoded(), 0))
    layout = layout_for(model, [None, *encoded()], 0)
    assert layout is expected
    with torch.no_grad():
        torch.testing.assert_close(Scorer(model)(layout(encoded(), 0)), plain, rtol=1e-4, atol=1e-4)


def test_a_window_shorter_than_any_sequence_is_found_at_the_start() -> None:
    """The longest sequence is not in the preference with the most tokens."""
    texts = [([5], [3, 4, 5, 6, 7], [8, 9, 10, 11, 12]), ([5], [3, 4, 5, 6, 7, 8, 9, 10, 11], [8])]
    pairs = [
        Encoded(np.asarray(prompt + one, np.int32), np.asarray(prompt + other, np.int32), 1)
        for prompt, one, other in [*texts, ([5], [1], [2])]
    ]
    model = build(MistralConfig(**SIZES, sliding_window=8))
    assert layout_for(model, pairs, 0) is padded


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_a_convolution_carries_over_is_found_in_long_responses(dtype: torch.dtype) -> None:
    """In a sum over many tokens bf16 rounds by more than the first tokens differ."""
    draws = np.random.default_rng(0)
    lengths = [(40, 150, 200), (10, 60, 70)]
    texts = [[draws.integers(3, 90, length).tolist() for length in one] for one in lengths]
    pairs = [
        Encoded(np.asarray(prompt + one, np.int32), np.asarray(prompt + other, np.int32), len(prompt))
        for prompt, one, other in texts
    ]
    config = Lfm2Config(**{**SIZES, "hidden_size": 64}, layer_types=["conv", "full_attention"])
    assert layout_for(build(config).to(dtype), pairs, 0) is padded


def test_scoring_leaves_every_module_as_it_was() -> None:
    model = build(KNOWN[1])
    model.model.layers[0].train()
    scorer = Scorer(model)
    with evaluating(scorer):
        assert not any(module.training for module in scorer.modules())
    assert scorer.training
    assert not model.training
    assert all(module.training for module in model.model.layers[0].modules())


def test_a_packed_batch_is_refused_by_a_model_that_would_see_the_whole_row() -> None:
    with pytest.raises(ValueError, match="switched"):
        Scorer(build(KNOWN[1]))(packed(encoded(), 0))


def test_gradients_of_a_packed_row_are_those_of_padded_sequences() -> None:
    found = []
    for layout in (padded, packed):
        model = build(KNOWN[1]).double()
        packing.switch(model)
        scores = Scorer(model)(layout(encoded(), 0))
        weights = torch.arange(1.0, 5.0, dtype=torch.float64)
        found.append(torch.autograd.grad((scores * weights).sum(), list(model.parameters())))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)  # Qwen's norm computes in fp32
