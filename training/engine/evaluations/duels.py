"""Responses of two models to the same prompts, one against the other under a judge. No torch here.

A response is a mapping as a line of generations.jsonl: `prompt_id`, `prompt` (messages), `sample`, `response`
(text). Its number says which response of the other it meets, so that no response counts twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from training.engine.evaluations.heldout import Duels, Floats, HeldOut
from training.engine.records import Messages

Response = Mapping[str, Any]
Pair = tuple[Response, Response]
# Takes (prompt, response text) of each conversation and gives a reward for each; NaN: none.
# One whose `ends` is true takes (prompt, response text, whether it ended by itself).
Judge = Callable[[Sequence[Any]], Sequence[float]]

ABOUT = ("judge", "judge_sha256", "against", "opponent", "sampling")
FEWEST = 0.5  # of the prompts, which both sides must have answered
NOT_JUDGED = "Nothing was judged: a win rate needs evaluation.generation.prompts and evaluation.judge."
NO_REWARD = (
    "The judge gave no finite reward to a response of {count} of {total} pairs, which are left out. Too long "
    "for it, or a judge that overflows in its precision: the texts are in generations.jsonl."
)
NO_REWARDS = "The judge gave no finite reward at all: look at its weights and precision, or name another one."


def prompt_id(prompt: Messages) -> str:
    """SHA-256 of a prompt's messages."""
    text = json.dumps([[one["role"], one["content"]] for one in prompt], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read(text: str, *, ids: bool = True) -> list[dict[str, Any]]:
    """The lines of a generations.jsonl, each looked at.

    Args:
        ids: whether they need their `prompt_id`.

    Raises:
        ValueError: which line lacks what.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):  # other ends of lines may stand in a response
        if not line.strip():
            continue
        try:
            one = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON ({error})") from error
        if fault := _fault(one, ids=ids):
            raise ValueError(f"line {number} {fault}")
        found.append(one)
    return found


def _fault(line: Any, *, ids: bool) -> str:
    """What a line lacks, if anything."""
    if not isinstance(line, dict):
        return "is no object"
    for name, kind in ((("prompt_id", str),) if ids else ()) + (("sample", int), ("response", str)):
        if not isinstance(line.get(name), kind):
            return f"has no {'number' if kind is int else 'text'} {name}"
    prompt = line.get("prompt")
    if not isinstance(prompt, list) or not all(map(_is_message, prompt)):
        return "has no prompt of messages with role and content"
    return ""


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(name), str) for name in ("role", "content"))


def matched(ours: Iterable[Response], theirs: Iterable[Response]) -> list[Pair]:
    """Each of our responses with theirs of the same prompt and number, where there is one."""
    known = {(one["prompt_id"], one["sample"]): one for one in theirs}
    keys = ((one, (one["prompt_id"], one["sample"])) for one in ours)
    return [(one, known[key]) for one, key in keys if key in known]


def fought(pairs: Sequence[Pair], judge: Judge, *, named: str = "", against: str = "") -> Duels:
    """The rewards of both sides of each pair. What the judge cannot tell apart is judged once, and equal."""
    told = conversation(judge)
    asked = {(one["prompt_id"], *told(one)[1:]): told(one) for pair in pairs for one in pair}
    given = [float(one) for one in judge(list(asked.values()))]
    rewards = dict(zip(asked, given, strict=True))
    sides = [
        [rewards[one["prompt_id"], *told(one)[1:]] for one in side] for side in zip(*pairs, strict=True)
    ] or [[], []]
    places = {name: place for place, name in enumerate(dict.fromkeys(one["prompt_id"] for one, _ in pairs))}
    return Duels(
        prompts=np.asarray([places[one["prompt_id"]] for one, _ in pairs], np.int64),
        ours=np.asarray(sides[0], np.float64),
        theirs=np.asarray(sides[1], np.float64),
        our_lengths=np.asarray([len(one["response"]) for one, _ in pairs], np.float64),
        their_lengths=np.asarray([len(one["response"]) for _, one in pairs], np.float64),
        judge=named,
        against=against,
    )


def conversation(judge: Judge) -> Callable[[Response], tuple[Any, ...]]:
    """Makes of a response what this judge takes; one that does not say how it ended has ended by itself."""
    ends = getattr(judge, "ends", False)
    return lambda one: (
        one["prompt"],
        one["response"],
        *((one.get("ended") != "length",) if ends else ()),
    )


def swapped(duels: Duels) -> Duels:
    """The same from the other side."""
    return replace(
        duels,
        ours=duels.theirs,
        theirs=duels.ours,
        our_lengths=duels.their_lengths,
        their_lengths=duels.our_lengths,
    )


def finite(duels: Duels) -> tuple[Duels, str]:
    """The pairs with two finite rewards, and what to say of the others."""
    known = np.isfinite(duels.ours) & np.isfinite(duels.theirs)
    lost = int((~known).sum())
    if not lost:
        return duels, ""
    arrays = ("prompts", "ours", "theirs", "our_lengths", "their_lengths")
    kept = replace(duels, **{name: getattr(duels, name)[known] for name in arrays})
    return kept, NO_REWARD.format(count=lost, total=len(known)) if known.any() else NO_REWARDS


def reported(heldout: HeldOut, of: Callable[[Duels, int], dict[str, Any]]) -> dict[str, Any]:
    """{"n" (pairs), "prompts", what `of` says of them, those of `ABOUT` that are known, "note"}, or why not.

    Args:
        of: takes pairs with finite rewards, and the seed of the bootstrap.
    """
    if heldout.duels is None:
        empty = not len(heldout.margin) and not len(heldout.chosen_logps)
        return {"skipped": heldout.unjudged or (heldout.none if empty else NOT_JUDGED)}
    duels, note = finite(heldout.duels)
    if not len(duels.ours):
        return {"skipped": note or NOT_JUDGED}
    found: dict[str, Any] = {"n": len(duels.ours), "prompts": len(np.unique(duels.prompts))}
    found |= of(duels, heldout.seed)
    about = {name: getattr(duels, name) for name in ABOUT}
    about["note"] = note
    return found | {name: text for name, text in about.items() if text}


def wins(duels: Duels) -> Floats:
    """1 where our response has the larger reward, ½ where they are equal, else 0: [m]."""
    found: Floats = (np.sign(duels.ours - duels.theirs) + 1) / 2
    return found
