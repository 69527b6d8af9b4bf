"""An arena as files: the standings as CSV, the battles with a winner as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator

from annotation.models import Project, User
from annotation.quality.arena import Rate
from annotation.selectors import arena, arena_answers
from annotation.selectors.arena import Row
from annotation.selectors.audit import csv_line, plain

CSV, JSONL = "text/csv; charset=utf-8", "application/x-ndjson"
COLUMNS = ("model", "source", "score", "score_low", "score_high", "votes", "rate", "rate_low", "rate_high")


def standings(user: User, project: Project) -> Iterator[bytes]:
    """A line a model, the best first; after the rates against all, those against each. Managers only."""
    rows = arena.of_project(user, project).rows
    against = [f"against {row.contender.name}" for row in rows]
    parts = [f"{one}{part}" for one in against for part in (" votes", " rate", " low", " high")]
    yield csv_line([*COLUMNS, *map(plain, parts)])
    for row in rows:
        yield csv_line([*_about(row), *(cell for rate in row.rates for cell in _cells(rate))])


def winners(user: User, project: Project) -> Iterator[bytes]:
    """Each battle with a winner as a preference, with the models behind it. Managers only."""
    for row in arena.winners(user, project):
        yield json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


VOTES = {"jsonl": (JSONL, winners), "csv": (CSV, arena_answers.lines)}  # media type, and what writes it


def _about(row: Row) -> list[str]:
    found = row.standing
    numbers = [_number(one, 1) for one in (found.score, found.low, found.high)]
    return [plain(row.contender.name), plain(row.contender.source), *numbers, *_cells(found.rate)]


def _cells(rate: Rate | None) -> list[str]:
    if rate is None:
        return [""] * 4
    return [_number(rate.votes, 2), *(_number(one, 4) for one in (rate.value, rate.low, rate.high))]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
