"""What has to be true before the first process starts: one at a time, a free port, tables, static files."""

from __future__ import annotations

import fcntl
import hashlib
import io
import socket
from pathlib import Path
from typing import IO

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


class NotPossible(Exception):
    """Starting makes no sense; the message says what to do."""


def take_lock() -> IO[str]:
    """Hold the files in VAR_DIR for this process alone. The lock goes with the process.

    Raises:
        NotPossible: another `manage.py up` runs on the same files.
    """
    lock = (settings.VAR_DIR / "up.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise NotPossible(
            f"PoP Studio already runs on {settings.VAR_DIR} ({lock.read().strip()}). "
            "Stop it first, or set POP_VAR_DIR to another folder."
        ) from error
    return lock


def check_port(host: str, port: int) -> None:
    """Try the address before anything is started.

    Raises:
        NotPossible: it is taken, or not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise NotPossible(
                f"Port {port} on {host} cannot be used ({error.strerror}). "
                f"Stop the program that has it, or choose another: POP_PORT={port + 1} make run"
            ) from error


def make_tables() -> None:
    call_command("migrate", interactive=False, verbosity=0)


def collect_static() -> bool:
    """Collect static files when any of them changed since the last time; whether that was so."""
    stamp: Path = settings.VAR_DIR / "static.stamp"
    seen = _static_fingerprint()
    if stamp.exists() and stamp.read_text() == seen:
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=True, stdout=io.StringIO())
    stamp.write_text(seen)
    return True


def _static_fingerprint() -> str:
    digest = hashlib.sha256(str(settings.STATIC_ROOT).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            about = Path(storage.path(name)).stat()
            digest.update(f"{name} {about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()
