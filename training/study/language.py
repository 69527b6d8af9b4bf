"""The tiny writer of the world's language: a tokenizer of whole words, and a small Llama."""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from training.engine import tiny
from training.engine.spec import TinySpec
from training.study.settings import Data
from training.study.world import ATTRIBUTES, World

PAD, END, UNKNOWN = "<|pad|>", "<|end|>", "<|unknown|>"
ROLES = ("<|user|>", "<|assistant|>")
MAX_LENGTH = 48  # tokens of a prompt and the longest response
HEADS = 4


def tokenizer(world: World) -> PreTrainedTokenizerFast:
    """A token for each word of the world, its marks, and nothing else."""
    marks = [PAD, END, UNKNOWN, *ROLES]
    asked = [f"a{one}" for one in range(ATTRIBUTES)] + [f"not{one}" for one in range(ATTRIBUTES)]
    vocabulary = {word: number for number, word in enumerate([*marks, *asked, *world.words])}
    built = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    built.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    built.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    fast = PreTrainedTokenizerFast(tokenizer_object=built, pad_token=PAD, eos_token=END, unk_token=UNKNOWN)
    fast.chat_template = tiny.CHAT_TEMPLATE
    return fast


def write_blank(folder: Path, world: World, data: Data) -> None:
    """Save the tokenizer and a Llama whose random weights follow from the world's seed."""
    words = tokenizer(world)
    model = tiny.model(
        TinySpec(hidden_size=data.hidden_size, layers=data.layers, heads=HEADS),
        vocabulary=len(words),
        max_length=MAX_LENGTH,
        pad_id=int(words.pad_token_id),
        eos_id=int(words.eos_token_id),
        seed=world.seed,
    )
    model.save_pretrained(folder)
    words.save_pretrained(folder)
