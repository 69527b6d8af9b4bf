"""The files of this repository, as the contract tests see them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("config", "annotation", "training", "frontend", "tests", "bench")
SOURCE = ("config", "annotation", "training", "frontend")


def files(*suffixes: str, rooms: tuple[str, ...] = ROOMS) -> Iterator[Path]:
    """Files with one of these endings in the rooms, generated ones and caches left out."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in suffixes and "__pycache__" not in path.parts and path.is_file():
                yield path


def python_files(rooms: tuple[str, ...] = ROOMS) -> Iterator[Path]:
    """Python sources; migrations are Django's own writing."""
    for path in [*files(".py", rooms=rooms), ROOT / "manage.py", ROOT / "conftest.py"]:
        if "migrations" not in path.parts:
            yield path


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=name(path))


@cache
def docs() -> str:
    """Everything a reader of the docs can find, as one text."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return "\n".join(page.read_text() for page in pages)


@cache
def suite() -> str:
    """Every test, as one text; the test that asks for names in it is left out."""
    own = "test_registries.py"
    return "\n".join(path.read_text() for path in files(".py", rooms=("tests",)) if path.name != own)
