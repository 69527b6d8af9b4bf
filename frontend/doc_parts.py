"""The parts of docs/ that are written by the program: state diagrams and the table of settings.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from annotation.transitions import TABLES, Table
from training.transitions import RUN, Edge

PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
SECTION = re.compile(r"^# --- (.+?) -+$")
VARIABLE = re.compile(r"^#([A-Z][A-Z0-9_]+)=(.*)$")


def fill(text: str, *, root: Path) -> str:
    """The page with its generated parts written anew."""
    makers: dict[str, Callable[[], str]] = {
        "states": state_diagrams,
        "settings": partial(settings_table, root / ".env.example"),
    }
    return PART.sub(lambda found: f"{found[1]}{makers[found[2]]()}{found[3]}", text)


def state_diagrams() -> str:
    """One Mermaid diagram for each kind of thing that has states."""
    parts = [_section(name, _diagram(_moves(table))) for name, table in TABLES.items()]
    return "".join([*parts, _section("run", _diagram(_edges(RUN)))])


def settings_table(example: Path) -> str:
    """`.env.example` as tables: the file is the source, so that the two cannot differ."""
    rows: list[str] = []
    comment: list[str] = []
    started = False
    for line in example.read_text().splitlines():
        if found := SECTION.match(line):
            rows.append(f"\n### {found[1]}\n\n| variable | default | meaning |\n|---|---|---|\n")
            comment, started = [], True
        elif found := VARIABLE.match(line):
            rows.append(f"| `{found[1]}` | {_code(found[2])} | {' '.join(comment)} |\n")
            comment = []
        elif started:
            comment.append(line.removeprefix("# "))
    return "".join(rows) + "\n"


def _code(value: str) -> str:
    return f"`{value}`" if value else ""


def _section(name: str, diagram: str) -> str:
    return f"\n### {name.capitalize()}\n\n```mermaid\nstateDiagram-v2\n{diagram}```\n"


def _moves(table: Table) -> list[tuple[str, str, str]]:
    return [(str(old), str(new), "") for old, news in table.items() for new in news or ("",)]


def _edges(edges: Iterable[Edge]) -> list[tuple[str, str, str]]:
    moves = [(str(old), str(edge.target), edge.verb) for edge in edges for old in edge.sources]
    ends = {new for _, new, _ in moves} - {old for old, _, _ in moves}
    return [*moves, *((end, "", "") for end in sorted(ends))]


def _diagram(moves: list[tuple[str, str, str]]) -> str:
    """Moves: old state, new state (empty: the end), the arrow's name. The first state is the initial one."""
    lines = [f"    [*] --> {moves[0][0]}"]
    lines += [f"    {old} --> {new or '[*]'}{f': {label}' if label else ''}" for old, new, label in moves]
    return "\n".join(lines) + "\n"
