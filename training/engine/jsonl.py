"""JSON lines made by somebody else. No torch here.

A line is a PoP row: `strong_prompt`, `strong_chosen`, `strong_rejected` and the same with `weak_`, or
`strong` and `weak` objects with prompt, chosen, rejected; or a plain preference, which makes no row.
Texts and message lists are both taken; message lists of responses may repeat the prompt. Optional: `split`,
`confidence`, `provenance` (rows marked `tie` are counted and left out; `inferred` ones nobody answered),
score_chosen and score_rejected. A preference is known by its content, so one that appears in many rows is
kept once, with the first scores that any of them gives.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training.engine.errors import DatasetError
from training.engine.records import INFERRED, SPLITS, TIE, Messages, PopData, Preference, Row, canonical_line

PARTS = ("prompt", "chosen", "rejected")
SCORES = ("score_chosen", "score_rejected")


@dataclass
class _Pool:
    """Preferences by content, in order of first appearance."""

    preferences: list[Preference] = field(default_factory=list)
    places: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, parts: dict[str, Any], split: str) -> int:
        prompt = _messages(parts["prompt"], "user")
        content = {
            "prompt": prompt,
            "chosen": _answer(prompt, parts["chosen"]),
            "rejected": _answer(prompt, parts["rejected"]),
        }
        if content["chosen"] == content["rejected"]:
            raise ValueError("chosen and rejected are the same")
        key = hashlib.sha256(canonical_line(content).rstrip()).hexdigest()
        chosen, rejected = (_number(parts.get(name), name) for name in SCORES)
        place = self.places.setdefault((key, split), len(self.preferences))
        if place == len(self.preferences):
            self.preferences.append(Preference(key, split, prompt, content["chosen"], content["rejected"]))
        if self.preferences[place].score_margin is None:
            self.preferences[place] = replace(
                self.preferences[place], score_chosen=chosen, score_rejected=rejected
            )
        return place


def read_jsonl(file: Path) -> PopData:
    """Read JSON lines. The hash is that of the file's bytes.

    Raises:
        DatasetError: a line is not JSON or lacks a part; the message has its number.
    """
    digest, pool = hashlib.sha256(), _Pool()
    rows: list[Row] = []
    ties = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            digest.update(line)
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                found = _read_line(record, pool)
                tied = bool(found) and record.get("provenance") == TIE
                ties += tied
                rows.extend([] if tied else found)
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                raise DatasetError(
                    f"{file.name}, line {number}: {_reason(error)}.",
                    hint="A line needs strong and weak (or prompt, chosen, rejected), as text or messages.",
                ) from error
    return PopData(pool.preferences, rows, digest.hexdigest(), ties=ties)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON (half-written?): {error}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error}"
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error)


def _read_line(record: Any, pool: _Pool) -> list[Row]:
    if not isinstance(record, dict):
        raise TypeError("a line must be a JSON object")
    split = record.get("split") or "train"
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    if "chosen" in record and "strong" not in record and "strong_chosen" not in record:
        pool.add(_parts(record, ""), split)
        return []
    sides = [pool.add(_side(record, side), split) for side in ("strong", "weak")]
    if sides[0] == sides[1]:
        raise ValueError("strong and weak are the same preference")
    confidence = _number(record.get("confidence"), "confidence")
    sure = 1.0 if confidence is None else confidence
    return [Row(sides[0], sides[1], split, sure, record.get("provenance") == INFERRED)]


def _side(record: dict[str, Any], side: str) -> dict[str, Any]:
    if isinstance(record.get(side), dict):
        return _parts(record[side], "", f"{side}.")
    return _parts(record, f"{side}_")


def _parts(record: dict[str, Any], prefix: str, shown: str = "") -> dict[str, Any]:
    for part in PARTS:
        if prefix + part not in record:
            raise KeyError(f"{shown}{prefix}{part}")
    return {name: record.get(prefix + name) for name in (*PARTS, *SCORES)}


def _messages(value: Any, role: str) -> Messages:
    """Text becomes one message of `role`; a message list must have roles and text contents."""
    if isinstance(value, str):
        value = [{"role": role, "content": value}]
    if not isinstance(value, list) or not value:
        raise TypeError(f"expected text or a list of messages, found {type(value).__name__}")
    if not all(isinstance(one, dict) and isinstance(one.get("content"), str) for one in value):
        raise TypeError("a message needs role and content, both text")
    if not any(one["content"].strip() for one in value):
        raise ValueError(f"the {role} side is empty")
    return [{"role": str(one.get("role", role)), "content": one["content"]} for one in value]


def _answer(prompt: Messages, value: Any) -> Messages:
    """A response's messages; a whole conversation loses the prompt that it begins with."""
    messages = _messages(value, "assistant")
    answer = messages[len(prompt) :] if messages[: len(prompt)] == prompt else messages
    if not answer or answer[0]["role"] != "assistant":
        raise ValueError("a response begins with another conversation than the prompt, not by the assistant")
    return answer


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{name} must be a finite number")
    return float(value)
