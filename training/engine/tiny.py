"""The `tiny` base model: a small Llama and a byte-level tokenizer, built here, downloaded from nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.engine.spec import TinySpec

PAD, END = "<|pad|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Bytes, so nothing is unknown, and merges of them learned on the texts: sequences get 2–3 times shorter.

    Padding, end of message and the roles are tokens of their own.
    """
    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(name, special=True) for name in (PAD, END, *ROLES)],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    built.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=built, pad_token=PAD, eos_token=END)
    fast.chat_template = CHAT_TEMPLATE
    return fast


def model(spec: TinySpec, *, vocabulary: int, max_length: int, pad_id: int, eos_id: int, seed: int) -> Any:
    """A Llama with random weights that follow from the seed."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=spec.hidden_size,
        intermediate_size=8 * (spec.hidden_size // 3),
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=max(2048, max_length),
        tie_word_embeddings=True,
        pad_token_id=pad_id,
        eos_token_id=eos_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)
