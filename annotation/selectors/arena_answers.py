"""Every answer of an arena, a line each: what its results can be counted from again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from annotation import kinds, rules
from annotation.models import Assignment, Comparison, Label, Project, User
from annotation.selectors import arena
from annotation.selectors.audit import csv_line, plain

COLUMNS = (
    "id",
    "comparison",
    "at",
    "annotator",
    "answer",
    "first_models",
    "second_models",
    "counts",
    "reason",
    "prompt",
    "first",
    "second",
)


def lines(user: User, project: Project) -> Iterator[bytes]:
    """CSV: current answers as they were given, the oldest first. Models that said the same stand together.

    `counts` is no where the results leave an answer out: "cannot judge", a battle that was withdrawn, or one
    that a reviewer decided.

    Raises:
        NotFound, NotAllowed: not a manager.
        Conflict: the project is no arena.
    """
    rules.check_manage(user, project)
    kinds.check_arena(project)
    return _lines(project)


def _lines(project: Project) -> Iterator[bytes]:
    names = arena.names_of(project)
    yield csv_line(COLUMNS)
    given = Label.objects.filter(project=project, kind=Assignment.Kind.WORK, is_current=True)
    for one in arena.in_parts(given.select_related("annotator", "comparison__low", "comparison__high")):
        yield csv_line([plain(str(cell)) for cell in _cells(one, names)])


def _cells(one: Label, names: dict[int, list[str]]) -> Iterator[Any]:
    sides = (one.comparison.low, one.comparison.high)
    sides = sides if one.low_first else sides[::-1]
    yield from (one.pk, one.comparison_id, one.created_at.isoformat(), one.annotator.username, one.verdict)
    yield from (" | ".join(names.get(side.pk, [])) for side in sides)
    yield from ("yes" if _counts(one) else "no", one.reason, _text(sides[0].prompt))
    yield from (_text(side.chosen) for side in sides)


def _counts(one: Label) -> bool:
    left_out = one.comparison.adjudicated or one.comparison.state == Comparison.State.WITHDRAWN
    return not left_out and one.verdict != Label.Verdict.CANNOT_JUDGE


def _text(messages: Any) -> str:
    """One message's words; several as JSON."""
    return messages[0]["content"] if len(messages) == 1 else json.dumps(messages, ensure_ascii=False)
