"""Text to token ids, once per preference, with the tokenizer's chat template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.engine.records import Messages, Preference

Ids = npt.NDArray[np.int32]

# For tokenizers without a template (base models). Plain text, so that no new token has to be learned.
PLAIN_TEMPLATE = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)


@dataclass(frozen=True)
class Encoded:
    """Token ids of one preference, cut to max_length: prompt + completion, and where the completion starts.

    The first `prompt_length` ids are the same in both. Every completion has at least one token.
    """

    chosen: Ids
    rejected: Ids
    prompt_length: int

    @property
    def chosen_length(self) -> int:
        return len(self.chosen) - self.prompt_length

    @property
    def rejected_length(self) -> int:
        return len(self.rejected) - self.prompt_length


def encode(tokenizer: Any, preference: Preference, max_length: int) -> Encoded | None:
    """Encode a preference; None when the prompt leaves no room for a completion.

    The completion starts where the prompt's ids and the whole conversation's ids part, as TRL does it: some
    templates render a prompt alone differently from the same prompt followed by an answer.
    """
    prompt = _ids(tokenizer, preference.prompt, generation=True)
    chosen = _ids(tokenizer, preference.prompt + preference.chosen)
    rejected = _ids(tokenizer, preference.prompt + preference.rejected)
    length = min(common_prefix(prompt, chosen), common_prefix(prompt, rejected))
    chosen, rejected = chosen[:max_length], rejected[:max_length]
    if length >= min(len(chosen), len(rejected)):
        return None
    return Encoded(np.asarray(chosen, np.int32), np.asarray(rejected, np.int32), length)


def encode_all(
    tokenizer: Any,
    preferences: Sequence[Preference],
    max_length: int,
    tick: Callable[[], None] = lambda: None,
) -> list[Encoded | None]:
    """Encode every preference, in order. `tick` is called between them (it may raise to stop)."""
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    encoded = []
    for preference in preferences:
        tick()
        encoded.append(encode(tokenizer, preference, max_length))
    return encoded


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading ids agree."""
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length


def _ids(tokenizer: Any, messages: Messages, *, generation: bool = False) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
