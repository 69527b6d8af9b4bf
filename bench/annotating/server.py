"""The production server as a child process: the command of the image, on a port of its own."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    process: subprocess.Popen[bytes]

    def peak_rss_mb(self) -> float:
        """The sum of each process's own peak: what they share is counted in each of them."""
        return round(sum(_peak_kib(one.pid) for one in self._processes()) / 1024, 1)

    def cpu_seconds(self) -> float:
        """Processor time since the start, of the server alone: the database's is not in it."""
        return float(sum(sum(one.cpu_times()[:2]) for one in self._processes()))

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


def environment(url: str, var: Path) -> dict[str, str]:
    """Settings of a production server without TLS, apart from whatever this shell has set."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO_", "POP_"))}
    return kept | {
        "POP_ENV": "production",
        "POP_HTTPS": "off",
        "POP_ALLOWED_HOSTS": "127.0.0.1",
        "POP_DOTENV": str(var / "none.env"),
        "POP_VAR_DIR": str(var),
        "DJANGO_SECRET_KEY": secrets.token_hex(40),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url,
        "CELERY_BROKER_URL": "filesystem://",
        "POP_LOG_LEVEL": "WARNING",
    }


def command(port: int) -> list[str]:
    """What the image runs, read from the Dockerfile, so that the two cannot drift apart."""
    found = re.search(r'^CMD (\["gunicorn".*\])$', (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("The Dockerfile names no gunicorn command.")
    words: list[str] = json.loads(found[1])
    words[words.index("--bind") + 1] = f"127.0.0.1:{port}"
    return [sys.executable, "-m", *words]


@contextmanager
def running(env: dict[str, str], log: Path) -> Iterator[Server]:
    """Started and answering; ended with its workers at the end."""
    port = _free_port()
    with log.open("ab") as out:
        process = subprocess.Popen(command(port), cwd=ROOT, env=env, stdout=out, stderr=out)  # noqa: S603
    try:
        _wait(port, process, log)
        yield Server("127.0.0.1", port, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"The server did not start:\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _peak_kib(pid: int) -> int:
    found = re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
