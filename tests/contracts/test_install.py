"""constraints.txt is exactly what `pip install '.[web,dev]'` brings: nothing missing, nothing left over."""

from __future__ import annotations

import ast
import importlib.metadata
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.contracts import tree

PROJECT: dict[str, Any] = tomllib.loads((tree.ROOT / "pyproject.toml").read_text())["project"]
# Brought by torch's CUDA wheels only, which pin each of them exactly.
OURS = {"annotation", "config", "frontend", "training"}
TORCHS_OWN = ("nvidia-", "cuda-", "triton")


def pinned() -> dict[str, str]:
    lines = (tree.ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def wanted(requirement: Requirement, extras: frozenset[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""})


def closure() -> dict[str, str]:
    """Every distribution the project needs, extras included, with the version that is installed."""
    roots = [*PROJECT["dependencies"], *(line for group in ("web", "dev") for line in extra(group))]
    waiting = [Requirement(line) for line in roots]
    done: set[tuple[str, frozenset[str]]] = set()
    versions: dict[str, str] = {}
    while waiting:
        current = waiting.pop()
        name, extras = canonicalize_name(current.name), frozenset(current.extras)
        if (name, extras) in done or name.startswith(TORCHS_OWN):
            continue
        done.add((name, extras))
        versions[name] = importlib.metadata.version(name).split("+")[0]
        needs = [Requirement(line) for line in importlib.metadata.requires(name) or []]
        waiting += [need for need in needs if wanted(need, extras | {""})]
    return versions


def extra(group: str) -> list[str]:
    lines: list[str] = PROJECT["optional-dependencies"][group]
    return lines


def test_constraints_are_what_an_install_brings() -> None:
    installed = closure()
    assert {name: version for name, version in installed.items() if pinned().get(name) != version} == {}
    assert sorted(pinned().keys() - installed.keys()) == []


def test_what_runs_imports_nothing_that_only_the_tests_install() -> None:
    """`make run` installs no test tools: a module it needs from them would only fail on a fresh machine."""
    declared = [*PROJECT["dependencies"], *extra("web")]
    names = {canonicalize_name(Requirement(line).name) for line in declared}
    owners = importlib.metadata.packages_distributions()
    foreign: dict[str, str] = {}
    for room in ("annotation", "config", "frontend", "training"):
        for file in (tree.ROOT / room).rglob("*.py"):
            for module in imported(file):
                if module in owners and not names & {canonicalize_name(one) for one in owners[module]}:
                    foreign[module] = str(file.relative_to(tree.ROOT))
    assert foreign.keys() - OURS == set(), foreign


def imported(file: Path) -> set[str]:
    """Top-level names of the modules a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_every_requirement_says_why_it_is_there() -> None:
    """The reason stands beside each entry of the two groups that reach users."""
    text = (tree.ROOT / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("dev = [")]
    lines = [line for line in block.splitlines() if line.strip().startswith('"')]
    assert [line for line in lines if "#" not in line] == []


def test_torch_has_no_local_suffix() -> None:
    assert pinned()["torch"] == "2.13.0"
