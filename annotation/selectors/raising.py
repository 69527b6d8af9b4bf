"""How far a change of settings has come: comparisons that were brought up to it, and those that wait."""

from __future__ import annotations

from dataclasses import dataclass

from annotation import rules
from annotation.models import Analysis, Comparison, Project, User
from annotation.services import raising, raising_batch


@dataclass(frozen=True)
class Raise:
    done: int
    total: int


def of_project(user: User, project: Project) -> Raise | None:
    """The raise that a worker is at, or that waits for one; None when there is none. Managers only."""
    rules.check_manage(user, project)
    going = (Analysis.State.QUEUED, Analysis.State.RUNNING)
    job = Analysis.objects.filter(project=project, kind=raising.KIND, state__in=going).first()
    if job is None:
        return None
    behind = raising_batch.outdated(project) | raising_batch.misjudged(project)
    left = Comparison.objects.filter(behind, pool__project=project).count()
    done = job.result["done"]
    return Raise(done=done, total=done + left)
