"""The engine as a child process: in a session of its own, its output in log.txt.

It gets no secret but the key of a judge that it has to ask.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from training.errors import NotPrepared

# What the web application is configured with is none of the engine's business; passwords are among it.
_WITHHELD = ("DJANGO_", "DATABASE_", "CELERY_", "POP_", "POSTGRES_", "REDIS_", "AWS_", "PG")


class EngineProcess:
    """`python -m training.engine train FOLDER`, and the ways to end it. Raises NotPrepared."""

    def __init__(self, folder: Path, *, asks_judge: bool = False) -> None:
        self.started_at: datetime = timezone.now()
        self.kill_at = float("inf")
        try:
            self._child = _start(folder, environment(asks_judge=asks_judge))
        except OSError as error:
            raise NotPrepared(
                f"The engine could not be started: {error}",
                "Check POP_ENGINE_PYTHON and the disk of the worker, then launch the run again.",
            ) from error

    @property
    def pid(self) -> int:
        return self._child.pid

    def wait(self, seconds: float) -> int | None:
        """The exit code (negative: the signal that ended it), or None when it still runs after that time."""
        if time.monotonic() > self.kill_at:
            self._signal(signal.SIGKILL)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_stop(self) -> None:
        """SIGTERM: write a checkpoint and exit. After the grace period it is killed."""
        if self.kill_at == float("inf"):
            self.kill_at = time.monotonic() + settings.RUN_GRACE_SECONDS
            self._child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and whatever it started, now."""
        self._signal(signal.SIGKILL)
        self._child.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)


def _start(folder: Path, given: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the interpreter from the settings
            [settings.ENGINE_PYTHON, "-m", "training.engine", "train", str(folder)],
            cwd=folder,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def environment(*, asks_judge: bool) -> dict[str, str]:
    """What the engine is started with; a judge's address and key if it has to ask one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_WITHHELD)}
    path = os.pathsep.join(part for part in (str(settings.BASE_DIR), kept.get("PYTHONPATH", "")) if part)
    judge = {"POP_JUDGE_URL": settings.JUDGE_URL, "POP_JUDGE_KEY": settings.JUDGE_KEY}
    return {
        **kept,
        **(judge if asks_judge else {}),
        "PYTHONPATH": path,
        "POP_SUPERVISED": "1",
        "PYTHONUNBUFFERED": "1",
        "POP_CACHE_DIR": str(settings.CACHE_DIR),
    }
