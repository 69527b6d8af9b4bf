"""A small Llama, preferences of random tokens, and rows that pair them: the same for every trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from training.engine.encoding import Encoded

PROMPT, RESPONSE = (64, 128), (64, 192)  # tokens, both ends included


@dataclass(frozen=True)
class Size:
    """What a case is measured on."""

    vocabulary: int
    preferences: int
    hidden: int = 256
    layers: int = 4
    dtype: torch.dtype = torch.float32


def model(size: Size) -> Any:
    """Random weights, always the same."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=int(size.hidden * 8 / 3) // 8 * 8,
        num_hidden_layers=size.layers,
        num_attention_heads=max(4, size.hidden // 64),
        num_key_value_heads=max(4, size.hidden // 64),
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return AutoModelForCausalLM.from_config(config, dtype=size.dtype)


def weights(size: Size) -> int:
    """Weights that every token is multiplied with: all but the table of input embeddings."""
    with torch.device("meta"):
        made = model(size)
    found: int = sum(one.numel() for one in made.parameters()) - size.vocabulary * size.hidden
    return found


def tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Words `3`, `4`, …: a text is its token ids. Marks are no numbers: they are found within words too."""
    marks = ("<pad>", "<s>", "</s>")
    known = {word: number for number, word in enumerate((*marks, *map(str, range(len(marks), vocabulary))))}
    words = Tokenizer(models.WordLevel(known, unk_token=marks[0]))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=marks[0],
        bos_token=marks[1],
        eos_token=marks[2],
        unk_token=marks[0],
    )


def texts(size: Size) -> list[dict[str, str]]:
    """Preferences as TRL reads them; lengths are even over their ranges."""
    draws = np.random.default_rng(0)

    def words(low: int, high: int) -> str:
        drawn = draws.integers(3, size.vocabulary, draws.integers(low, high + 1))
        return " ".join(map(str, drawn))

    return [
        {"prompt": words(*PROMPT), "chosen": " " + words(*RESPONSE), "rejected": " " + words(*RESPONSE)}
        for _ in range(size.preferences)
    ]


def encoded(size: Size) -> list[Encoded]:
    """The same preferences as the engine reads them, with the end token that TRL adds."""

    def ids(text: str) -> list[int]:
        return [int(word) for word in text.split()]

    found = []
    for one in texts(size):
        prompt = ids(one["prompt"])
        sides = [np.asarray([*prompt, *ids(one[side]), 2], np.int32) for side in ("chosen", "rejected")]
        found.append(Encoded(sides[0], sides[1], len(prompt)))
    return found


def rows(size: Size, k: int) -> list[dict[str, int]]:
    """A random project's rows: k weak partners for each preference, drawn evenly."""
    draws = np.random.default_rng(1)
    return [
        {"strong": strong, "weak": int((strong + draws.integers(1, size.preferences)) % size.preferences)}
        for strong in range(size.preferences)
        for _ in range(k)
    ]
