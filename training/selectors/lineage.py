"""What a run was made from, what was made from it, and what a new one can be made from.

A judge, an opponent or a reward model may be of another project. Who does not manage that one is told its
id, which the spec names, and nothing else of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db.models import Case, F, IntegerField, Prefetch, Q, QuerySet, Value, When

from annotation import rules as project_rules
from annotation.models import Project
from annotation.selectors import projects
from training import kept_checkpoints, lineage, rules
from training.models import Run, RunLink

if TYPE_CHECKING:
    from annotation.rules import Person


def sources(user: Person, run: Run) -> QuerySet[RunLink]:
    """The runs whose models this one was made from: `source` of each link, with its project."""
    rules.check_see(user, run)
    links = RunLink.objects.filter(_seen(user, "source"), run=run)
    return links.select_related("source__project").order_by("role")


def hidden_sources(user: Person, run: Run) -> QuerySet[RunLink]:
    """The others: of these only the roles may be told."""
    rules.check_see(user, run)
    return RunLink.objects.filter(~_seen(user, "source"), run=run).order_by("role")


def uses(user: Person, run: Run) -> QuerySet[RunLink]:
    """The runs that were made from this one's model or evaluate it: `run` of each link, with its project."""
    rules.check_see(user, run)
    links = RunLink.objects.filter(_seen(user, "run"), source=run)
    return links.select_related("run__project").order_by("run_id")


def used_by(user: Person, run: Run) -> QuerySet[RunLink]:
    """As `uses`, without the evaluations of it, which stand apart."""
    return uses(user, run).exclude(role=RunLink.Role.SUBJECT)


def hidden_uses(user: Person, run: Run) -> int:
    """How many others there are."""
    rules.check_see(user, run)
    return RunLink.objects.filter(~_seen(user, "run"), source=run).count()


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


def names(user: Person, ids: Iterable[int]) -> dict[int, Run]:
    """The runs with these ids that the user manages, by id."""
    found = Run.objects.filter(pk__in=set(ids), project__in=projects.managed_by(user))
    return {run.pk: run for run in found}


def prefetched(user: Person) -> Prefetch[str]:
    """For lists of runs: their `sources` as `sources` has them, with the datasets of these."""
    links = RunLink.objects.filter(_seen(user, "source")).order_by("role")
    return Prefetch("sources", queryset=links.select_related("source__dataset", "source__project"))


def checkpoints(user: Person, run: Run) -> list[int]:
    """Of which optimizer steps a run that has ended has checkpoints that can be evaluated."""
    return kept_checkpoints.steps(run.pk) if rules.can_evaluate(user, run) else []


def candidates(user: Person, project: Project, role: str) -> QuerySet[Run]:
    """Finished runs whose model can have the role, with their projects: this one's, newest first; of some
    roles then those of the others that the user manages.

    Raises:
        NotFound, NotAllowed: the user does not manage the project.
    """
    project_rules.check_manage(user, project)
    where = Q(project=project)
    if role in lineage.ELSEWHERE:
        where |= Q(project__in=projects.managed_by(user))
    finished = Run.objects.filter(where, state=Run.State.FINISHED, kind__in=lineage.KINDS[role])
    own = Case(When(project=project, then=Value(0)), default=Value(1), output_field=IntegerField())
    finished = finished.select_related("project").order_by(own, "-created_at", "-id")
    if role == RunLink.Role.AGAINST:
        return finished.filter(spec__evaluation__generation__prompts__gt=0)
    return finished.filter(has_model=True)


def _seen(user: Person, end: str) -> Q:
    """Links whose run at that end, `source` or `run`, the user may see who sees the one at the other."""
    other = "run" if end == "source" else "source"
    return Q(**{f"{end}__project": F(f"{other}__project")}) | Q(
        **{f"{end}__project__in": projects.managed_by(user)}
    )
