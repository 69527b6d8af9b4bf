"""Reading runs. Owners and admins of a project see its runs; nobody else does."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from annotation import rules as project_rules
from annotation.models import Membership, Project, Role
from annotation.selectors.workers import WorkerStatus
from annotation.selectors.workers import worker_status as _worker_status
from training import artifacts, rules
from training.artifacts import Artifact
from training.errors import NotFound
from training.models import Evaluation, Run, RunEvent

if TYPE_CHECKING:
    from annotation.rules import Person

MAX_POINTS = 1000  # of one curve
MAX_LOG_LINES = 5000


@dataclass(frozen=True)
class ModelArchive:
    """The trained model as a tar stream: a file name, its size in bytes, its chunks."""

    filename: str
    size: int
    chunks: Iterator[bytes]

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks


def worker_status(at: datetime) -> WorkerStatus:
    """Live workers and the queues they serve."""
    return _worker_status(at)


def visible_to(user: Person) -> QuerySet[Run]:
    """Runs of every project that the user manages, newest first."""
    runs = Run.objects.select_related("project", "dataset", "created_by")
    if not user.is_active:
        return runs.none()
    if user.is_superuser:
        return runs
    mine = Membership.objects.filter(user_id=user.pk, role__in=[Role.OWNER, Role.ADMIN])
    return runs.filter(project__in=mine.values("project"))


def of_project(user: Person, project: Project) -> QuerySet[Run]:
    """The project's runs, newest first.

    Raises:
        NotFound, NotAllowed: the user does not manage the project.
    """
    project_rules.check_manage(user, project)
    return Run.objects.filter(project=project).select_related("project", "dataset", "created_by")


def get(user: Person, run_id: int) -> Run:
    """One run.

    Raises:
        NotFound: no such run, or one of a project that is not the user's.
        NotAllowed: the user is an annotator there.
    """
    run = Run.objects.select_related("project", "dataset", "created_by").filter(pk=run_id).first()
    if run is None:
        raise rules.run_not_found()
    rules.check_see(user, run)
    return run


def events(
    user: Person, run: Run, after_seq: int = 0, kinds: Collection[str] | None = None
) -> QuerySet[RunEvent]:
    """The run's events after one already read (0: from the beginning), in order."""
    rules.check_see(user, run)
    found = RunEvent.objects.filter(run=run)
    if after_seq:
        found = found.filter(seq__gt=after_seq)
    return found if kinds is None else found.filter(kind__in=kinds)


def curves(user: Person, run: Run) -> dict[str, list[list[float]]]:
    """Metric name → [[step, value], …], thinned to 1,000 points. What a resumed run did again counts once."""
    lines = events(user, run, kinds=["metrics"]).exclude(step=None).order_by("seq")
    return series(lines.values_list("step", "data"))


def series(lines: Iterable[tuple[int | None, dict[str, Any]]]) -> dict[str, list[list[float]]]:
    """The numbers of metrics lines (step, data) in their order, as `curves` has them."""
    found: dict[str, dict[int, float]] = {}
    for step, data in lines:
        for name, value in data.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(name, {})[step or 0] = value
    return {name: _thinned(points) for name, points in found.items()}


def _thinned(points: dict[int, float]) -> list[list[float]]:
    """Every n-th point, the last one always."""
    ordered = [[step, value] for step, value in sorted(points.items())]
    stride = math.ceil(len(ordered) / MAX_POINTS)
    return ordered if stride <= 1 else [*ordered[:-1:stride], ordered[-1]]


def evaluations(user: Person, run: Run) -> QuerySet[Evaluation]:
    """The run's evaluations by name."""
    rules.check_see(user, run)
    return Evaluation.objects.filter(run=run).select_related("run")


def log_tail(user: Person, run: Run, lines: int = 200) -> str:
    """The end of the engine's output; empty while it runs on a machine whose disk is not shared."""
    rules.check_see(user, run)
    return artifacts.log_tail(run.pk, max(1, min(lines, MAX_LOG_LINES)))


def model_files(user: Person, run: Run) -> list[Artifact]:
    """The trained model's files; empty before the run has finished."""
    rules.check_see(user, run)
    return artifacts.model_files(run.pk) if run.has_model else []


def model_archive(user: Person, run: Run) -> ModelArchive:
    """The trained model as a tar stream.

    Raises:
        NotFound: the run has no model (yet), or its files are gone.
    """
    files = model_files(user, run)
    if not files:
        raise NotFound("no_model", "This run has no trained model to download.")
    top = archive_name(run)
    return ModelArchive(f"{top}.tar", artifacts.tar_size(files, top), artifacts.tar(files, top))


def archive_name(run: Run) -> str:
    """The folder that a downloaded model unpacks to."""
    return f"run-{run.pk}-{run.method or run.kind}"


def generator_name(run: Run) -> str:
    """What AlpacaEval's files call the run's model: as the folder that it is downloaded into."""
    return archive_name(run)


def evaluation_report(user: Person, run: Run) -> dict[str, Any]:
    """All evaluations as one JSON document, as `evaluation.json` has them."""
    found = evaluations(user, run)
    return {item.name: item.result for item in found}
