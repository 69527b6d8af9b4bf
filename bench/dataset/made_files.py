"""JSONL files of preferences with texts of their own."""

from __future__ import annotations

import json
import random
from pathlib import Path

from bench.annotating.database import WORDS

LINES = 997  # different bodies; each preference adds its own number
FRAME = 90  # bytes of a line that are not body


def write(path: Path, start: int, count: int, size: int) -> Path:
    """`count` lines of about `size` bytes; no text of two preferences is the same."""
    draw = random.Random(start)
    bodies = [_body(draw, size - FRAME) for _ in range(LINES)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(start, start + count):
            prompt, chosen, rejected = bodies[number % LINES]
            row = {"prompt": f"{number} {prompt}", "chosen": chosen, "rejected": f"{rejected} {number}"}
            file.write(json.dumps(row | {"score_chosen": number / 7, "score_rejected": 1.5}) + "\n")
    return path


def _body(draw: random.Random, size: int) -> tuple[str, str, str]:
    """A fifth is the prompt; both responses share the rest."""
    return (_text(draw, size // 5), _text(draw, size * 2 // 5), _text(draw, size * 2 // 5))


def _text(draw: random.Random, size: int) -> str:
    """Words, each third with a number in it, so that it compresses about as prose does."""
    words: list[str] = []
    length = 0
    while length < size:
        word = draw.choice(WORDS)
        words.append(word if draw.random() < 0.67 else f"{word}{draw.randrange(10_000)}")
        length += len(words[-1]) + 1
    return " ".join(words)[:size]
