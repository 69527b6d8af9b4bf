"""What must not stand in the files: inline scripts, foreign hosts, machine paths, sleeps."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.contracts import tree

TEMPLATES = sorted(tree.files(".html", rooms=tree.SOURCE))
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")|<style|\sstyle=|\son[a-z]+=|javascript:"
    r"|hx-on[:-]",
    re.IGNORECASE,
)
COMMENT = re.compile(r"{#.*?#}")
HOST = re.compile(r"https?://([A-Za-z0-9.\-\[\]:]+)")
# Hosts that code may name, and why.
HOSTS = {
    "127.0.0.1": "this machine",
    "localhost": "this machine",
    "www.w3.org": "the SVG namespace",
    "arxiv.org": "papers",
    "huggingface.co": "links to models and data sets",
    "github.com": "links to documentation",
}
MACHINE = re.compile(r"(?<![\w.])/(work|root|opt/pypi|opt/wheels|mnt)/")
SHIPPED = [
    "Makefile",
    "Dockerfile",
    "docker-compose.yml",
    ".env.example",
    ".ci/run",
    "pyproject.toml",
    "README.md",
]


def all_files() -> list[Path]:
    code = tree.files(".py", ".html", ".js", ".css", ".json", ".md")
    docs = (tree.ROOT / "docs").rglob("*.md")
    return [*code, *docs, *(tree.ROOT / name for name in SHIPPED)]


@pytest.mark.parametrize("template", TEMPLATES, ids=tree.name)
def test_templates_have_no_inline_scripts_or_styles(template: Path) -> None:
    lines = COMMENT.sub("", template.read_text()).splitlines()
    assert [line.strip() for line in lines if INLINE.search(line)] == []


def test_code_names_no_foreign_hosts() -> None:
    code = [*tree.files(".py", ".html", ".js", ".css", rooms=tree.SOURCE)]
    code += [tree.ROOT / name for name in SHIPPED if name != "README.md"]
    found = {
        (tree.name(path), host)
        for path in code
        for host in HOST.findall(path.read_text())
        if (host.split(":")[0]) not in HOSTS and not host.split(":")[0].endswith((".example", "example.org"))
    }
    assert found == set()


def test_no_path_of_one_machine_is_in_the_tree() -> None:
    here = tree.name(Path(__file__))
    found = [tree.name(path) for path in all_files() if MACHINE.search(path.read_text())]
    assert [name for name in found if name != here] == []


def test_no_test_sleeps() -> None:
    """Waiting for a condition is the live stack's business (tests/live.py); a test never waits blindly."""
    modules = [
        path for path in tree.files(".py", rooms=("tests",)) if path.stem.startswith(("test_", "conftest"))
    ]
    found = [
        f"{tree.name(path)}:{node.lineno}"
        for path in modules
        for node in ast.walk(tree.parsed(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"sleep", "wait_for_timeout"})
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names))
    ]
    assert found == []


def test_no_test_is_expected_to_fail() -> None:
    here = Path(__file__)
    sources = [path for path in tree.files(".py", rooms=("tests",)) if path != here]
    assert [tree.name(path) for path in sources if "xfail" in path.read_text()] == []
