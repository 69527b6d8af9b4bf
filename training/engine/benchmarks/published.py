"""Token ids as the `rewardbench` package (0.1.4) makes them for policies, quirks and all. No torch here."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.engine.encoding import Encoded, common_prefix
from training.engine.records import Messages, Preference

KEPT = 128  # tokens of a prompt, its last ones, where a conversation is too long
LONGEST = 2048  # tokens of a conversation


def encode(tokenizer: Any, one: Preference, max_length: int) -> Encoded | None:
    """As `encoding.encode`, but tokenised as the package does it.

    It puts a beginning-of-text token before what the template has begun with one already, and an end token
    behind what the template has ended already; it asks with a prompt that does not begin the answer, so that
    the answer's header is scored too (the same for both responses); and it cuts a conversation that is too
    long to the last 128 tokens of its prompt.
    """
    prompt = _text(tokenizer, one.prompt)
    asked = _ids(tokenizer, prompt)
    max_length, answers = min(max_length, LONGEST), []
    for side in (one.chosen, one.rejected):
        answer = _text(tokenizer, one.prompt + side).replace(prompt, "")
        answers.append(_ids(tokenizer, prompt + answer))
    start = min(common_prefix(asked, ids) for ids in answers)
    beginning = tokenizer.bos_token_id
    if beginning is None:
        beginning = tokenizer.eos_token_id
    before = [beginning, *answers[0][:start]]
    after = [[*ids[start:], tokenizer.eos_token_id] for ids in answers]
    longest = max(map(len, after))
    if len(before) + longest > max_length:
        before = before[-KEPT:]
    if len(before) + longest > max_length:
        after = [ids[: max(max_length - KEPT, 0)] for ids in after]
    if not all(after):
        return None
    chosen, rejected = (np.asarray(before + ids, np.int32) for ids in after)
    return Encoded(chosen, rejected, len(before), cut=longest > max(map(len, after)))


def _text(tokenizer: Any, messages: Messages) -> str:
    text: str = tokenizer.apply_chat_template(messages, tokenize=False)
    return text


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
