"""One child process: its log file, its errors on the terminal, its end."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

import psutil
from django.conf import settings

LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
LOG_BYTES = 10 * 1024 * 1024
TAIL_LINES = 25


class Child:
    """A command in a session of its own, so that the terminal's Ctrl-C reaches only `manage.py up`."""

    def __init__(
        self, name: str, command: list[str], log: Path, say: Callable[[str], None], stop: int = signal.SIGTERM
    ) -> None:
        self.name = name
        self.log = log
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._command = command
        self._say = say
        self._stop = stop
        self._process: subprocess.Popen[str] | None = None
        self._family: set[psutil.Process] = set()

    def start(self) -> None:
        """Start it, after ending what an earlier start left behind.

        Its output goes to the log, lines that report an error also to the terminal.
        """
        self.kill()
        self.tail.clear()
        self._family.clear()
        self._process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            [sys.executable, "-m", "frontend.launcher.tether", str(os.getpid()), *self._command],
            cwd=settings.BASE_DIR,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._read, name=f"log-{self.name}", daemon=True).start()

    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll() if self._process else None

    def ask_to_end(self) -> None:
        """Ask it to finish what it holds. Who belongs to it is noted first: its children may outlive it."""
        if self._process is None:
            return
        self._note_family()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self._stop)

    def gone(self) -> bool:
        """Whether it and every process it started have ended."""
        self.status()
        return not any(_lives(member) for member in self._family)

    def kill(self) -> None:
        """End it and every process it started, now."""
        if self._process is None:
            return
        self._note_family()
        for member in self._family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.wait()

    def _note_family(self) -> None:
        """Everyone in its session, whose parent may have died, and everyone they started."""
        if self._process is None:
            return
        session = {other for other in psutil.process_iter() if _session(other) == self._process.pid}
        for member in session | self._family:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._family |= {member, *member.children(recursive=True)}

    def _read(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        writer = RotatingFileHandler(self.log, maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8")
        loud = False
        with contextlib.closing(writer):
            for line in process.stdout:
                text = line.rstrip("\n")
                self.tail.append(text)
                writer.emit(logging.makeLogRecord({"msg": text}))
                loud = self._echo(text, loud)

    def _echo(self, text: str, loud: bool) -> bool:
        """Show errors and what belongs to them; lines without a level belong to the line before."""
        found = LEVEL.search(text)
        if found:
            loud = found.group() in {"ERROR", "CRITICAL"}
        elif text.startswith("Traceback "):
            loud = True
        if loud and (found or text.strip()):
            self._say(f"{self.name}: {text}")
        return loud


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except OSError:
        return 0


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
