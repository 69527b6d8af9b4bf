"""Looks after one run from claim to ending: starts the engine, tails its events into rows, cancels, settles.

The row decides. A database that goes away for a while does not stop the training; a row that says somebody
else holds the run does.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from training import artifacts, diagnosis, kept_checkpoints, leaving, run_folder
from training.engine.events import Event
from training.engine_process import EngineProcess
from training.errors import NotPrepared, RunLost
from training.models import Run
from training.services import custody, run_events

T = TypeVar("T")
LOOK_SECONDS = 0.5
_log = logging.getLogger(__name__)


class Why(Enum):
    """Why the engine was asked to stop."""

    NOT_ASKED = "it ended by itself"
    CANCELLED = "a manager cancelled the run"
    LEAVING = "the worker is leaving"
    LOST = "the run is somebody else's"


class Exit:
    """Exit codes of the engine."""

    FINISHED = 0
    STOPPED = (3, -signal.SIGTERM)  # with a checkpoint; before it could listen


def supervise(run: Run) -> None:
    """Train a claimed run to its end, whichever that is, or until it is no longer ours."""
    try:
        with leaving.heeding_sigterm():
            _supervise(run)
    except RunLost:
        _log.warning("run %s is no longer this worker's (attempt %s)", run.pk, run.attempt)
    except (DatabaseError, InterfaceError):
        raise  # the row cannot be told; the reaper finds its stale heartbeat
    except Exception as error:  # noqa: BLE001 - whatever it is, the run's page has to say it
        _log.exception("run %s could not be looked after", run.pk)
        message = f"The worker hit an error: {type(error).__name__}: {error}"
        custody.fail(run=run, at=timezone.now(), error=message, hint="The worker's own log has more.")


def _supervise(run: Run) -> None:
    try:
        with custody.kept_alive(run):
            watch = Watch(run, run_folder.prepare(run))
    except NotPrepared as refusal:
        said = refusal
    else:
        return watch.until_settled()
    return _insist(lambda: _refuse(run, said))


def _refuse(run: Run, refusal: NotPrepared) -> None:
    if leaving.announced():
        custody.hand_back(run=run, at=timezone.now())
    else:
        custody.fail(run=run, at=timezone.now(), error=refusal.message, hint=refusal.hint)


class Watch:
    """One engine process and the row that tells about it."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run = run
        self.events_file = folder / "events.jsonl"
        self.why = Why.NOT_ASKED
        self.last_words: Event | None = None
        self.said_at = 0.0
        asked = (run.spec.get("evaluation") or {}).get("alpaca_eval") or {}
        self.engine = EngineProcess(folder, asks_judge=asked.get("judge") is not None)

    def until_settled(self) -> None:
        try:
            code = self._until_exit()
        except BaseException:
            self.engine.kill()
            raise
        if self.why is Why.LOST:
            raise RunLost(f"run {self.run.pk}")
        _insist(self._read_all)
        self._settle(code)

    def _until_exit(self) -> int:
        while (code := self.engine.wait(LOOK_SECONDS)) is None:
            if self.why is Why.NOT_ASKED:
                self.why = self._asked()
                if self.why is not Why.NOT_ASKED:
                    self.engine.ask_to_stop()
            else:
                _patiently(self._report)
        return code

    def _asked(self) -> Why:
        """Report to the row, and see in it and around it whether the engine has to stop."""
        if leaving.announced():
            return Why.LEAVING
        try:
            state = _patiently(self._report)
        except RunLost:
            return Why.LOST
        return Why.CANCELLED if state == Run.State.CANCELLING else Why.NOT_ASKED

    def _report(self) -> str:
        """New events into rows; a heartbeat when it is time. The run's state. Raises RunLost."""
        if self.why is Why.LOST:
            return ""
        if self._read_batch():
            self.said_at = time.monotonic()
        elif time.monotonic() - self.said_at > custody.HEARTBEAT_SECONDS:
            self.said_at = time.monotonic()
            return custody.heartbeat(run=self.run, at=timezone.now())
        return custody.held_state(self.run)

    def _read_batch(self) -> bool:
        found = run_events.ingest(run=self.run, file=self.events_file)
        mine = [event for event in found if event.at >= self.engine.started_at]
        self.last_words = mine[-1] if mine else self.last_words
        return bool(found)

    def _read_all(self) -> None:
        while self._read_batch():
            pass

    def _settle(self, code: int) -> None:
        """Write the ending. What the engine says counts before why it was asked to stop."""
        run, over = self.run, True
        if code == Exit.FINISHED:
            self._finish()
        elif self.last_words is not None and self.last_words.kind == "failed":
            said = self.last_words.data
            message = str(said.get("message") or "The engine failed without saying why.")
            hint = str(said.get("hint") or "") or diagnosis.hint_for(message, run.spec)
            _insist(lambda: custody.fail(run=run, at=timezone.now(), error=message, hint=hint))
        elif self.why is Why.CANCELLED:
            _insist(lambda: custody.stop(run=run, at=timezone.now()))
        elif self.why is Why.LEAVING:
            over = False
            _insist(lambda: custody.hand_back(run=run, at=timezone.now()))
        elif code in Exit.STOPPED:  # by somebody else's SIGTERM: as if its worker were lost
            over = False
            _insist(lambda: custody.lose(run=run, at=timezone.now()))
        else:
            found = diagnosis.of_exit(code, artifacts.log_tail(run.pk, 50), run.spec)
            _insist(lambda: custody.fail(run=run, at=timezone.now(), error=found.error, hint=found.hint))
        if code != Exit.FINISHED:
            self._publish(kept_checkpoints.to_keep(run.pk, run.spec, None) if over else ())

    def _finish(self) -> None:
        """Copy the model into storage before the run counts as finished: then it never lacks its model."""
        run = self.run
        kept = kept_checkpoints.to_keep(run.pk, run.spec, run.step)
        with custody.kept_alive(run):
            self._publish(kept)
        has_model = bool(artifacts.model_files(run.pk))
        _insist(lambda: custody.finish(run=run, at=timezone.now(), has_model=has_model))
        kept_checkpoints.drop(run.pk, kept)
        artifacts.drop_sources(run.pk)

    def _publish(self, kept: Sequence[int] = ()) -> None:
        try:
            artifacts.publish(self.run.pk)
            kept_checkpoints.publish(self.run.pk, kept)
        except Exception as error:  # noqa: BLE001 - storage fails in many ways; the results are safe in the folder
            _log.exception("could not copy the results of run %s into storage", self.run.pk)
            message = (
                f"The results could not be copied into storage ({error}); they stay in the run's folder."
            )
            _insist(lambda: custody.warn(run=self.run, code="storage", message=message))


def _patiently(deed: Callable[[], T]) -> T | None:
    """Do it; None when the database is away just now. Training goes on meanwhile."""
    try:
        return deed()
    except (DatabaseError, InterfaceError) as error:
        _log.warning("the database is away, will try again: %s", error)
        connection.close()
        return None


def _insist(deed: Callable[[], None]) -> None:
    """Do it, again and again while the database is away, up to an hour; then the reaper has to find out."""
    deadline = time.monotonic() + settings.RUN_INSIST_SECONDS
    while True:
        try:
            return deed()
        except (DatabaseError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            _log.warning("the database is away, will try again", exc_info=True)
            time.sleep(LOOK_SECONDS)
