"""No god files, no god functions. Tests obey too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contracts import tree

FILE_LINES = 400
FUNCTION_LINES = 60
# What may be longer, and why. Keep it short: an entry needs a reason that splitting would not answer.
ALLOWED: dict[str, str] = {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function in a file, decorators left out."""
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{tree.name(path)}::{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_file_is_longer_than_400_lines() -> None:
    sources = [*tree.python_files(), *tree.files(".html", ".js", ".css")]
    long = {
        tree.name(path): count
        for path in sources
        if (count := len(path.read_text().splitlines())) > FILE_LINES and tree.name(path) not in ALLOWED
    }
    assert long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = {
        where: lines
        for path in tree.python_files()
        for where, lines in functions(path)
        if lines > FUNCTION_LINES and where not in ALLOWED
    }
    assert long == {}


def test_nothing_is_allowed_that_no_longer_needs_it() -> None:
    lengths = {where: lines for path in tree.python_files() for where, lines in functions(path)}
    files = {tree.name(path): len(path.read_text().splitlines()) for path in tree.python_files()}
    stale = [
        entry
        for entry in ALLOWED
        if lengths.get(entry, 0) <= FUNCTION_LINES and files.get(entry, 0) <= FILE_LINES
    ]
    assert stale == []
