"""AlpacaEval's question to a judge, and what its answer says. No torch here.

The way of `weighted_alpaca_eval_gpt4_turbo` of `alpaca_eval` 0.6.6: the judge sees two outputs, `m` and `M`,
in an order drawn from the instruction, and names one by a single token. The log-probabilities of both names
make a preference from 1 (certainly the first) to 2. An endpoint that gives none says 1 or 2 by the name that
it writes.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.engine.errors import DatasetError, SpecError

FORMAT = 1  # of keys
NAMES = ("m", "M")  # of the first and of the second output
PARTS = ("instruction", "output", "generator")  # of an output
OWN = ("model", "messages", "stream", "n")  # of a request, which settings leave alone
PLACES = ("instruction", "output_1", "output_2")
PLACE = re.compile(r"\{(" + "|".join(PLACES) + r")\}")
START, END = "<|im_start|>", "<|im_end|>"
REFUSED = "refused"
SAID = 40  # characters that are kept of an answer
# Of the package's own template: figures with another one are no leaderboard's.
PACKAGES = "784227e6dc2832fc08c43d2c8ea3a308e7523780187a1aaad2f85e30bac85f62"
# Of the package; the temperature matters only where there are no log-probabilities.
SETTINGS: dict[str, Any] = {
    "max_tokens": 1,
    "temperature": 1,
    "top_p": 1.0,
    "logprobs": True,
    "top_logprobs": 5,
}
OURS = """<|im_start|>system
You compare two answers to one instruction and name the one that a careful reader would prefer.
<|im_end|>
<|im_start|>user
# Instruction

{instruction}

# Answer m

{output_1}

# Answer M

{output_2}

# Question

Which answer is better: does what was asked, is right, and is useful to whoever asked? Neither length nor
place is a merit. Reply with the name of the better answer, m or M, and with nothing else.
<|im_end|>"""


@dataclass(frozen=True)
class Prompt:
    """A template: messages in ChatML, or one user message, with each of `PLACES` once."""

    text: str = OURS

    def __post_init__(self) -> None:
        parts = self._messages()
        if len(parts) != self.text.count(START):
            raise SpecError(
                f"A message of a judge's prompt goes from {START}, its role and a new line to {END}."
            )
        inside = "".join(content for _, content in parts) if parts else self.text
        if sorted(PLACE.findall(inside)) != sorted(PLACES):
            places = ", ".join(f"{{{one}}}" for one in PLACES)
            raise SpecError(f"The messages of a judge's prompt need each of {places} once.")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def name(self) -> str:
        """What results call it."""
        if self.text == OURS:
            return "pop-studio"
        return "alpaca_eval_clf" if self.sha256 == PACKAGES else self.sha256

    def filled(self, instruction: str, first: str, second: str) -> list[dict[str, str]]:
        """The messages about two outputs; what looks like a place or a message in these is text."""
        values = dict(zip(PLACES, (instruction, first, second), strict=True))
        parts = self._messages() or [("user", self.text)]
        return [
            {"role": role, "content": PLACE.sub(lambda found: values[found[1]], content.strip())}
            for role, content in parts
        ]

    def _messages(self) -> list[tuple[str, str]]:
        found = re.findall(re.escape(START) + r"(\w+)\n(.*?)" + re.escape(END), self.text, re.DOTALL)
        return [(role, content) for role, content in found]


def prompt(file: Path | None) -> Prompt:
    """The template in a file, or the program's own.

    Raises:
        SpecError: it cannot be read, or lacks a place.
    """
    if file is None:
        return Prompt()
    try:
        return Prompt(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file} cannot be read: {error}") from error


def settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """A request's settings: the package's, but what `given` says otherwise; None takes one out.

    Raises:
        SpecError: it sets what is not for it to set, or holds what no JSON does.
    """
    if taken := sorted(given.keys() & set(OWN)):
        raise SpecError(f"Settings of a request cannot set {', '.join(taken)}.")
    try:
        json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise SpecError("Settings of a request are finite numbers, whole texts and the like.") from None
    return {name: value for name, value in {**SETTINGS, **given}.items() if value is not None}


def changed(found: Mapping[str, Any]) -> str:
    """In which settings a request is not the package's, as JSON; empty: in none."""
    names = [name for name in sorted(found.keys() | SETTINGS) if found.get(name) != SETTINGS.get(name)]
    return json.dumps({name: found.get(name) for name in names}) if names else ""


@dataclass(frozen=True)
class Pair:
    """Two outputs to an instruction: the baseline's (`baseline`) and the model's."""

    instruction: str
    baseline: Mapping[str, Any]
    model: Mapping[str, Any]

    @property
    def same(self) -> bool:
        """Such a pair is a draw, and nobody is asked."""
        return bool(self.baseline["output"] == self.model["output"])


def paired(model: Sequence[Mapping[str, Any]], baseline: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Outputs to the same instructions, in the baseline's order; the second of one with its second.

    Raises:
        DatasetError: there is none, an output is no text, or a file is of several models.
    """
    for file in (model, baseline):
        if not all(isinstance(one[name], str) for one in file for name in PARTS):
            raise DatasetError(f"{', '.join(PARTS)} of an output must be text.")
        if not all(_whole(one[name]) for one in file for name in PARTS):
            raise DatasetError("An output holds half of a character, which cannot be sent.")
        if len(names := sorted({one["generator"] for one in file})) > 1:
            raise DatasetError(f"The outputs are of more than one model: {', '.join(names)}.")
    waiting: dict[str, list[Mapping[str, Any]]] = {}
    for one in model:
        waiting.setdefault(one["instruction"], []).append(one)
    found = [
        Pair(one["instruction"], one, waiting[one["instruction"]].pop(0))
        for one in baseline
        if waiting.get(one["instruction"])
    ]
    if not found:
        raise DatasetError("The two files have no instruction in common.", code="dataset_empty")
    return found


def _whole(text: str) -> bool:
    """Whether text can be written as UTF-8; JSON may hold halves of characters that cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def switched(instruction: str, seed: int = 0) -> bool:
    """Whether the model's output is shown first, drawn as the package draws it."""
    drawn = random.Random(f"is_switched_outputs{instruction}{seed}")  # noqa: S311 - no secret
    return drawn.choices([False, True])[0]


def body(
    pair: Pair, prompt: Prompt, model: str, settings: Mapping[str, Any], *, swap: bool
) -> dict[str, Any]:
    """The request about a pair, the model's output first if `swap`."""
    outputs = [pair.baseline["output"], pair.model["output"]]
    first, second = reversed(outputs) if swap else outputs
    return {"model": model, "messages": prompt.filled(pair.instruction, first, second), **settings}


def key(request: Mapping[str, Any]) -> str:
    """Of an answer: everything that was asked, and how."""
    text = json.dumps([FORMAT, request], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Verdict:
    """What a judge said of a pair, in the order it was asked.

    Attributes:
        preference: from 1, the first output, to 2; None: it named neither.
        by: "logprobs" or "text"; `REFUSED`: the endpoint did not take the question.
        said: the beginning of what it wrote.
        tokens: of questions and of answers, all tries together.
    """

    preference: float | None
    by: str
    said: str
    tokens: tuple[int, int]


def read(choice: Mapping[str, Any]) -> tuple[float | None, str]:
    """Preference in the order asked, and what it was read from, of a choice of a chat completion."""
    likely = _likely(choice)
    if likely:
        first, second = (likely.get(name, -math.inf) for name in NAMES)
        return _between(first, second), "logprobs"
    name = named(said(choice))
    return (float(NAMES.index(name) + 1) if name else None), "text"


def named(text: str) -> str:
    """Which of `NAMES` a judge wrote; empty: neither."""
    found = re.fullmatch(r"\W*([mM])\W*", text)
    return found[1] if found else ""


def said(choice: Mapping[str, Any]) -> str:
    """What the judge wrote."""
    message = choice.get("message")
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, str) else ""


def oriented(preference: float | None, *, swap: bool) -> float | None:
    """A preference in the order asked as one from the baseline, 1, to the model, 2."""
    return None if preference is None else 3 - preference if swap else preference


def _likely(choice: Mapping[str, Any]) -> dict[str, float]:
    """Log-probabilities of the likeliest first tokens; nothing where the endpoint gives none."""
    try:
        top = choice["logprobs"]["content"][0]["top_logprobs"]
        return {str(one["token"]): _float(one["logprob"]) for one in top}
    except (KeyError, IndexError, TypeError, ValueError):
        return {}


def _float(value: Any) -> float:
    """A number as JSON's 1e999 is read, infinite, where it has more digits than a float holds."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _between(first: float, second: float) -> float | None:
    """2 − P(first) where only two are possible, from their log-probabilities."""
    if math.isnan(first + second) or math.isinf(max(first, second)):
        return None
    shares = [math.exp(one - max(first, second)) for one in (first, second)]
    return 2 - shares[0] / sum(shares)
