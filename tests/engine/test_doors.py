"""Who may load what: web processes no torch, the engine no Django."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.engine import world
from training.engine import catalog

LIGHT = (
    "spec",
    "records",
    "jsonl",
    "events",
    "catalog",
    "errors",
    "progress",
    "stopping",
    "checkpoints",
    "cli",
    "estimate",
    "shapes",
    "tracking",
    "environment",
    "kept",
    "handed",
    "notebook",
    "pop_train",
    "benchmarks.asking",
    "benchmarks.endpoint",
    "console.alpaca",
    "console.arguments",
    "console.display",
    "console.documents",
    "console.folders",
    "console.launching",
    "console.methods",
    "console.units",
)


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=world.ROOT, capture_output=True, text=True, check=False
    )


def test_registries_and_readers_load_neither_torch_nor_django() -> None:
    imports = "; ".join(f"import training.engine.{name}" for name in LIGHT)
    heavy = "{'torch', 'transformers', 'trl', 'peft', 'accelerate', 'django', 'celery'} & set(sys.modules)"
    checks = "from training.engine import catalog, spec; spec.RunSpec.model_json_schema()"
    done = python(f"import sys; {imports}; {checks}; found = {heavy}; assert not found, found")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("entry", catalog.METHODS.values(), ids=lambda entry: entry.slug)
def test_every_method_is_where_the_registry_says(entry: catalog.Method) -> None:
    assert callable(catalog.load(entry.function))


@pytest.mark.parametrize("entry", catalog.EVALUATIONS.values(), ids=lambda entry: entry.name)
def test_every_evaluation_is_where_the_registry_says(entry: catalog.EvaluationEntry) -> None:
    assert callable(catalog.load(entry.function))
