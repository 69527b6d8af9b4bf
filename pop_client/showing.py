"""What `pop` says: rows for people or as JSON on stdout, progress on stderr where somebody looks."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import current_thread, main_thread
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from pop_client.models import Dataset, Import, Run

J = TypeVar("J", Import, Dataset, Run)
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]
POLL_SECONDS = 1.0
ENDED = frozenset({"done", "failed", "frozen", "cancelled", "finished"})
GOOD = frozenset({"done", "frozen", "finished"})
INTERRUPTED = 130  # what shells say of Ctrl-C


def say(rows: Sequence[BaseModel], as_json: bool) -> None:
    """One JSON object a line, or a table; a single row as name and value."""
    if as_json:
        for row in rows:
            typer.echo(row.model_dump_json())
        return
    found = [row.model_dump(mode="json") for row in rows]
    table = Table(box=None, pad_edge=False, show_header=len(found) != 1)
    if len(found) == 1:
        for name, value in found[0].items():
            table.add_row(name, _words(value))
    elif found:
        for name in found[0]:
            table.add_column(name)
        for one in found:
            table.add_row(*map(_words, one.values()))
    out = Console(markup=False, highlight=False)
    # A file or a pipe has no width: nothing is cut off there.
    out.print(table, width=None if out.is_terminal else 10_000, soft_wrap=not out.is_terminal)


def finish(job: J, *, wait: bool, again: Callable[[], J], cancel: Callable[[], J], as_json: bool) -> None:
    """Say where it stands; with `wait` how it ended, and exit 1 unless it ended well."""
    job = watch(job, again, cancel) if wait else job
    say([job], as_json)
    if wait and job.state not in GOOD:
        raise typer.Exit(1)


def watch(job: J, again: Callable[[], J], cancel: Callable[[], J]) -> J:
    """Wait until it has ended, with a bar where somebody looks. Ctrl-C cancels it on the server."""
    with (
        _interrupted() as interrupted,
        _bar(BarColumn(), TextColumn("{task.fields[pace]}")) as bar,
    ):
        task = bar.add_task(job.state, total=None, pace="")
        while job.state not in ENDED:
            done, total = _share(job)
            bar.update(task, description=job.state, completed=done, total=total, pace=pace(job))
            with suppress(Empty):
                interrupted.get(timeout=POLL_SECONDS)
                break
            job = again()
    if job.state not in ENDED:
        typer.echo(f"{job.state}, and now cancelled: {cancel().state}.", err=True)
        raise typer.Exit(INTERRUPTED)
    return job


@contextmanager
def _interrupted() -> Iterator[SimpleQueue[None]]:
    """Filled by the first Ctrl-C. The second one breaks off wherever the program is.

    Raised between two instructions, the exception could leave a lock of the bar taken, and its end hang. A
    signal may come in the middle of anything: of all queues and events only this one can be filled then.
    """
    asked: SimpleQueue[None] = SimpleQueue()
    before = signal.getsignal(signal.SIGINT)
    if current_thread() is not main_thread() or before is not signal.default_int_handler:
        yield asked  # a script's background command does not hear Ctrl-C
        return

    def note(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        asked.put(None)

    signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def counted(what: str) -> Iterator[Callable[[int], None]]:
    """A bar for bytes whose sum is not known beforehand."""
    with _bar(
        SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn()
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda size: bar.advance(task, size)


def pace(job: Import | Dataset | Run) -> str:
    """`1,200 rows/s, 3 min left`: what the server says, so far as it says anything."""
    if isinstance(job, Run):
        rate, left = f"step {job.step:,}", job.eta_seconds
    else:
        rate, left = ("" if job.rows_per_s is None else f"{job.rows_per_s:,.0f} rows/s"), job.seconds_left
    return ", ".join(part for part in (rate, "" if left is None else f"{_span(left)} left") if part)


def _share(job: Import | Dataset | Run) -> tuple[int, int | None]:
    if isinstance(job, Import):
        return job.bytes_done, job.bytes_total or None
    if isinstance(job, Dataset):
        return job.progress_done, job.progress_total or None
    return job.stage_done, job.stage_total or None


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bar(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    shown = (SpinnerColumn(), TextColumn("{task.description}"), *columns)
    return Progress(*shown, console=console, transient=True, disable=not console.is_terminal)


def _words(value: object) -> str:
    return "" if value is None else str(value)
