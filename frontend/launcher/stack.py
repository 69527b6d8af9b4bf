"""Web and worker together: start, wait until they answer, restart what dies, end everything."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from frontend.launcher.child import Child

READY_SECONDS = 90.0
GRACE_SECONDS = 10.0  # on top of what an engine has for its checkpoint
SAY_AFTER_SECONDS = 5.0
QUICK_DEATH_SECONDS = 60.0
QUICK_DEATHS = 4
POLL_SECONDS = 0.3


class GaveUp(Exception):
    """The stack cannot run; the message says what was seen."""


@dataclass
class Watched:
    """A child and how its starts went."""

    child: Child
    started: float = 0.0
    quick_deaths: int = 0
    again_at: float | None = None


@dataclass
class Stack:
    """The children, and the two signals a person can give: end, and end now."""

    children: list[Child]
    ready_url: str
    say: Callable[[str], None]
    ending: threading.Event = field(default_factory=threading.Event)
    hurry: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._watched = [Watched(child) for child in self.children]

    def interrupt(self) -> None:
        """The first call asks for the end, the second one does not wait."""
        (self.hurry if self.ending.is_set() else self.ending).set()

    def start(self) -> None:
        """Start all and wait until /readyz reports that everything answers and a worker lives.

        Raises:
            GaveUp: a child died, or nothing answered in time.
        """
        for watched in self._watched:
            self._start(watched)
        deadline = time.monotonic() + READY_SECONDS
        while not self.ending.is_set() and not _ready(self.ready_url):
            for watched in self._watched:
                if watched.child.status() is not None:
                    raise GaveUp(_last_words(watched.child))
            if time.monotonic() > deadline:
                raise GaveUp(f"{self.ready_url} does not report a web process and a worker that are ready.")
            self.ending.wait(POLL_SECONDS)

    def watch(self) -> None:
        """Until the end is asked for: start again what dies, after a growing pause.

        Raises:
            GaveUp: a child died too often in a row.
        """
        while not self.ending.wait(POLL_SECONDS):
            for watched in self._watched:
                self._care(watched)

    def stop(self) -> None:
        """End every process, gracefully if they let us."""
        for child in self.children:
            child.ask_to_end()
        began, said = time.monotonic(), False
        while not all(child.gone() for child in self.children):
            waited = time.monotonic() - began
            if waited > settings.RUN_GRACE_SECONDS + GRACE_SECONDS or self.hurry.wait(POLL_SECONDS):
                break
            if waited > SAY_AFTER_SECONDS and not said:
                self.say("Waiting for work in progress; a training run writes its checkpoint now.")
                said = True
        for child in self.children:
            child.kill()

    def _start(self, watched: Watched) -> None:
        watched.started, watched.again_at = time.monotonic(), None
        watched.child.start()

    def _care(self, watched: Watched) -> None:
        now = time.monotonic()
        if watched.again_at is not None:
            if now >= watched.again_at:
                self.say(f"Starting {watched.child.name} again.")
                self._start(watched)
        elif watched.child.status() is not None:
            self._mourn(watched, now)

    def _mourn(self, watched: Watched, now: float) -> None:
        quick = now - watched.started < QUICK_DEATH_SECONDS
        watched.quick_deaths = watched.quick_deaths + 1 if quick else 1
        if watched.quick_deaths >= QUICK_DEATHS:
            raise GaveUp(_last_words(watched.child))
        pause = 2.0 ** (watched.quick_deaths - 1)
        self.say(
            f"{watched.child.name} ended with status {watched.child.status()}; "
            f"starting it again in {pause:.0f} s. Its log: {watched.child.log}"
        )
        watched.again_at = now + pause


def _ready(url: str) -> bool:
    """Whether the web process has all it needs, and a worker has said that it is alive."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            report = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False
    return report.get("status") == "ok" and bool(report.get("workers"))


def _last_words(child: Child) -> str:
    tail = "\n".join(f"    {line}" for line in child.tail)
    return f"{child.name} ended with status {child.status()}. The end of {child.log}:\n{tail}"
