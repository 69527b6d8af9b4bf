"""`make test` counts right, fails when it must, and never takes a missing service for a pass in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import run
from tests.contracts import tree

NOWHERE = {
    "DATABASE_URL_TEST": "postgres://postgres@127.0.0.1:1/none",
    "REDIS_URL_TEST": "redis://127.0.0.1:1/0",
    "CHROMIUM": "/nowhere/chromium",
}
# A file outside the repository: the plugin that conftest.py loads is named instead.
PYTEST = ("-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider", "-p", "tests.services")
REPORT = (
    """<testsuites><testsuite name="pytest" tests="9" failures="1" errors="2" skipped="3"/></testsuites>"""
)


def python(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "REQUIRE_SERVICES": "", **NOWHERE, **env}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=tree.ROOT, env=given, capture_output=True, text=True, timeout=120, check=False
    )


def marked_tests(folder: Path) -> str:
    """A file with one test for each kind of service, and one that needs none."""
    tests = "\n".join(
        f"@pytest.mark.{mark}\ndef test_{mark}(): pass" for mark in ("postgres", "redis", "browser")
    )
    file = folder / "test_marked.py"
    file.write_text(f"import pytest\n{tests}\ndef test_plain(): pass\n")
    return str(file)


def test_outcomes_are_counted_from_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert run.count(report) == Counter(failed=1, errors=2, skipped=3, passed=3)


def test_one_failed_phase_fails_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    good = run.Phase("SQLite", "", "", code=0, counts=Counter(passed=5))
    bad = run.Phase("PostgreSQL", "", "", code=1, counts=Counter(passed=2, failed=1))
    assert run.close([good], 1.0) == 0
    assert run.close([good, bad], 1.0) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "==== FAILED: 1 failed, 7 passed in 1.00s ===="


def test_a_missing_service_fails_before_anything_runs_where_services_are_required() -> None:
    done = python("-m", "tests.run", REQUIRE_SERVICES="1")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "==== FAILED: no tests ran ===="
    for service in ("PostgreSQL", "Redis", "Chromium"):
        assert f"REQUIRE_SERVICES is set, and there is no {service}" in done.stderr


def test_missing_services_are_skipped_with_the_reason(tmp_path: Path) -> None:
    done = python(*PYTEST, marked_tests(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    for reason in ("no PostgreSQL at", "no Redis at", "no Chromium at"):
        assert reason in done.stdout


def test_pytest_by_hand_refuses_too_where_services_are_required(tmp_path: Path) -> None:
    done = python(*PYTEST, marked_tests(tmp_path), REQUIRE_SERVICES="1")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "REQUIRE_SERVICES is set" in done.stderr


def test_the_checks_of_a_change_are_a_valid_script() -> None:
    script = tree.ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_what_the_second_phase_does_not_look_at_holds_nothing_for_it() -> None:
    marks = ("mark.database", "mark.either", "mark.postgres")
    files = [file for name in run.NO_DATABASE for file in (tree.ROOT / name).rglob("*.py")]
    found = [file for file in files if any(mark in file.read_text() for mark in marks)]
    assert [file for file in found if "tests/browser" not in file.as_posix()] == []
