"""Arenas that runs take part in."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast, Concat

from annotation import rules
from annotation.models import Project, User
from annotation.selectors import arena, projects
from training.models import Run


def of_runs(user: User, project: Project) -> QuerySet[Any]:
    """The arenas this person manages that a run of this project takes part in, with their role. One query.

    Raises:
        NotFound, NotAllowed: not a manager of the project.
    """
    rules.check_manage(user, project)
    runs = Run.objects.filter(project=project).order_by()
    # As `training.services.arenas.source` writes it; a run's reference comes with the run.
    named = runs.annotate(source=Concat(Value("run "), Cast("pk", CharField())))
    sources = named.values("source")
    return projects.with_role(user).filter(pk__in=arena.with_sources(user, sources).values("pk"))
