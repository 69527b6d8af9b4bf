"""`make test`: the whole suite on SQLite, then what talks to the database again on PostgreSQL.

Extra arguments go to pytest: `make test ARGS="-k sampling -x"`. With TEST_LONG in the environment
(`make test-long`) tests marked `long` run as well.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests import services

ROOT = Path(__file__).resolve().parent.parent
ON_POSTGRES = "(database or either or postgres) and not browser"
SHORT = "" if os.environ.get("TEST_LONG") else "not long"
AND_SHORT = f"and {SHORT}" if SHORT else ""
NO_DATABASE = ("tests/engine", "tests/study", "tests/browser")
SETTINGS = ("POP_", "DJANGO_", "CELERY_", "DATABASE_")
INTERRUPTED, NO_TESTS_COLLECTED = {2, -signal.SIGINT}, 5


@dataclass
class Phase:
    """One pytest session: its name, the tests it selects, its database."""

    name: str
    select: str
    database: str
    code: int = 0
    without: tuple[str, ...] = ()  # folders that hold none of them: importing torch takes long
    counts: Counter[str] = field(default_factory=Counter)


def phases(folder: Path) -> list[Phase]:
    """What to run, given what answers."""
    sqlite = f"sqlite:///{folder / 'test.sqlite3'}"
    if "postgres" in services.missing():
        return [Phase("SQLite", SHORT, sqlite)]
    server, _, _ = services.POSTGRES_URL.rpartition("/")
    return [
        Phase("SQLite", f"not (postgres or either) {AND_SHORT}", sqlite),
        Phase("PostgreSQL", f"{ON_POSTGRES} {AND_SHORT}", f"{server}/pop_{os.getpid()}", without=NO_DATABASE),
    ]


def environment(phase: Phase, folder: Path) -> dict[str, str]:
    """The tests' own settings: neither the settings nor the data of the person who runs them are touched.

    CELERY_BROKER_URL must stay unset: Celery would prefer it to the brokers that tests make for themselves.
    """
    outside = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    given = {
        "DATABASE_URL": phase.database,
        "POP_VAR_DIR": str(folder / "var"),
        "POP_DOTENV": str(folder / "none.env"),
        "PYTEST_PLUGINS": "tests.own_files",
        "DATABASE_URL_TEST": services.POSTGRES_URL,
        "REDIS_URL_TEST": services.REDIS_URL,
        "CHROMIUM": services.CHROMIUM,
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
    }
    return {**outside, **given}


def run(phase: Phase, folder: Path, extra: list[str]) -> None:
    """Run one phase and count its outcomes."""
    report = folder / f"{phase.name}.xml"
    workers = os.environ.get("TEST_WORKERS", "3")  # tests wait a lot: more than cores
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    command += ["-n", workers, "--dist", "loadfile", "--no-loadscope-reorder"]
    command += ["--durations=10", "--durations-min=10"]
    command += [f"--ignore={name}" for name in phase.without]
    command += (["-m", phase.select] if phase.select else []) + extra
    print(f"\n--- tests on {phase.name} ---", flush=True)
    phase.code = finished(subprocess.Popen(command, cwd=ROOT, env=environment(phase, folder)))
    if phase.code == NO_TESTS_COLLECTED and extra:
        phase.code = 0  # a narrowed selection may have nothing for this database
    if report.exists():
        phase.counts = count(report)


def finished(process: subprocess.Popen[bytes]) -> int:
    """Its exit status. Ctrl-C reaches pytest as well, which ends in its own way and reports."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def count(report: Path) -> Counter[str]:
    """Outcomes in a JUnit report."""
    counts: Counter[str] = Counter()
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 - our own file
        numbers = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        counts["failed"] += numbers["failures"]
        counts["errors"] += numbers["errors"]
        counts["skipped"] += numbers["skipped"]
        counts["passed"] += numbers["tests"] - numbers["failures"] - numbers["errors"] - numbers["skipped"]
    return counts


def in_words(counts: Counter[str]) -> str:
    names = ("failed", "errors", "passed", "skipped")
    return ", ".join(f"{counts[name]} {name}" for name in names if counts[name]) or "no tests ran"


def close(done: list[Phase], seconds: float) -> int:
    """Print the closing lines and give the exit status."""
    total: Counter[str] = Counter()
    print()
    for phase in done:
        total += phase.counts
        state = "" if phase.code == 0 else f" (pytest ended with status {phase.code})"
        print(f"{phase.name}: {in_words(phase.counts)}{state}")
    for reason in services.missing().values():
        print(f"Left out: {reason}")
    failed = any(phase.code for phase in done)
    print(f"==== {'FAILED' if failed else 'OK'}: {in_words(total)} in {seconds:.2f}s ====", flush=True)
    return 1 if failed else 0


def main(extra: list[str]) -> int:
    if services.REQUIRED and services.missing():
        for reason in services.missing().values():
            print(f"REQUIRE_SERVICES is set, and there is {reason}", file=sys.stderr)
        print("==== FAILED: no tests ran ====")
        return 1
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's job has it ignored, and tests press it
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="pop-test-"))
    try:
        done = phases(folder)
        for phase in done:
            run(phase, folder, extra)
            if phase.code in INTERRUPTED:
                break
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return close(done, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
