"""Checkpoints of runs that have ended, to be evaluated again. Of a finished run only weights stay.

A run that was cancelled or failed keeps its checkpoints whole, in its folder on the worker, to go on from.
The weights of the newest are in storage, too, as are those of a finished one.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from training import artifacts
from training.artifacts import Artifact
from training.engine import checkpoints
from training.engine.spec import TrainingSpec

FOLDER = "checkpoints"
# What only going on with the training needs: optimizer, noise, target policy, the method's memory.
_RESUMES = {".pt", ".pth", ".bin"}
_RESUMES_NAMED = {"trainer_state.json", "target.safetensors", "method_state.safetensors"}


def steps(run_id: int) -> list[int]:
    """Of which optimizer steps there are checkpoints that can be evaluated, in order."""
    here = checkpoints.complete(artifacts.folder(run_id) / FOLDER)
    return sorted({checkpoints.step_of(one) for one in here} | set(_stored(run_id)))


def files(run_id: int, step: int) -> list[Artifact]:
    """What evaluating one checkpoint needs; empty when it is not there."""
    found = artifacts.files_below(run_id, f"{FOLDER}/checkpoint-{step}")
    whole = any(Path(one.name).name == checkpoints.MARK for one in found)
    return [one for one in found if not _resumes(Path(one.name))] if whole else []


def to_keep(run_id: int, spec: dict[str, Any], last: int | None) -> list[int]:
    """The newest before the last step, whose weights are those of the finished model; None: it has none."""
    default = TrainingSpec.model_fields["keep_checkpoints"].default
    count = spec.get("training", {}).get("keep_checkpoints", default)
    here = [checkpoints.step_of(one) for one in checkpoints.complete(artifacts.folder(run_id) / FOLDER)]
    return [step for step in here if step != last][-count:] if count else []


def publish(run_id: int, wanted: Sequence[int]) -> None:
    """Copy the weights of checkpoints into storage, the mark of a whole one last. Raises OSError."""
    for step in wanted:
        found = sorted(files(run_id, step), key=lambda one: Path(one.name).name == checkpoints.MARK)
        for one in found:
            if one.local is not None:
                artifacts.store(run_id, one.local)


def drop(run_id: int, wanted: Sequence[int]) -> None:
    """A finished run is never resumed: all goes but the weights of some checkpoints."""
    for step in set(_stored(run_id)).difference(wanted):  # of the times that it was stopped
        artifacts.unstore(run_id, f"{FOLDER}/checkpoint-{step}")
    for folder in _folders(run_id):
        if checkpoints.step_of(folder) not in wanted:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        for path in folder.iterdir():
            if path.is_file() and _resumes(path):
                path.unlink()
    if not wanted:
        shutil.rmtree(artifacts.folder(run_id) / FOLDER, ignore_errors=True)


def _folders(run_id: int) -> list[Path]:
    top = artifacts.folder(run_id) / FOLDER
    return [one for one in top.iterdir() if one.is_dir()] if top.is_dir() else []


def _resumes(path: Path) -> bool:
    return path.suffix in _RESUMES or path.name in _RESUMES_NAMED


def _stored(run_id: int) -> list[int]:
    top = artifacts.stored_name(run_id, FOLDER)
    try:
        folders, _ = default_storage.listdir(top)
    except FileNotFoundError:
        return []
    whole = [one for one in folders if default_storage.exists(f"{top}/{one}/{checkpoints.MARK}")]
    return [checkpoints.step_of(Path(one)) for one in whole]
