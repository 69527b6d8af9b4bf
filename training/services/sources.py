"""The runs that a run is made from or evaluates: checked at the launch, linked, brought to the worker."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from annotation.models import Project, User
from annotation.selectors import projects
from training import artifacts, kept_checkpoints, lineage, rules, transitions
from training.artifacts import Artifact
from training.errors import Conflict, Invalid, NotPrepared
from training.models import Run, RunLink

ELSEWHERE = "a run of a project that you do not manage"
_GONE = (
    "The model of {run}, which this run is made from, is neither on this machine nor in storage.",
    "Train that run again, and launch a new run from it.",
)
_NO_CHECKPOINT = (
    "The checkpoint of {run} that is to be evaluated is neither on this machine nor in storage.",
    "Evaluate the finished model instead, or work where the checkpoint lies.",
)
_NO_BASE = (
    "The tiny model that {run} was trained from is neither on this machine nor in storage.",
    "Evaluate on the machine that trained it, or train that run again.",
)
_UNWRITTEN = (
    "The responses of {run}, which this run is judged against, are neither on this machine nor in storage.",
    "Launch this run again against another one, or without `against`.",
)


def usable(project: Project, role: str, by: User) -> QuerySet[Run]:
    """The runs that can have the role: of the project, or for some roles of any that `by` manages."""
    if role in lineage.ELSEWHERE:
        return Run.objects.filter(project__in=projects.managed_by(by))
    return Run.objects.filter(project=project)


def found(project: Project, spec: dict[str, Any], by: User) -> dict[str, Run]:
    """The runs that a whole spec names, by role; locked until the transaction ends.

    Raises:
        Invalid: there is no such run, it has no model, or its model is of the wrong kind. Of a run that is
            not `usable` it says that there is none.
    """
    named = lineage.sources(spec)
    checkpoint = (spec.get("subject") or {}).get("checkpoint")
    ours = {run_id for role, run_id in named.items() if usable(project, role, by).filter(pk=run_id).exists()}
    rows = Run.objects.select_for_update().filter(pk__in=ours).order_by("id")
    by_id = {run.pk: run for run in rows}
    for role, run_id in named.items():
        _check(role, run_id, by_id.get(run_id), checkpoint)
    return {role: by_id[run_id] for role, run_id in named.items()}


def _check(role: str, run_id: int, run: Run | None, checkpoint: int | None) -> None:
    if run is None:
        more = ", nor in another one that you manage" if role in lineage.ELSEWHERE else ""
        raise _refusal(role, f"There is no run with the id {run_id} in this project{more}.")
    wanted = lineage.KINDS[role]
    if run.kind not in wanted:
        kinds = " or ".join(Run.Kind(kind).label for kind in wanted)
        raise _refusal(role, f"“{run}” is a run of the kind {run.get_kind_display()}; this takes {kinds}.")
    if role == RunLink.Role.SUBJECT:
        return _check_subject(run, checkpoint)
    if run.state != Run.State.FINISHED or not (run.has_model or run.kind == Run.Kind.EVALUATION):
        raise _refusal(role, f"“{run}” has no model to go on from: it is {run.state}.")
    if role == RunLink.Role.AGAINST and artifacts.find(run.pk, artifacts.RESPONSES) is None:
        raise _refusal(role, f"“{run}” wrote no responses: its evaluation.generation.prompts is 0.")

    return None


def _check_subject(run: Run, checkpoint: int | None) -> None:
    """Raises Invalid where there is no such model to evaluate."""
    if run.state not in transitions.ENDED:
        raise _refusal("subject", f"“{run}” is {run.state}: it can be evaluated when it has ended.")
    if checkpoint is None:
        if not run.has_model:
            message = f"“{run}” has no finished model: it is {run.state}. {_offered(run)}"
            raise _refusal("subject", message)
    elif checkpoint not in kept_checkpoints.steps(run.pk):
        message = f"“{run}” has no checkpoint of step {checkpoint}, or not any more. {_offered(run)}"
        raise _refusal("subject", message, "subject.checkpoint")


def _offered(run: Run) -> str:
    steps = kept_checkpoints.steps(run.pk)
    words = ", ".join(map(str, steps))
    return f"There are checkpoints of step {words}." if steps else "There are no checkpoints here."


def _refusal(role: str, message: str, field: str = "") -> Invalid:
    return Invalid("invalid_source", message, {field or ".".join(lineage.PLACES[role]): [message]})


def link(run: Run, sources: dict[str, Run]) -> None:
    """Store what a run is made from."""
    RunLink.objects.bulk_create(
        RunLink(run=run, source=source, role=role) for role, source in sources.items()
    )


def check_unused(run: Run, by: User) -> None:
    """Raises Conflict while other runs are made from this one, with the names of those that `by` manages."""
    links = list(RunLink.objects.filter(source=run).select_related("run__project")[:4])
    if links:
        more = " and others" if len(links) > 3 else ""
        names = [f"“{link.run}”" if rules.can_see(by, link.run) else ELSEWHERE for link in links[:3]]
        words = ", ".join(dict.fromkeys(names))
        evaluated = all(link.role == RunLink.Role.SUBJECT for link in links)
        what = "Evaluations of this run" if evaluated else "Made from this run's model"
        raise Conflict("run_in_use", f"{what}: {words}{more}. Delete those first.")


def bring(run: Run, folder: Path) -> None:
    """Put the models and responses that a run needs below its folder. What an earlier attempt brought stays.

    Raises:
        NotPrepared: a model's files are gone.
        OSError: the disk is full, or storage is away.
    """
    for link in RunLink.objects.filter(run=run).select_related("run", "source"):
        target = folder / lineage.folder_name(link.source.pk, link.role)
        if target.is_dir():
            continue
        part = target.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        if link.role == RunLink.Role.SUBJECT:
            _bring_whole(link, part, run.spec["subject"]["checkpoint"])
        elif link.role == RunLink.Role.AGAINST:
            written = artifacts.find(link.source.pk, artifacts.RESPONSES)
            _copy(_there([written] if written else [], _called(link), _UNWRITTEN), part)
        else:
            _bring_model(link, part)
        part.rename(target)


def _bring_model(link: RunLink, target: Path) -> None:
    _copy(_there(artifacts.model_files(link.source_id), _called(link), _GONE), target, below="model")


def _bring_whole(link: RunLink, target: Path, checkpoint: int | None) -> None:
    """A run's folder as evaluating it needs it: spec, model or checkpoint, what it was trained from."""
    source, called = link.source, _called(link)
    if checkpoint is None:
        _copy(_there(artifacts.model_files(source.pk), called, _GONE), target)
    else:
        _copy(_there(kept_checkpoints.files(source.pk, checkpoint), called, _NO_CHECKPOINT), target)
    spec = {**lineage.with_folders(source.spec), "name": str(source)}  # what files call its model
    (target / "spec.json").write_text(json.dumps(spec, ensure_ascii=False))
    if source.spec["model"]["base"] == "tiny":
        _copy(_there(artifacts.files_below(source.pk, "base"), called, _NO_BASE), target)
    for below in RunLink.objects.filter(run=source, role=RunLink.Role.BASE).select_related("run", "source"):
        _bring_model(below, target / lineage.folder_name(below.source_id, below.role))


def _called(link: RunLink) -> str:
    """The source in messages, which managers of the run's project read: by name if it is of that project."""
    own = link.source.project_id == link.run.project_id
    return f"“{link.source}”" if own else lineage.reference(link.source_id)


def _there(files: list[Artifact], called: str, words: tuple[str, str]) -> list[Artifact]:
    """The files. Raises NotPrepared where there are none."""
    if not files:
        raise NotPrepared(words[0].format(run=called), words[1])
    return files


def _copy(files: list[Artifact], target: Path, below: str = "") -> None:
    """Hard links where the files are on the same disk; nothing ever writes to what a finished run made."""
    for file in files:
        place = target / Path(file.name).relative_to(below)
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.local is not None:
            with contextlib.suppress(OSError):  # another disk: copy
                os.link(file.local, place)
                continue
        with place.open("wb") as out:
            out.writelines(file.chunks())
