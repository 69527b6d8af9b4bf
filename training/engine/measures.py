"""What stands in an evaluation's result, for tables: numbers with intervals, rows, remarks. No torch here.

A result is JSON: numbers, with "NAME_interval" beside NAME; "n"; sections (mappings) of the same form; lists
of rows (mappings); text, and "remarks", a list of it. Other lists (curves) are for plots and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SKIPPED = "skipped"
REMARKS = "remarks"
NAMES = r"\b(kl|brier|pearson|spearman)\b"  # written with capitals wherever they stand
INTERVAL = "_interval"


@dataclass(frozen=True)
class Measure:
    """A number of a result. `name` has its section's before it; `n`: how many items it is made of."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Table:
    """A list of rows in a result, by their columns."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def headed(self) -> list[tuple[str, bool]]:
        """The columns, each with whether its values are text."""
        return [
            (name, isinstance(value, str)) for name, value in zip(self.columns, self.rows[0], strict=True)
        ]


def measures(result: Mapping[str, Any], above: str = "") -> Iterator[Measure]:
    """The numbers of a result and of its sections, in order."""
    names = [name for name, value in result.items() if name != "n" and _number(value)]
    alone = result.get("interval") if len(names) == 1 else None
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from measures(value, f"{above}{name} ")
        elif name in names:
            low, high = result.get(name + INTERVAL) or alone or (None, None)
            yield Measure(above + name, value, low, high, result.get("n"))


def tables(result: Mapping[str, Any], above: str = "") -> Iterator[Table]:
    """The lists of rows of a result and of its sections."""
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from tables(value, f"{above}{name} ")
        elif isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            columns = tuple(value[0])
            rows = tuple(tuple(row.get(column) for column in columns) for row in value)
            yield Table(above + name, columns, rows)


def remarks(result: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """(name, text) of what a result says in words, other than why it was skipped."""
    for name, value in result.items():
        if isinstance(value, Mapping):
            yield from remarks(value, f"{above}{name} ")
        elif isinstance(value, str) and name != SKIPPED:
            yield above + name, value
        elif name == REMARKS and isinstance(value, list):
            yield from ((above + name, text) for text in value)


def words(name: str) -> str:
    """A name as people read it: `pearson` → `Pearson`, `kl_token` → `KL token`, `n_wins` → `Wins`.

    The sections of a benchmark stand for themselves.
    """
    found = name.removeprefix("sections ").removeprefix("n_").replace("_", " ").replace("sha256", "SHA-256")
    found = found.replace("logp", "log-probability").replace("log ratio", "log-ratio")
    found = re.sub(NAMES, lambda one: one[0].upper() if one[0] == "kl" else one[0].title(), found)
    return found[:1].upper() + found[1:]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
