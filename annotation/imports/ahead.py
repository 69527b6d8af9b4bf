"""Reads a file ahead of whoever stores it: parsing and hashing go on while the database works."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from time import monotonic

from annotation.imports.records import Prepared, Record, Row, RowError, UnreadableFile, prepared

AHEAD = 1  # batches that wait at most: memory stays flat however large the file is
PATIENCE = 10.0  # seconds after which a smaller batch is handed over
_POLL = 0.2  # seconds until a reader that waits for room looks whether it is still wanted


@dataclass(frozen=True)
class Batch:
    """Some rows in file order, and where in the file the reader stood after them."""

    rows: list[Prepared | RowError]
    position: int


def batches(rows: Iterator[Row], size: int, position: Callable[[], int] = lambda: 0) -> Generator[Batch]:
    """Full batches; smaller ones where rows come slowly, so that a heartbeat never waits for long.

    Raises:
        UnreadableFile, OSError: after all batches read before, from the place where it went wrong.
    """
    queue: Queue[Batch | BaseException | None] = Queue(AHEAD)
    stopped = Event()
    reader = Thread(target=_fill, args=(_cut(rows, size, position), queue, stopped), daemon=True)
    reader.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        reader.join()


def _fill(cut: Iterator[Batch], queue: Queue[Batch | BaseException | None], stopped: Event) -> None:
    try:
        for batch in cut:
            if not _put(queue, batch, stopped):
                return
        _put(queue, None, stopped)
    except BaseException as error:  # noqa: BLE001 - raised again where the batches are taken
        _put(queue, error, stopped)


def _put(
    queue: Queue[Batch | BaseException | None], item: Batch | BaseException | None, stopped: Event
) -> bool:
    while not stopped.is_set():
        try:
            queue.put(item, timeout=_POLL)
        except Full:
            continue
        return True
    return False


def _cut(rows: Iterator[Row], size: int, position: Callable[[], int]) -> Iterator[Batch]:
    batch: list[Prepared | RowError] = []
    due = monotonic() + PATIENCE
    try:
        for row in rows:
            batch.append(prepared(row) if isinstance(row, Record) else row)
            if len(batch) == size or monotonic() > due:
                yield Batch(batch, position())
                batch, due = [], monotonic() + PATIENCE
    except UnreadableFile:
        yield Batch(batch, position())  # what was read before the file broke off is kept
        raise
    yield Batch(batch, position())
