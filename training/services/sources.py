"""The runs that a run is made from: found and checked at the launch, linked, brought to the worker."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from annotation.models import Project
from training import artifacts, lineage
from training.errors import Conflict, Invalid, NotPrepared
from training.models import Run, RunLink

_GONE = (
    "The model of {run}, which this run is made from, is neither on this machine nor in storage.",
    "Train that run again, and launch a new run from it.",
)
_UNWRITTEN = (
    "The responses of {run}, which this run is judged against, are neither on this machine nor in storage.",
    "Launch this run again against another one, or without `against`.",
)


def found(project: Project, spec: dict[str, Any]) -> dict[str, Run]:
    """The runs of the project that a whole spec names, by role; locked until the transaction ends.

    Raises:
        Invalid: there is no such run here, it has no model, or its model is of the wrong kind. Of a run of
            another project it says that there is none.
    """
    named = lineage.sources(spec)
    rows = Run.objects.select_for_update().filter(project=project, pk__in=named.values()).order_by("id")
    by_id = {run.pk: run for run in rows}
    for role, run_id in named.items():
        _check(role, run_id, by_id.get(run_id))
    return {role: by_id[run_id] for role, run_id in named.items()}


def _check(role: str, run_id: int, run: Run | None) -> None:
    if run is None:
        raise _refusal(role, f"There is no run with the id {run_id} in this project.")
    wanted = lineage.KINDS[role]
    if run.kind not in wanted:
        kinds = " or ".join(Run.Kind(kind).label for kind in wanted)
        raise _refusal(role, f"“{run}” is a run of the kind {run.get_kind_display()}; this takes {kinds}.")
    if run.state != Run.State.FINISHED or not run.has_model:
        raise _refusal(role, f"“{run}” has no model to go on from: it is {run.state}.")
    if role == RunLink.Role.AGAINST and artifacts.find(run.pk, artifacts.RESPONSES) is None:
        raise _refusal(role, f"“{run}” wrote no responses: its evaluation.generation.prompts is 0.")


def _refusal(role: str, message: str) -> Invalid:
    return Invalid("invalid_source", message, {".".join(lineage.PLACES[role]): [message]})


def link(run: Run, sources: dict[str, Run]) -> None:
    """Store what a run is made from."""
    RunLink.objects.bulk_create(
        RunLink(run=run, source=source, role=role) for role, source in sources.items()
    )


def check_unused(run: Run) -> None:
    """Raises Conflict while other runs are made from this one, with their names."""
    users = [str(one.run) for one in RunLink.objects.filter(source=run).select_related("run")[:4]]
    if users:
        more = " and others" if len(users) > 3 else ""
        words = ", ".join(f"“{name}”" for name in users[:3])
        raise Conflict("run_in_use", f"Made from this run's model: {words}{more}. Delete those first.")


def bring(run: Run, folder: Path) -> None:
    """Put the models and responses that a run needs below its folder. What an earlier attempt brought stays.

    Raises:
        NotPrepared: a model's files are gone.
        OSError: the disk is full, or storage is away.
    """
    for link in RunLink.objects.filter(run=run).select_related("source"):
        place = lineage.folder_name(link.source.pk, link.role)
        if not (folder / place).is_dir():
            _bring(link.source, folder / place, responses=link.role == RunLink.Role.AGAINST)


def _bring(source: Run, target: Path, *, responses: bool) -> None:
    """Hard links where the files are on the same disk; nothing ever writes to what a finished run made."""
    written = artifacts.find(source.pk, artifacts.RESPONSES)
    files = ([written] if written else []) if responses else artifacts.model_files(source.pk)
    if not files:
        words = _UNWRITTEN if responses else _GONE
        raise NotPrepared(words[0].format(run=f"“{source}”"), words[1])
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    for file in files:
        place = part / (file.name if responses else Path(file.name).relative_to("model"))
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.local is not None:
            with contextlib.suppress(OSError):  # another disk: copy
                os.link(file.local, place)
                continue
        with place.open("wb") as out:
            out.writelines(file.chunks())
    part.rename(target)
