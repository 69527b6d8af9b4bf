"""The annotators, in a process of their own: `python -m bench.annotating.load` reads a plan, prints figures.

Each has one connection that is kept open, holds two comparisons as the page does, and answers without
thinking. They come one after another, as people do: when all connect in the same millisecond, the process of
the server that wakes up first takes and keeps them. Raw sockets: the load must cost little on a machine that
it shares with the server.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

HELD = 2  # the comparison on screen and the one fetched ahead
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
TASK = re.compile(rb'^\{"task": ?\{"id": ?(\d+)')
VERDICTS, WEIGHTS = ("first", "second", "too_close"), (45, 45, 10)
Answered = tuple[float, float, bool]  # when the reply was there, seconds it took, whether it brought a task


class Refused(Exception):
    """The server did not do what it was asked."""


@dataclass
class Annotator:
    host: str
    port: int
    path: str
    cookies: dict[str, str]
    draw: random.Random
    answered: list[Answered] = field(default_factory=list)
    idle_at: float | None = None
    _pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def work(self, begin: float, until: float) -> None:
        """Answer from one moment to another, or until there is nothing more."""
        await asyncio.sleep(begin - time.monotonic())
        held: list[int] = []
        while len(held) < HELD and (task := _task(await self.post("next", {"exclude": held}))):
            held.append(task)
        while held and time.monotonic() < until:
            current = held.pop(0)
            began = time.monotonic()
            task = _task(await self.post("answer", self._answer(current, held)))
            now = time.monotonic()
            self.answered.append((now, now - began, task is not None))
            if task is None:
                self.idle_at = self.idle_at or now
            else:
                held.append(task)
        if not held:
            self.idle_at = self.idle_at or time.monotonic()
        if self._pipe:
            self._pipe[1].close()

    def _answer(self, current: int, held: list[int]) -> dict[str, Any]:
        verdict = self.draw.choices(VERDICTS, WEIGHTS)[0]
        given = {"assignment": current, "verdict": verdict, "key": str(uuid4()), "duration_ms": 5000}
        return {**given, "exclude": [*held, current]}

    async def post(self, name: str, body: dict[str, Any]) -> bytes:
        """The body of a 200 reply.

        Raises:
            Refused: any other reply.
        """
        reader, writer = self._pipe = self._pipe or await asyncio.open_connection(self.host, self.port)
        writer.write(self._request(name, json.dumps(body).encode()))
        head = await reader.readuntil(b"\r\n\r\n")
        found = LENGTH.search(head)
        content = await reader.readexactly(int(found[1])) if found else b""
        if CLOSE.search(head):
            writer.close()
            self._pipe = None
        if b" 200 " not in head[:16]:
            raise Refused(f"{name}: {head[:40]!r} {content[:300]!r}")
        return content

    def _request(self, name: str, content: bytes) -> bytes:
        cookies = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        head = (
            f"POST {self.path}{name} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Cookie: {cookies}\r\nX-CSRFToken: {self.cookies['csrftoken']}\r\n"
            "Content-Type: application/json\r\nAccept: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content


async def play(plan: dict[str, Any]) -> dict[str, Any]:
    """Figures of the time after the warm-up and before the first annotator found nothing more."""
    came, start = time.monotonic(), time.monotonic() + plan["warm_seconds"]
    until = start + plan["seconds"]
    between = plan["warm_seconds"] / 2 / len(plan["people"])
    people = [
        Annotator(plan["host"], plan["port"], plan["path"], cookies, random.Random(number))
        for number, cookies in enumerate(plan["people"])
    ]
    begun = (one.work(came + number * between, until) for number, one in enumerate(people))
    await asyncio.gather(*begun)
    end = min([until, *(one.idle_at for one in people if one.idle_at)])
    return figures([one for person in people for one in person.answered], start, end)


def figures(answered: list[Answered], start: float, end: float) -> dict[str, Any]:
    counted = [(took, brought) for at, took, brought in answered if start <= at <= end]
    submits = sorted(took for took, _ in counted)
    nexts = sorted(took for took, brought in counted if brought)
    return {
        "labels": len(counted),
        "sent": len(answered),
        "seconds": round(end - start, 2),
        "labels_per_s": round(len(counted) / (end - start), 1) if end > start else None,
        "next_p50_ms": _percentile(nexts, 0.5),
        "next_p95_ms": _percentile(nexts, 0.95),
        "submit_p95_ms": _percentile(submits, 0.95),
    }


def _percentile(ordered: list[float], share: float) -> float | None:
    """Milliseconds; the nearest rank."""
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else None


def _task(content: bytes) -> int | None:
    found = TASK.match(content)
    if found is None and not content.startswith((b'{"task": null', b'{"task":null')):
        raise Refused(f"not a reply: {content[:100]!r}")
    return int(found[1]) if found else None


if __name__ == "__main__":
    print(json.dumps(asyncio.run(play(json.load(sys.stdin)))))
