"""A progress line in a terminal for work that a service does: how far, how fast, how long still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from django.core.management.base import OutputWrapper
from django.db import connection

from annotation.selectors.pace import Pace

EVERY = 1.0  # seconds


@contextmanager
def following(out: OutputWrapper, line: Callable[[], str]) -> Iterator[None]:
    """Write `line()` over itself every second, from a thread with a connection of its own."""
    ended = Event()
    teller = Thread(target=_tell, args=(out, line, ended), daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
        out.write(f"\r{line()}\033[K\n" if out.isatty() else f"{line()}\n")


def _tell(out: OutputWrapper, line: Callable[[], str], ended: Event) -> None:
    try:
        while not ended.wait(EVERY):
            if out.isatty():
                out.write(f"\r{line()}\033[K")
                out.flush()
    finally:
        connection.close()


def in_words(pace: Pace) -> str:
    words = f", {pace.rows_per_s:,.0f} rows/s" if pace.rows_per_s else ""
    return words + (f", {pace.seconds_left:,} s left" if pace.seconds_left is not None else "")
