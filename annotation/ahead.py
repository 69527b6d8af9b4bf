"""Reads ahead in a thread: parsing and packing go on while the database works, or the other way round."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 1  # batches that wait at most: memory stays flat however large the file is
HEAVY = 32 * 2**20  # bytes in a batch, beyond which it is handed over
PATIENCE = 10.0  # seconds after which a smaller batch is handed over
_POLL = 0.2  # seconds until a reader that waits for room looks whether it is still wanted


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Some rows in order, and where (in a file) the reader stood after them."""

    rows: list[T]
    position: int


def batches(
    rows: Iterator[T],
    size: int,
    position: Callable[[], int] = lambda: 0,
    weight: Callable[[T], int] = lambda row: 0,
) -> Generator[Batch[T]]:
    """Full batches; smaller ones where rows are heavy (`weight` in bytes), or come so slowly that a heartbeat
    would wait for long.

    `rows` is run through, and closed, in a thread of its own.

    Raises:
        Exception: what the rows raised, after everything that was read before it.
    """
    queue: Queue[Batch[T] | BaseException | None] = Queue(AHEAD)
    stopped = Event()
    reader = Thread(target=_fill, args=(_cut(rows, size, position, weight), queue, stopped), daemon=True)
    reader.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()


def _fill(cut: Generator[Batch[T]], queue: Queue[Batch[T] | BaseException | None], stopped: Event) -> None:
    try:
        with closing(cut):
            for batch in cut:
                if not _put(queue, batch, stopped):
                    return
        _put(queue, None, stopped)
    except BaseException as error:  # noqa: BLE001 - raised again where the batches are taken
        _put(queue, error, stopped)


def _put(
    queue: Queue[Batch[T] | BaseException | None], item: Batch[T] | BaseException | None, stopped: Event
) -> bool:
    while not stopped.is_set():
        try:
            queue.put(item, timeout=_POLL)
        except Full:
            continue
        return True
    return False


def _cut(
    rows: Iterator[T], size: int, position: Callable[[], int], weight: Callable[[T], int]
) -> Generator[Batch[T]]:
    batch: list[T] = []
    heavy, due = 0, monotonic() + PATIENCE
    try:
        for row in rows:
            batch.append(row)
            heavy += weight(row)
            if len(batch) == size or heavy > HEAVY or monotonic() > due:
                yield Batch(batch, position())
                batch, heavy, due = [], 0, monotonic() + PATIENCE
        yield Batch(batch, position())
    except Exception:
        yield Batch(batch, position())  # what was read before a file broke off is kept
        raise
    finally:
        if close := getattr(rows, "close", None):  # a generator's end belongs to the thread that ran it
            close()
