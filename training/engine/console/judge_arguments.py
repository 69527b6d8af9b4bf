"""What `pop-train alpaca-judge` takes. No torch here."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path


def add(command: argparse.ArgumentParser) -> None:
    """Files, how the judge is asked, how it is waited for, and what it may cost."""
    command.add_argument("outputs", type=Path, help="the model's outputs, as `alpaca-outputs` writes them")
    command.add_argument("reference", type=Path, help="the baseline's, in the same format")
    command.add_argument("--model", required=True, metavar="NAME", help="the judge, as its endpoint calls it")
    command.add_argument(
        "--out",
        type=Path,
        default=Path("annotations.json"),
        metavar="FILE",
        help="(default: annotations.json)",
    )
    command.add_argument("--json", action="store_true", help="the result as JSON on stdout, no table")
    asked = command.add_argument_group("how it is asked")
    asked.add_argument("--prompt", type=Path, metavar="FILE", help="a template, such as alpaca_eval's own")
    asked.add_argument(
        "--both-orders", action="store_true", help="ask about each pair in both orders and take the mean"
    )
    asked.add_argument("--seed", type=int, default=0, help="of the order of each pair (default: 0)")
    asked.add_argument(
        "--request",
        metavar="JSON",
        help='its settings, such as {"temperature": 0}; null takes one out',
    )
    asked.add_argument("--ask-again", action="store_true", help="also what the judge said nothing of use of")
    waited = command.add_argument_group("how it is waited for")
    waited.add_argument("--concurrency", type=_whole(1), default=4, metavar="N", help="at once (default: 4)")
    waited.add_argument("--timeout", type=_amount, default=60.0, metavar="S", help="seconds (default: 60)")
    waited.add_argument(
        "--retries", type=_whole(0), default=6, metavar="N", help="after failures that may pass (default: 6)"
    )
    waited.add_argument(
        "--wait",
        type=_amount,
        default=1.0,
        metavar="S",
        help="before the first; then twice that (default: 1)",
    )
    cost = command.add_argument_group("what it costs")
    cost.add_argument("--price-input", type=_amount, metavar="P", help="of a million tokens of questions")
    cost.add_argument("--price-output", type=_amount, metavar="P", help="of a million tokens of answers")
    cost.add_argument("--max-cost", type=_amount, metavar="P", help="refuse to spend more")
    cost.add_argument("--dry-run", action="store_true", help="say what is left to ask, and ask nothing")
    cost.add_argument("--yes", action="store_true", help="begin without a question")


def _whole(least: int) -> Callable[[str], int]:
    """A reader of whole numbers; ArgumentTypeError, which the parser says, for anything else."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return int(text)

    return read


def _amount(text: str) -> float:
    """A finite number from 0. Raises ArgumentTypeError, which the parser says, for anything else."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0")
    return found
