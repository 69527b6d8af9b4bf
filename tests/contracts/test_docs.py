"""Docs say what the code does: generated parts are current, names are there, links lead on, examples run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.contracts import tree
from training.engine.spec import RunSpec

PAGES = [
    *sorted((tree.ROOT / "docs").rglob("*.md")),
    *(tree.ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md")),
]
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ENGINE_PAGE = tree.ROOT / "docs" / "engine.md"


def commands() -> list[str]:
    """Management commands of our own apps."""
    return sorted(
        path.stem
        for app in ("annotation", "training", "frontend")
        for path in (tree.ROOT / app / "management" / "commands").glob("*.py")
        if path.stem != "__init__"
    )


def variables() -> list[str]:
    return re.findall(r"^#([A-Z][A-Z0-9_]+)=", (tree.ROOT / ".env.example").read_text(), re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def test_generated_parts_are_current() -> None:
    call_command("docs_diagrams", "--check")


@pytest.mark.parametrize("command", commands())
def test_every_management_command_is_documented(command: str) -> None:
    assert command in tree.docs()


@pytest.mark.parametrize("variable", variables())
def test_every_setting_is_documented(variable: str) -> None:
    assert f"`{variable}`" in tree.docs()


@pytest.mark.parametrize("target", re.findall(r"^([a-z]+):.*## ", (tree.ROOT / "Makefile").read_text(), re.M))
def test_every_make_target_is_documented(target: str) -> None:
    assert f"make {target}" in tree.docs() + (tree.ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=tree.name)
def test_links_lead_to_files(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_every_page_can_be_found_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [tree.ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        waiting += [page.parent / link for link in LINK.findall(page.read_text())]
    assert [tree.name(page) for page in PAGES if page.resolve() not in seen] == []


def test_spec_examples_are_specs() -> None:
    examples = [json.loads(text) for text in blocks(ENGINE_PAGE, "json")]
    assert examples
    for example in examples:
        RunSpec.model_validate(example)


def test_the_engine_page_can_be_followed(tmp_path: Path) -> None:
    """Its spec and its rows, given to its `check` command; and its `methods` command."""
    (tmp_path / "spec.json").write_text(blocks(ENGINE_PAGE, "json")[0])
    (tmp_path / "rows.jsonl").write_text(blocks(ENGINE_PAGE, "jsonl")[0])
    lines = [line for text in blocks(ENGINE_PAGE, "bash") for line in text.splitlines()]
    cheap = [line for line in lines if " train " not in line]
    assert len(cheap) == 2
    for line in cheap:
        words = line.replace("RUN_DIR", str(tmp_path)).split()
        assert words[0] == "python"
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=tree.ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_the_changelog_has_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', (tree.ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"## {version[1]}" in (tree.ROOT / "CHANGELOG.md").read_text()
