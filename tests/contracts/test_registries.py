"""Registries are complete: every file is registered, every entry is documented and tested by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

import pytest

from annotation.consensus import RULES
from annotation.exports import EXPORTS
from annotation.imports import FORMATS as IMPORTS
from annotation.sampling import STRATEGIES
from tests.contracts import tree
from training.engine.catalog import BENCHMARKS, EVALUATIONS, METHODS
from training.engine.presets import PRESETS

REGISTRIES: dict[str, Mapping[str, Any]] = {
    "methods": METHODS,
    "evaluations": EVALUATIONS,
    "benchmarks": BENCHMARKS,
    "strategies": STRATEGIES,
    "consensus rules": RULES,
    "import formats": IMPORTS,
    "export formats": EXPORTS,
    "presets": PRESETS,
}
ENTRIES = [(kind, name) for kind, entries in REGISTRIES.items() for name in entries]
FOLDERS: dict[str, Mapping[str, Any]] = {
    "training/engine/methods": METHODS,
    "training/engine/evaluations": EVALUATIONS,
    "annotation/sampling": STRATEGIES,
    "annotation/consensus": RULES,
    "annotation/imports": IMPORTS,
    "annotation/exports": EXPORTS,
}
# Files of these folders that are not entries, and what they are for.
HELPERS = {
    "annotation/consensus/dispute.py": "says which votes a reviewer should look at, under any rule",
    "annotation/consensus/joint.py": "all votes of a project as arrays, for the joint rules",
    "annotation/consensus/rule.py": "what a rule is",
    "annotation/exports/arrow.py": "tables of messages, for whoever writes Parquet",
    "annotation/exports/canonical.py": "writes the canonical files that exports read",
    "annotation/exports/hub_folder.py": "writes what is pushed to the Hub, with a card",
    "annotation/exports/sink.py": "takes written bytes out in chunks",
    "annotation/exports/source.py": "reads the canonical files, rows with their texts",
    "annotation/imports/hub.py": "reads the Hub instead of a file; the service names it by HUB",
    "annotation/imports/json_array.py": "jsonl reads JSON arrays with it",
    "annotation/imports/layouts.py": "recognises column layouts for every format",
    "annotation/imports/records.py": "what a reader gives",
    "annotation/imports/responses.py": "reads responses for an arena, which are no preferences",
    "annotation/imports/streams.py": "bytes to lines, for every format",
    "annotation/imports/values.py": "text, messages and scores, for every format",
    "annotation/sampling/battles.py": "draws the battles of an arena; no project can choose it",
    "annotation/sampling/lots.py": "says when a check is mixed into the work",
    "annotation/sampling/permutation.py": "the permutation every strategy reads",
    "annotation/sampling/plan.py": "what a strategy is",
    "training/engine/evaluations/alpaca_eval.py": "a judge's annotations as rates; `pop-train alpaca-eval`",
    "training/engine/evaluations/clusters.py": "resamples of prompts, each with all that belongs to it",
    "training/engine/evaluations/correlation.py": "correlations of many resamples at once",
    "training/engine/evaluations/duels.py": "pairs responses of two models and has them judged",
    "training/engine/evaluations/heldout.py": "what an evaluation is given",
    "training/engine/evaluations/rewardbench.py": "a benchmark with data of its own, from scores to numbers",
    "training/engine/methods/adaptive_margin.py": "the margins of the two γ methods",
    "training/engine/methods/batch.py": "what a loss is given",
    "training/engine/methods/cross_entropy.py": "the formula of those that believe a label in part",
    "training/engine/methods/state.py": "what stateful methods remember; entries name its classes",
    "training/engine/methods/logistic.py": "the formula most methods share",
}


def modules_of(entry: Any) -> set[str]:
    """Modules an entry's functions live in; `package.module:name` strings too."""
    values = list(vars(entry).values())
    named = {value.split(":")[0] for value in values if isinstance(value, str)}
    return named | {value.__module__ for value in values if callable(value)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_registered_or_known_as_a_helper(folder: str) -> None:
    registered = {module for entry in FOLDERS[folder].values() for module in modules_of(entry)}
    unknown = [
        tree.name(path)
        for path in sorted((tree.ROOT / folder).glob("*.py"))
        if path.stem != "__init__"
        and tree.name(path).removesuffix(".py").replace("/", ".") not in registered
        and tree.name(path) not in HELPERS
    ]
    assert unknown == []


def test_no_helper_is_listed_that_is_gone() -> None:
    assert [name for name in HELPERS if not (tree.ROOT / name).exists()] == []


@pytest.mark.parametrize("entry", [*METHODS.values(), *EVALUATIONS.values()], ids=str)
def test_named_functions_exist(entry: Any) -> None:
    module, function = entry.function.split(":")
    path = tree.ROOT / f"{module.replace('.', '/')}.py"
    names = [node.name for node in tree.parsed(path).body if isinstance(node, ast.FunctionDef)]
    assert function in names


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_entry_is_documented(kind: str, name: str) -> None:
    assert f"`{name}`" in tree.docs(), f"no page in docs/ says what {kind} `{name}` is"


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_entry_is_tested_by_name(kind: str, name: str) -> None:
    """As a word of its own in quotes, a file ending or a query: `"random"`, `rows.csv`, `?format=csv`."""
    assert re.search(rf'["\'.=/]{re.escape(name)}["\'&?]', tree.suite()), f"no test names {kind} {name!r}"
