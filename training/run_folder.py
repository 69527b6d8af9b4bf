"""Makes a run's folder ready for the engine: spec.json, a copy of the dataset, the models it is made from."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from pathlib import Path

from django.conf import settings

from annotation.errors import DomainError
from annotation.selectors import datasets
from training import artifacts, benchmark_files, leaving, lineage, specs
from training.errors import NotPrepared
from training.models import Run
from training.services import sources

_LOOK_SECONDS = 0.25


def prepare(run: Run) -> Path:
    """The folder, ready: what an earlier attempt left (checkpoints, events) stays.

    Raises:
        NotPrepared: with what went wrong and what to do.
    """
    folder = artifacts.folder(run.pk)
    specs.recheck_models(run.spec)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _wait_for_lock(folder)
        _write_spec(folder, run)
        _copy_dataset(folder, run)
        sources.bring(run, folder)
        continue_events(folder / "events.jsonl", run.events_read)
    except OSError as error:
        raise _in_words(error, folder) from error
    except DomainError as error:
        raise NotPrepared(
            f"The dataset could not be read: {error.message}",
            "Bring its files back into storage, or freeze the dataset again and launch a new run.",
        ) from error
    return folder


def _write_spec(folder: Path, run: Run) -> None:
    fresh = folder / "spec.json.part"
    spec = benchmark_files.with_paths(lineage.with_folders(run.spec), folder)
    fresh.write_text(json.dumps(spec, ensure_ascii=False, indent=2))
    fresh.replace(folder / "spec.json")


def _copy_dataset(folder: Path, run: Run) -> None:
    """Always anew: the engine checks the hash, and a copy that was touched must not fail a run twice."""
    target = folder / "dataset"
    shutil.rmtree(target, ignore_errors=True)
    datasets.materialise(run.dataset, target)


def continue_events(file: Path, already_read: int) -> None:
    """On another machine than the last attempt's the file starts where the rows end: offsets never repeat."""
    size = file.stat().st_size if file.exists() else 0
    if size < already_read:
        file.touch()
        os.truncate(file, already_read - 1)
        with file.open("ab") as out:
            out.write(b"\n")


def _wait_for_lock(folder: Path) -> None:
    """An engine of an earlier attempt may still be writing its last checkpoint."""
    deadline = time.monotonic() + settings.RUN_GRACE_SECONDS
    with (folder / "engine.lock").open("ab") as lock:
        while not _free(lock.fileno()):
            if time.monotonic() > deadline or leaving.announced():
                raise NotPrepared(
                    "Another engine still works in this run's folder.",
                    f"End the process that holds {folder.name}/engine.lock, then launch or resume the run.",
                )
            time.sleep(_LOOK_SECONDS)


def _free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


def _in_words(error: OSError, folder: Path) -> NotPrepared:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NotPrepared(
            "The disk is full: the dataset could not be copied for training.",
            f"Free space where {folder.parent} lies, then launch the run again.",
        )
    if isinstance(error, FileNotFoundError):
        return NotPrepared(
            f"A file of the dataset is missing: {error.filename or error}",
            "Freeze the dataset again, or bring its files back into storage.",
        )
    return NotPrepared(f"The run's folder could not be prepared: {error}")
