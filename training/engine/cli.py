"""The command line: train RUN_DIR, check RUN_DIR, methods.

Exit codes: 0 finished, 1 crash, 2 bad input, 3 cancelled.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from training.engine import catalog, memory, plain_log, records, tracking
from training.engine.errors import (
    Cancelled,
    DatasetError,
    EngineError,
    InputError,
    OutOfMemory,
    SpecError,
    faults,
)
from training.engine.events import Event, EventWriter, Unheard
from training.engine.launched import count, first
from training.engine.spec import RunSpec
from training.engine.stopping import Stop, die_with_parent

FINISHED, CRASHED, BAD_INPUT, CANCELLED = 0, 1, 2, 3
# How safetensors and torch.save, which raise errors of their own, say that a write did not fit.
FULL_DISK = (os.strerror(errno.ENOSPC).lower(), "inline_container", "pytorchstreamwriter failed writing")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.engine", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, explained in (
        ("train", "train the run in RUN_DIR (spec.json and its dataset)"),
        ("check", "validate RUN_DIR's spec, dataset and base model, and train nothing"),
    ):
        commands.add_parser(name, help=explained).add_argument("run_dir", type=Path, metavar="RUN_DIR")
    commands.add_parser("methods", help="list the methods")
    given = parser.parse_args(arguments)
    if given.command == "methods":
        return methods()
    quiet_environment()
    return train(given.run_dir, hear=log) if given.command == "train" else check(given.run_dir)


def log(event: Event) -> None:
    """An event as a line on stdout: what a supervisor keeps as the run's log."""
    text = plain_log.line(event)
    if text is not None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def methods() -> int:
    """Print the methods and their parameters."""
    for entry in catalog.METHODS.values():
        defaults = entry.params().model_dump()
        shown = ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in defaults.items()
        )
        say(f"{entry.slug:18} {entry.title}. {entry.summary} [{shown}] ({entry.source})")
    return FINISHED


def check(run_dir: Path) -> int:
    """Validate everything that can be validated without training."""
    try:
        spec = read_spec(run_dir)
        tracking.check(spec)
        data = records.load(run_dir / spec.dataset.path, spec.dataset.sha256)
        _check_models(spec, run_dir)
    except InputError as error:
        refuse(error)
        return BAD_INPUT
    what = spec.method.slug if spec.kind == "preference" else spec.kind
    of = f"of {spec.subject.run}" if spec.kind == "evaluation" else f"on {spec.model.base}"
    say(f"ok: {what} {of}, {len(data.preferences)} preferences, {len(data.rows)} rows, sha256 {data.sha256}")
    return FINISHED


def _check_models(spec: RunSpec, run_dir: Path) -> None:
    """Raises ModelError when the base model, the reward model or the judge is not to be had."""
    if spec.model.base != "tiny":
        from training.engine import base

        base.check(spec, run_dir)
    if spec.kind == "preference" and spec.method.reward_model is not None:
        from training.engine import reward_model

        reward_model.check(run_dir / spec.method.reward_model)
    if spec.evaluation.judge is not None:
        from training.engine import judging

        judging.check(spec.evaluation.judge, run_dir)


def train(run_dir: Path, hear: Callable[[Event], None] = lambda _: None, errors: TextIO | None = None) -> int:
    """Train the run in `run_dir`; alone in it, and with every outcome told in events.jsonl.

    Args:
        hear: is given each event too.
        errors: where refusals and tracebacks go, instead of stderr.
    """
    if not run_dir.is_dir():
        say(f"{run_dir} is not a folder.", sys.stderr)
        return BAD_INPUT
    stop = Stop()
    stop.listen()
    die_with_parent()
    try:
        with alone(run_dir) if first() else nullcontext():
            events = EventWriter(run_dir / "events.jsonl", hear) if first() else Unheard()
            try:
                return told(events, lambda: train_in(run_dir, events, stop), errors)
            finally:
                events.close()
    except BlockingIOError:
        say(f"Another engine is running in {run_dir}.", sys.stderr)
        return BAD_INPUT


def train_in(run_dir: Path, events: EventWriter, stop: Stop) -> None:
    """Train the run in `run_dir`, whoever holds its lock.

    Raises:
        EngineError, Cancelled: see `errors`.
    """
    spec = read_spec(run_dir)
    data = records.load(run_dir / spec.dataset.path, spec.dataset.sha256)
    with redirect_stdout(sys.stderr):  # transformers greets whoever set WANDB_MODE, and stdout is for events
        from training.engine import runner
        from training.engine.run import Run

    runner.train(Run(run_dir, spec, data, events, stop))


@contextmanager
def telling(events: EventWriter) -> Iterator[None]:
    """Write how the work inside ended short, if it did; the exception goes on."""
    try:
        yield
    except Cancelled as cancelled:
        events.write("cancelled", cancelled.step, checkpoint=cancelled.checkpoint)
        raise
    except EngineError as error:
        events.write("failed", code=error.code, message=error.message, hint=error.hint)
        raise
    except Exception as error:
        code, hint = explain(error)
        events.write("failed", code=code, message=f"{type(error).__name__}: {error}", hint=hint)
        raise


def told(events: EventWriter, work: Callable[[], None], errors: TextIO | None = None) -> int:
    """Do the work and turn its end into an event and an exit code."""
    try:
        with telling(events):
            work()
    except Cancelled:
        return CANCELLED
    except EngineError as error:
        if not isinstance(error, (SpecError, DatasetError)):  # those name the fault; the others have a cause
            traceback.print_exc(file=errors)
        refuse(error, errors)
        return BAD_INPUT if isinstance(error, InputError) else CRASHED
    except Exception:  # noqa: BLE001 - whatever it is, it was told
        traceback.print_exc(file=errors)
        return CRASHED
    return FINISHED


def explain(error: Exception) -> tuple[str, str]:
    """A code and a hint for an error that the engine did not foresee."""
    if memory.is_shortage(error):
        return OutOfMemory.code, memory.GENERAL
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if full or any(sign in str(error).lower() for sign in FULL_DISK):
        return "disk_full", "Free space on the worker's disk and resume: the last whole checkpoint is kept."
    return "crash", "The log has the traceback. The run can be resumed from its last checkpoint."


def read_spec(run_dir: Path) -> RunSpec:
    """Read and check spec.json.

    Raises:
        SpecError: missing, not JSON, or not a run spec; the message names each field.
    """
    file = run_dir / "spec.json"
    try:
        return RunSpec.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise SpecError(f"There is no spec.json in {run_dir}.") from None
    except ValidationError as error:
        raise SpecError(f"spec.json is not a run spec. {faults(error)}") from error
    except ValueError as error:
        raise SpecError(f"spec.json is not JSON (half-written?): {error}") from error


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Hold RUN_DIR/engine.lock; the kernel lets go of it when the process ends, however it ends.

    Raises:
        BlockingIOError: another engine holds it.
    """
    with (run_dir / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def quiet_environment() -> None:
    """Before anything from Hugging Face is imported: no telemetry, one GPU, no tokenizer threads to fork."""
    for name, value in (
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("DO_NOT_TRACK", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
    ):
        os.environ[name] = value
    os.environ.setdefault("WANDB_SILENT", "true")  # it says on stdout where its files are
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve whoever shares the CPU
    if count() == 1:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")


def refuse(error: EngineError, out: TextIO | None = None) -> None:
    """A refusal in one line, on stderr unless `out` is given."""
    say(f"{error.code}: {error.message} {error.hint}".strip(), out or sys.stderr)


def say(text: str, out: TextIO | None = None) -> None:
    """A line for people."""
    (out or sys.stdout).write(text + "\n")
