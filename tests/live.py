"""A live stack for tests: temp files, its own database, and real web and worker processes.

    from tests.live import live_stack  # in the test module or a conftest

    def test_x(live_stack):
        live_stack.url, .env, .var_dir, .manage("load_demo"), .sql("select …"), .wait_for(…)

`bare_stack` is the same without any process: tests start and kill workers themselves.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import pytest

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
_numbers = itertools.count()
_DEADLINE = 90.0
_migrated: dict[str, bytes] = {}


class LiveStack:
    """Web and worker processes over one database, one broker and one var folder."""

    def __init__(self, var_dir: Path, database: str, broker: str = "filesystem://") -> None:
        self.var_dir = var_dir
        self.database = database
        self.url = ""
        self.logs = var_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.processes: list[subprocess.Popen[bytes]] = []
        self._shell: subprocess.Popen[bytes] | None = None
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("DJANGO_", "POP_"))},
            "POP_ENV": "embedded",
            "POP_VAR_DIR": str(var_dir),
            "DATABASE_URL": database,
            "CELERY_BROKER_URL": broker,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, *args: str, **env: str) -> str:
        """Run a management command to its end; its stdout. Fails the test with its output."""
        done = subprocess.run(
            [PYTHON, "manage.py", *args],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {args} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def code(self, source: str, **env: str) -> Any:
        """Run Python with Django set up, in a process of the stack; what it prints last, read as JSON.

        The process is the same for all that ask for no settings of their own: most of it is Django's start.
        """
        told = self.manage("shell", "-v0", "-c", source, **env) if env else self._asked(source)
        lines = told.strip().splitlines()
        return json.loads(lines[-1]) if lines else None

    def _asked(self, source: str) -> str:
        if self._shell is None or self._shell.poll() is not None:
            with (self.logs / "shell.log").open("ab") as log:
                self._shell = subprocess.Popen(
                    [PYTHON, "-m", "tests.shell"],
                    cwd=ROOT,
                    env=self.env,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
            self.processes.append(self._shell)
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(json.dumps(source).encode() + b"\n")
        self._shell.stdin.flush()
        answer = self._shell.stdout.readline()
        assert answer, f"the process ended\n{self.tails()}"
        printed, failed = json.loads(answer)
        assert not failed, failed
        return str(printed)

    def sql(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Rows of a query (`%s` marks parameters on both databases), on a connection of its own."""
        if self.database.startswith("sqlite"):
            path = self.database.removeprefix("sqlite:///")
            lite = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=30)
            with contextlib.closing(lite), lite:
                return lite.execute(query.replace("%s", "?"), params).fetchall()
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def start(self, name: str, command: list[str], **env: str) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, logging to `logs/<name>.log`. It ends with the tests."""
        tether = [PYTHON, "-m", "frontend.launcher.tether", str(os.getpid())]
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*tether, *command],
                cwd=ROOT,
                env={**self.env, **env},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_web(self, *, ready: bool = True, **env: str) -> str:
        """Start gunicorn on a free port and wait until /readyz answers 200 (or just answers); its URL."""
        command = [PYTHON, "-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0", "--threads", "4"]
        command.append("--no-control-socket")  # its path is one for all
        name = f"web{next(_numbers)}"
        web = self.start(name, command, **env)

        def address() -> str:
            assert web.poll() is None, f"the web process ended\n{self.tails()}"
            found = re.search(r"Listening at: (http://\S+)", self.log(name))
            return found.group(1) if found else ""

        self.url = self.wait_for(address, "gunicorn to listen")
        wanted = {200} if ready else {200, 503}
        self.wait_for(lambda: self.get("/readyz")[0] in wanted, "/readyz to answer")
        return self.url

    def start_worker(
        self, name: str = "one", *, queues: str = "default,gpu", beat: bool = True, slots: int = 2, **env: str
    ) -> subprocess.Popen[bytes]:
        """Start a Celery worker called `name@test` and wait until it has announced itself."""
        command = [PYTHON, "-m", "celery", "-A", "config", "worker", "-n", f"{name}@test", "-l", "INFO"]
        command += ["-Q", queues, "-c", str(slots)]
        if beat:
            command += ["-B", "-s", str(self.var_dir / f"beat-{name}")]
        worker = self.start(f"worker-{name}", command, **env)
        started = self._clock()

        def announced() -> bool:
            assert worker.poll() is None, f"the worker ended\n{self.tails()}"
            query = "select 1 from annotation_workerbeat where name = %s and seen_at >= %s"
            return bool(self.sql(query, f"{name}@test", started))

        self.wait_for(announced, f"worker {name} to say it is alive")
        return worker

    def _clock(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime())

    def get(self, path: str, timeout: float = 10) -> tuple[int, str]:
        """GET a path from the web process: status (0: no answer) and body."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_for(self, condition: Callable[[], T], what: str, seconds: float = _DEADLINE) -> T:
        """Poll a real condition until it holds; fails with the logs at the deadline."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}\n{self.tails()}"
            time.sleep(0.1)
        return value

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def tails(self, lines: int = 40) -> str:
        """The ends of all logs, runs' included: what a failing test shows."""
        files = [*sorted(self.logs.glob("*.log")), *sorted(self.var_dir.glob("runs/*/log.txt"))]
        ends = (file.read_text(errors="replace").splitlines()[-lines:] for file in files)
        return "\n".join(
            f"--- {file.relative_to(self.var_dir)}\n" + "\n".join(end)
            for file, end in zip(files, ends, strict=True)
        )

    def end(self, process: subprocess.Popen[bytes], sig: int = signal.SIGTERM, seconds: float = 60) -> int:
        """Signal one process (not its group) and wait for it."""
        process.send_signal(sig)
        return process.wait(seconds)

    def close(self) -> None:
        """End everything that was started, engines too: nothing outlives the test."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        for found in psutil.process_iter(["cmdline"]):
            if any(str(self.var_dir) in part for part in found.info["cmdline"] or []):
                with contextlib.suppress(psutil.Error):
                    found.kill()


@contextlib.contextmanager
def stack(folder: Path, broker: str = "filesystem://") -> Iterator[LiveStack]:
    """A migrated stack without processes; on PostgreSQL when the session's DATABASE_URL names one."""
    session = os.environ.get("DATABASE_URL", "")
    with contextlib.ExitStack() as undo:
        database = f"sqlite:///{folder / 'db.sqlite3'}"
        if session.startswith("postgres"):
            database = undo.enter_context(_fresh_postgres(session))
        live = LiveStack(folder, database, broker)
        undo.callback(live.close)
        if session.startswith("postgres"):
            live.manage("migrate", "-v0", "--skip-checks")
        else:
            _migrate(live, folder / "db.sqlite3")
        yield live


def _migrate(live: LiveStack, file: Path) -> None:
    """The tables of a new SQLite stack: made once a session, then copied."""
    if "file" not in _migrated:
        live.manage("migrate", "-v0", "--skip-checks")
        _migrated["file"] = file.read_bytes()
    file.write_bytes(_migrated["file"])


@contextlib.contextmanager
def _fresh_postgres(session: str) -> Iterator[str]:
    server, _, _ = session.rpartition("/")
    name = f"pop_live_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'create database "{name}"'.encode())
        try:
            yield f"{server}/{name}"
        finally:
            admin.execute(f'drop database if exists "{name}" with (force)'.encode())


@pytest.fixture(scope="module")
def bare_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    with stack(tmp_path_factory.mktemp("stack")) as live:
        yield live


@pytest.fixture(scope="module")
def live_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Web (static files collected) and one worker with its beat, ready."""
    with stack(tmp_path_factory.mktemp("live")) as live:
        live.manage("collectstatic", "--noinput", "-v0")
        live.start_web()
        live.start_worker()
        yield live
