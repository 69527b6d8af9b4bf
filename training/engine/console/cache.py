"""`pop-train cache`: what is kept for later runs, and how to be rid of it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

from training.engine import reference_cache
from training.engine.cli import CRASHED, FINISHED, say
from training.engine.console import display
from training.engine.console.units import BYTES, scaled
from training.engine.reference_cache import Space

SHOWN = 12  # characters of a space's name


def show(*, as_json: bool) -> int:
    """Print what the cache holds, last used first; the exit code."""
    found = reference_cache.spaces()
    say(_document(found) if as_json else _table(found))
    return FINISHED


def prune(days: float | None, *, as_json: bool) -> int:
    """Remove what no run used for so many days (None: everything) and print what went; the exit code."""
    asked = reference_cache.prune(-math.inf if days is None else days)
    stuck = [one for one in asked if one.folder.exists()]
    gone = [one for one in asked if one not in stuck]
    say(_document(gone) if as_json else _removed(gone, days))
    for one in stuck:
        display.say(f"{one.folder} could not be removed.")
    return CRASHED if stuck else FINISHED


def _table(found: list[Space]) -> str:
    where = reference_cache.folder().parent
    if not found:
        return f"Nothing is kept in {where}."
    lines = [("model", "sequences", "size", "last used"), *map(_line, found)]
    widths = [max(len(line[place]) for line in lines) for place in range(3)]
    rows = [f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}" for a, b, c, d in lines]
    return "\n".join([*rows, f"{_sum(found)} in {where}"])


def _line(one: Space) -> tuple[str, str, str, str]:
    used = datetime.fromtimestamp(one.used, UTC).astimezone()
    return one.folder.name[:SHOWN], f"{one.sequences:,}", scaled(one.bytes, BYTES), f"{used:%Y-%m-%d %H:%M}"


def _removed(gone: list[Space], days: float | None) -> str:
    if gone:
        names = ", ".join(one.folder.name[:SHOWN] for one in gone)
        return f"Removed {_sum(gone)}: {names}"
    if days is None:
        return f"Nothing is kept in {reference_cache.folder().parent}."
    return f"Nothing to remove: all there is was used in the last {days:g} days."


def _sum(found: list[Space]) -> str:
    sequences, size = (sum(getattr(one, name) for one in found) for name in ("sequences", "bytes"))
    counts = ((len(found), "model"), (sequences, "sequence"))
    shown = ", ".join(f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in counts)
    return f"{shown}, {scaled(size, BYTES)}"


def _document(found: list[Space]) -> str:
    described = [
        {
            "folder": str(one.folder),
            "sequences": one.sequences,
            "bytes": one.bytes,
            "used": datetime.fromtimestamp(one.used, UTC).isoformat(timespec="seconds"),
        }
        for one in found
    ]
    return json.dumps(described, indent=2)
