"""Text to token ids, once per preference, with the tokenizer's chat template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from training.engine.errors import DatasetError
from training.engine.records import Messages, Preference

Ids = npt.NDArray[np.int32]

# For tokenizers without a template (base models). Plain text, so that no new token has to be learned.
# A prompt ends in a colon, not in a space: the space belongs to the answer's first token, and a model that is
# asked to go on after a lone space token was never trained to.
PLAIN_TEMPLATE = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True)
class Encoded:
    """Token ids of one preference, cut to max_length: prompt + completion, and where the completion starts.

    The first `prompt_length` ids are the same in both. Every completion has at least one token.
    `cut`: a response lost its end to max_length. `rewritten`: the template renders the prompt differently
    once it is answered, so that training and generation see different contexts.
    """

    chosen: Ids
    rejected: Ids
    prompt_length: int
    cut: bool = False
    rewritten: bool = False

    @property
    def chosen_length(self) -> int:
        return len(self.chosen) - self.prompt_length

    @property
    def rejected_length(self) -> int:
        return len(self.rejected) - self.prompt_length


# Takes a tokenizer, a preference and the longest length; None: the prompt leaves no room for a completion.
Encoder = Callable[[Any, Preference, int], Encoded | None]


def encode(tokenizer: Any, preference: Preference, max_length: int) -> Encoded | None:
    """Encode a preference; None when the prompt leaves no room for a completion.

    The completion starts where the prompt's ids and the whole conversation's ids part, as TRL does it: some
    templates render a prompt alone differently from the same prompt followed by an answer.
    """
    asked = _text(tokenizer, preference.prompt, generation=True)
    texts = [_text(tokenizer, preference.prompt + side) for side in (preference.chosen, preference.rejected)]
    prompt, chosen, rejected = _ids(tokenizer, [asked, *texts])
    length = min(common_prefix(prompt, chosen), common_prefix(prompt, rejected))
    if length >= min(len(chosen), len(rejected), max_length):
        return None
    return Encoded(
        np.asarray(chosen[:max_length], np.int32),
        np.asarray(rejected[:max_length], np.int32),
        length,
        cut=max(len(chosen), len(rejected)) > max_length,
        rewritten=not all(text.startswith(asked) for text in texts),
    )


def encode_all(
    tokenizer: Any,
    preferences: Sequence[Preference],
    max_length: int,
    tick: Callable[[], None] = lambda: None,
    one: Encoder = encode,
) -> list[Encoded | None]:
    """Encode every preference, in order, by `one`. `tick` is called between them (it may raise to stop).

    Raises:
        DatasetError: the tokenizer's template refuses a conversation.
    """
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    encoded = []
    for preference in preferences:
        tick()
        try:
            encoded.append(one(tokenizer, preference, max_length))
        except jinja2.TemplateError as error:
            raise DatasetError(
                f"The base model's chat template refuses preference {preference.id}: {error}",
                code="template_refused",
                hint="Some templates take no system turn, or want user and assistant in turns. "
                "Change those conversations, or choose another base model.",
            ) from error
    return encoded


def encode_prompt(tokenizer: Any, prompt: Messages) -> Ids:
    """A prompt's ids with the beginning of an answer, for a model to go on from; as `encode` sees it.

    Raises:
        DatasetError: the tokenizer's template refuses it.
    """
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    try:
        (ids,) = _ids(tokenizer, [_text(tokenizer, prompt, generation=True)])
    except jinja2.TemplateError as error:
        raise DatasetError(
            f"The model's chat template refuses a prompt: {error}", code="template_refused"
        ) from error
    return np.asarray(ids, np.int32)


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading ids agree."""
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return length


def _text(tokenizer: Any, messages: Messages, *, generation: bool = False) -> str:
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
    return text


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Of several texts in one call: most of what a call takes is the call."""
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return ids
