"""Production refuses to start on missing or default secrets, and passes Django's deployment checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts import tree

SECRET = "q8Zr1vX0cJ5mKfT2hWbN7yLsDgPa4UeRoIxC6tVn9BzQdMwFkGj3HpYlSuEiOA"


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """A complete production environment; its servers need not answer for these checks."""
    outside = {key: value for key, value in os.environ.items() if not key.startswith(("POP_", "DJANGO_"))}
    return {
        **outside,
        "POP_ENV": "production",
        "POP_VAR_DIR": str(tmp_path),
        "POP_ALLOWED_HOSTS": "pop.example",
        "DJANGO_SECRET_KEY": SECRET,
        "DATABASE_URL": "postgres://pop:secret@db.example:5432/pop",
        "CELERY_BROKER_URL": "redis://broker.example:6379/0",
    }


def manage(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=tree.ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_deployment_checks_are_clean(production: dict[str, str]) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", env=production)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("key", ["", "short", "change-me-" + "x" * 60])
def test_a_missing_or_default_secret_key_refuses_to_start(production: dict[str, str], key: str) -> None:
    done = manage("check", env={**production, "DJANGO_SECRET_KEY": key})
    assert done.returncode != 0
    assert "Set DJANGO_SECRET_KEY" in done.stderr


def test_missing_host_names_refuse_to_start(production: dict[str, str]) -> None:
    del production["POP_ALLOWED_HOSTS"]
    done = manage("check", env=production)
    assert done.returncode != 0
    assert "Set POP_ALLOWED_HOSTS" in done.stderr


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("DATABASE_URL", "Set DATABASE_URL"), ("CELERY_BROKER_URL", "Set CELERY_BROKER_URL")],
)
def test_embedded_services_refuse_to_serve_production(
    production: dict[str, str], name: str, sentence: str
) -> None:
    del production[name]
    done = manage("check", env=production)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_secrets_are_read_from_files(production: dict[str, str], tmp_path: Path) -> None:
    del production["DJANGO_SECRET_KEY"], production["DATABASE_URL"]
    for name, value in (("key", SECRET), ("url", "postgres://pop:p%40ss@db.example:5432/pop")):
        (tmp_path / name).write_text(f"{value}\n")
    given = {"DJANGO_SECRET_KEY_FILE": str(tmp_path / "key"), "DATABASE_URL_FILE": str(tmp_path / "url")}
    code = (
        "from django.conf import settings as s; d = s.DATABASES['default'];"
        "print(s.SECRET_KEY, d['NAME'], d['PASSWORD'], sep='|')"
    )
    done = manage("shell", "-v0", "-c", code, env={**production, **given})
    assert done.stdout.strip() == f"{SECRET}|pop|p@ss", done.stderr


def test_logs_are_one_json_line_each(production: dict[str, str]) -> None:
    code = "import logging; logging.getLogger('pop').warning('two\\nlines %s', 'of text')"
    done = manage("shell", "-v0", "-c", code, env=production)
    assert len(done.stderr.splitlines()) == 1
    assert '"message": "two\\nlines of text"' in done.stderr


def test_up_is_not_for_production(production: dict[str, str]) -> None:
    done = manage("up", env=production)
    assert done.returncode != 0
    assert "docs/deploy.md" in done.stderr
