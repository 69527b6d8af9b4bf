"""How a worker's main process tells the processes of its pool that it is leaving.

A pipe made before the fork: once something is in it, everybody who looks knows. Nobody empties it.
Should the main process die without a word, the kernel ends its pool with it, and then the engines.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator


class _Pipe:
    read_end: int | None = None
    write_end: int | None = None
    told: bool = False  # by SIGTERM, to this process alone


def prepare() -> None:
    """In the main process, before it forks."""
    if _Pipe.read_end is None:
        _Pipe.read_end, _Pipe.write_end = os.pipe()


def announce() -> None:
    """In the main process: everybody is to finish what they do and hand runs back."""
    if _Pipe.write_end is not None:
        os.write(_Pipe.write_end, b".")


def announced() -> bool:
    """Whether this worker is leaving. Never true outside a worker."""
    if _Pipe.told:
        return True
    if _Pipe.read_end is None:
        return False
    return bool(select.select([_Pipe.read_end], [], [], 0)[0])


@contextlib.contextmanager
def heeding_sigterm() -> Iterator[None]:
    """While a run is looked after, SIGTERM to this very process first hands the run back, then ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(_number: int, _frame: object) -> None:
        _Pipe.told = True

    before = signal.signal(signal.SIGTERM, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if _Pipe.told:  # now as the signal was meant
            _Pipe.told = False
            signal.raise_signal(signal.SIGTERM)
