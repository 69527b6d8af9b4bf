"""What a run was made from, what was made from it, and what a new one can be made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Prefetch, QuerySet

from annotation import rules as project_rules
from annotation.models import Project
from training import kept_checkpoints, lineage, rules
from training.models import Run, RunLink

if TYPE_CHECKING:
    from annotation.rules import Person


def sources(user: Person, run: Run) -> QuerySet[RunLink]:
    """The runs whose models this one was made from: `source` of each link. They are of the same project."""
    rules.check_see(user, run)
    return RunLink.objects.filter(run=run).select_related("source").order_by("role")


def used_by(user: Person, run: Run) -> QuerySet[RunLink]:
    """The runs that were made from this one's model: `run` of each link. Evaluations of it stand apart."""
    rules.check_see(user, run)
    links = RunLink.objects.filter(source=run).exclude(role=RunLink.Role.SUBJECT)
    return links.select_related("run").order_by("run_id")


def evaluated_again(user: Person, run: Run) -> QuerySet[Run]:
    """The runs that evaluate this one's model, newest first, with their `evaluations` and datasets."""
    rules.check_see(user, run)
    found = Run.objects.filter(sources__source=run, sources__role=RunLink.Role.SUBJECT)
    return found.select_related("dataset__project").prefetch_related("evaluations")


def subject(user: Person, run: Run) -> Run | None:
    """The run that an evaluation is of; None for runs of other kinds."""
    link = sources(user, run).filter(role=RunLink.Role.SUBJECT).first()
    return link.source if link else None


def evaluated(run: Run) -> Run | None:
    """As `subject`, of a run whose `sources` are there already: nothing is asked."""
    if run.kind != Run.Kind.EVALUATION:
        return None
    return next((link.source for link in run.sources.all() if link.role == RunLink.Role.SUBJECT), None)


def prefetched() -> Prefetch[str]:
    """For lists of runs: their `sources`, with the datasets of these."""
    links = RunLink.objects.select_related("source__dataset").order_by("role")
    return Prefetch("sources", queryset=links)


def checkpoints(user: Person, run: Run) -> list[int]:
    """Of which optimizer steps a run that has ended has checkpoints that can be evaluated."""
    return kept_checkpoints.steps(run.pk) if rules.can_evaluate(user, run) else []


def candidates(user: Person, project: Project, role: str) -> QuerySet[Run]:
    """Finished runs of the project whose model can have the role, newest first.

    Raises:
        NotFound, NotAllowed: the user does not manage the project.
    """
    project_rules.check_manage(user, project)
    finished = Run.objects.filter(project=project, state=Run.State.FINISHED, kind__in=lineage.KINDS[role])
    if role == RunLink.Role.AGAINST:
        return finished.filter(spec__evaluation__generation__prompts__gt=0)
    return finished.filter(has_model=True)
