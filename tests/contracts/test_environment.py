"""`.env.example` names every variable the settings read, and none that nothing reads."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts import tree

READERS = {"text", "whole", "flag", "words", "path", "database"}
VARIABLE = re.compile(r"^#([A-Z][A-Z0-9_]+)=", re.MULTILINE)
COMPOSE = re.compile(r"\$\{([A-Z][A-Z0-9_]+)")


def read_by_settings() -> set[str]:
    """Names given to `env.text(…)` and its siblings, or to the engine's `environment.text`."""
    return {
        argument.value
        for path in tree.python_files(rooms=tree.SOURCE)
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"env", "environment"}
        and node.func.attr in READERS
        for argument in node.args[:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def documented() -> list[str]:
    return VARIABLE.findall((tree.ROOT / ".env.example").read_text())


def test_every_variable_is_in_the_example_file() -> None:
    assert read_by_settings() - set(documented()) == set()


def test_the_example_file_names_nothing_that_is_not_read() -> None:
    compose = set(COMPOSE.findall((tree.ROOT / "docker-compose.yml").read_text()))
    assert set(documented()) - read_by_settings() - compose == set()


def test_compose_reads_only_documented_variables() -> None:
    compose = set(COMPOSE.findall((tree.ROOT / "docker-compose.yml").read_text()))
    assert compose - set(documented()) == set()


def test_each_variable_is_described_once() -> None:
    assert sorted(documented()) == sorted(set(documented()))


def test_a_copy_of_the_example_changes_nothing() -> None:
    lines = (tree.ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line.strip() and not line.startswith("#")] == []


def test_settings_come_from_one_module() -> None:
    """Nothing outside config reads POP_ variables by itself; the engine's own switch is the exception."""
    found = {
        tree.name(path)
        for path in tree.python_files(rooms=("annotation", "frontend"))
        if re.search(
            r"(os\.environ(\.get\(|\[)|os\.getenv\()\"(POP_|DJANGO_|DATABASE_|CELERY_)", path.read_text()
        )
    }
    assert found == set()


def test_a_new_data_folder_is_closed_to_other_accounts_of_the_machine(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    env = {**os.environ, "POP_VAR_DIR": str(folder)}
    old = os.umask(0o022)
    try:
        subprocess.run([sys.executable, "-c", "import config.settings"], cwd=tree.ROOT, env=env, check=True)
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "secret_key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("given", "after"), [({}, "3"), ({"POP_DB_PREPARE": "off"}, "None")])
def test_only_the_web_process_prepares_statements(given: dict[str, str], after: str, tmp_path: Path) -> None:
    """Whoever imports begins with empty tables, and would go on by the plans made for them."""
    options = "connections.settings['default']['OPTIONS']"
    look = f"from django.db import connections; print({options}.get('prepare_threshold'))"
    url = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "POP_VAR_DIR": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", f"{begin}; {look}"],
            cwd=tree.ROOT,
            env={**os.environ, **url, **given, "DJANGO_SETTINGS_MODULE": "config.settings"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for begin in ("import config.wsgi", "import django; django.setup()")
    ]
    assert said == [after, "None"]
