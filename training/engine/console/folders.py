"""Run folders that a person names: new ones, and ones to go on with. No torch here."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.engine import checkpoints, cli, events
from training.engine.console import documents
from training.engine.errors import SpecError
from training.engine.spec import RunSpec, decisive

SPEC = "spec.json"
SHOWN = 4
# What may lie in a folder before its spec does: data and a model that a notebook gave, and the lock.
BEFOREHAND = {"rows.jsonl", "given", "engine.lock"}


def named(name: str) -> Path:
    """A new folder under `runs`: the name, made fit for a path, and the time."""
    words = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    stem = Path("runs") / f"{words}-{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}"
    tries = [stem, *(stem.with_name(f"{stem.name}-{number}") for number in range(2, 100))]
    return next(one for one in tries if not one.exists())


def settle(folder: Path, spec: RunSpec) -> None:
    """Make `folder` the run folder of this spec, or find that it is already.

    Raises:
        SpecError: it holds something else, another run, or a run that is being trained.
    """
    if folder.is_file():
        raise SpecError(f"{folder} is a file, not a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / SPEC).exists():
        if begun(folder):
            _check_same(folder, spec)
    elif {one.name for one in folder.iterdir()} - BEFOREHAND:
        raise SpecError(f"{folder} is not empty and holds no run.", hint="Name another folder.")
    try:
        with cli.alone(folder):
            _write(folder / SPEC, documents.as_json(spec))
    except BlockingIOError as error:
        raise SpecError(f"Another engine is running in {folder}.", code="folder_in_use") from error


def ready(file: Path | None) -> None:
    """Make the folder of a file that is written later, if one is named.

    Raises:
        SpecError: it cannot be made, or the file is a folder.
    """
    if file is None:
        return
    if file.is_dir():
        raise SpecError(f"{file} cannot be written: it is a folder.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecError(f"{file} cannot be written: {error}", hint="Name another file with --out.") from error


def write(file: Path, text: str, *, hint: str = "") -> None:
    """A file with its folder, whole or not at all.

    Raises:
        SpecError: it cannot be written.
    """
    ready(file)
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except (OSError, UnicodeEncodeError) as error:
        raise SpecError(f"{file} cannot be written: {error}", hint=hint) from error


def begun(folder: Path) -> bool:
    """Whether there is something to go on with."""
    return bool(checkpoints.complete(folder / "checkpoints")) or finished(folder)


def finished(folder: Path) -> bool:
    """Whether the run in `folder` was the last thing that happened there, and ended well."""
    told = [event.kind for _, _, event in events.read(folder / "events.jsonl")]
    return told[-1:] == ["finished"] and (folder / "model").is_dir()


def _check_same(folder: Path, spec: RunSpec) -> None:
    there, wanted = flat(decisive(cli.read_spec(folder))), flat(decisive(spec))
    names = [name for name in {**there, **wanted} if there.get(name) != wanted.get(name)]
    if names:
        shown = ", ".join(
            f"{one} is {there.get(one)} there and {wanted.get(one)} here" for one in names[:SHOWN]
        )
        raise SpecError(
            f"{folder} holds another run: {shown}{', …' if len(names) > SHOWN else ''}.",
            code="spec_changed",
            hint="Name another folder, or go on with the run as it is by naming the folder alone.",
        )


def flat(document: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Values by their dotted place."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def _write(file: Path, text: str) -> None:
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
