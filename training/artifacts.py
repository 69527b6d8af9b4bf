"""What a run leaves behind: files in its folder on the worker, and copies in storage under `runs/<id>/`.

The folder is read where it is at hand (it is newer while the run goes on); web processes on another machine
read storage.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, default_storage

CHUNK = 1024 * 1024
RESPONSES = "generations.jsonl"
REFERENCE_RESPONSES = "reference-generations.jsonl"
ALPACA = ("alpaca-outputs.json", "alpaca-annotations.json")  # of evaluation runs that asked for it
# What is kept of a finished run beside its model and the base that was made for it.
KEPT = ("evaluation.json", "log.txt", RESPONSES, REFERENCE_RESPONSES, *ALPACA)
BLOCK = tarfile.BLOCKSIZE
_TAIL_BYTES = 256 * 1024


@dataclass(frozen=True)
class Artifact:
    """One file: its name below the run's folder, its size in bytes, and where it lies (None: in storage)."""

    run_id: int
    name: str
    size: int
    local: Path | None

    def open(self) -> IO[bytes]:
        if self.local is not None:
            return self.local.open("rb")
        return default_storage.open(stored_name(self.run_id, self.name), "rb")

    def chunks(self) -> Iterator[bytes]:
        with self.open() as source:
            while chunk := source.read(CHUNK):
                yield chunk


def folder(run_id: int) -> Path:
    """The run's folder on this machine, whether it exists or not."""
    return settings.RUNS_DIR / str(run_id)


def stored_name(run_id: int, name: str) -> str:
    return f"runs/{run_id}/{name}"


def find(run_id: int, name: str) -> Artifact | None:
    """One file of a run; None when there is none."""
    local = folder(run_id) / name
    if local.is_file():
        return Artifact(run_id, name, local.stat().st_size, local)
    stored = stored_name(run_id, name)
    if default_storage.exists(stored):
        return Artifact(run_id, name, default_storage.size(stored), None)
    return None


def model_files(run_id: int) -> list[Artifact]:
    """The trained model's files, sorted by name; empty when there is none."""
    return files_below(run_id, "model")


def files_below(run_id: int, part: str) -> list[Artifact]:
    """The files in a folder of the run's, sorted by name; empty when there is none."""
    local = folder(run_id) / part
    if local.is_dir():
        names = [path.relative_to(folder(run_id)).as_posix() for path in local.rglob("*") if path.is_file()]
    else:
        names = list(_stored_below(run_id, part))
    return [found for name in sorted(names) if (found := find(run_id, name)) is not None]


def _stored_below(run_id: int, name: str) -> Iterator[str]:
    try:
        folders, files = default_storage.listdir(stored_name(run_id, name))
    except FileNotFoundError:
        return
    yield from (f"{name}/{file}" for file in files)
    for inner in folders:
        yield from _stored_below(run_id, f"{name}/{inner}")


def tar(files: Iterable[Artifact], top: str) -> Iterator[bytes]:
    """The files as a tar stream under the folder `top`; nothing is written to disk."""
    for file in files:
        yield _tar_header(file, top)
        yield from file.chunks()
        yield b"\0" * (-file.size % BLOCK)
    yield b"\0" * (2 * BLOCK)


def tar_size(files: Iterable[Artifact], top: str) -> int:
    """How many bytes `tar` yields, for Content-Length."""
    sizes = (len(_tar_header(file, top)) + file.size + -file.size % BLOCK for file in files)
    return sum(sizes) + 2 * BLOCK


def _tar_header(file: Artifact, top: str) -> bytes:
    info = tarfile.TarInfo(f"{top}/{Path(file.name).relative_to('model')}")
    info.size, info.mode = file.size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def publish(run_id: int) -> None:
    """Copy what the run has made into storage. Hard links where storage is a folder on the same disk.

    Raises:
        OSError: the disk is full, or storage is away; what is in the run's folder stays there.
    """
    top = folder(run_id)
    wanted = [*(top / name for name in KEPT), *(top / "base").rglob("*"), *(top / "model").rglob("*")]
    for path in wanted:
        if path.is_file():
            store(run_id, path)


def store(run_id: int, path: Path) -> None:
    """Copy one file of the run's folder into storage. Raises OSError."""
    name = stored_name(run_id, path.relative_to(folder(run_id)).as_posix())
    if default_storage.exists(name):
        default_storage.delete(name)
    if isinstance(default_storage, FileSystemStorage):
        target = Path(default_storage.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # another disk: copy
            os.link(path, target)
            return
    with path.open("rb") as source:
        default_storage.save(name, File(source))


def unstore(run_id: int, part: str) -> None:
    """Remove what storage has of a folder of the run's."""
    for name in list(_stored_below(run_id, part)):
        default_storage.delete(stored_name(run_id, name))
    if isinstance(default_storage, FileSystemStorage):
        shutil.rmtree(default_storage.path(stored_name(run_id, part)), ignore_errors=True)


def drop_sources(run_id: int) -> None:
    """Remove what the run was made from: that is still where it came from."""
    shutil.rmtree(folder(run_id) / "sources", ignore_errors=True)


def remove(run_id: int) -> None:
    """Remove the run's folder and its files in storage."""
    shutil.rmtree(folder(run_id), ignore_errors=True)
    below = (name for part in ("model", "base", "checkpoints") for name in _stored_below(run_id, part))
    for name in [*below, *KEPT]:
        default_storage.delete(stored_name(run_id, name))
    if isinstance(default_storage, FileSystemStorage):
        shutil.rmtree(default_storage.path(stored_name(run_id, "")), ignore_errors=True)


def log_tail(run_id: int, lines: int) -> str:
    """The last lines of the engine's output; empty when there is none. Progress bars count as one line."""
    found = find(run_id, "log.txt")
    if found is None:
        return ""
    with found.open() as log:
        log.seek(max(0, found.size - _TAIL_BYTES))
        text = log.read(_TAIL_BYTES).decode(errors="replace")
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(shown[-lines - 1 :] if text.endswith("\n") else shown[-lines:]).strip("\n")
