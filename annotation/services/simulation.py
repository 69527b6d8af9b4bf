"""Simulated annotators: they answer from the secret scores, through the same services as people."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from uuid import uuid4

from django.db.models import Q

from annotation.errors import Conflict
from annotation.models import Assignment, Label, Membership, Preference, Project, Role, User
from annotation.services import assignments, labels


@dataclass(frozen=True)
class Character:
    """Gaps below `min_gap` are too close; a share `noise` of the decisive answers is flipped."""

    min_gap: float = 1.0
    noise: float = 0.1


def check_scored(project: Project) -> None:
    """Raises Conflict unless every preference of the project has both scores."""
    missing = Preference.objects.filter(
        Q(score_chosen__isnull=True) | Q(score_rejected__isnull=True), project=project
    ).count()
    if missing:
        raise Conflict(
            "scores_missing",
            f"{missing} preferences of {project.slug} have no scores: simulated annotators have nothing "
            "to go by. Import preferences with score_chosen and score_rejected.",
        )


def people(project: Project, count: int, at: datetime) -> list[User]:
    """sim-1 … sim-N, made members; nobody can sign in as them."""
    made = []
    for number in range(1, count + 1):
        user, new = User.objects.get_or_create(username=f"sim-{number}")
        if new:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        elif user.has_usable_password():
            raise Conflict("name_taken", f"{user.username} is a real person's account.")
        Membership.objects.get_or_create(
            project=project, user=user, defaults={"role": Role.ANNOTATOR, "joined_at": at}
        )
        made.append(user)
    return made


def play(
    *,
    project: Project,
    by: list[User],
    most: int,
    character: Character,
    seed: int,
    clock: Callable[[], datetime],
) -> Iterator[Label]:
    """In turn, everybody takes a comparison and answers it, until `most` labels are given or none is left."""
    draw = random.Random(seed)  # noqa: S311 - a simulation
    given = idle = 0
    for person in cycle(by):
        if given >= most or idle >= len(by):
            return
        assignment = assignments.next_for(project=project, by=person, at=clock())
        if assignment is None:
            idle += 1
            continue
        idle, given = 0, given + 1
        yield labels.submit(
            assignment_id=assignment.pk,
            verdict=judge(assignment, character, draw),
            by=person,
            at=clock(),
            key=uuid4(),
        )


def judge(assignment: Assignment, character: Character, draw: random.Random) -> str:
    """The verdict, by the difference of the two secret score margins."""
    comparison = assignment.comparison
    gap = _margin(comparison.low_id) - _margin(comparison.high_id)
    if gap == 0 or abs(gap) < character.min_gap:
        return Label.Verdict.TOO_CLOSE
    low_is_stronger = (gap > 0) != (draw.random() < character.noise)
    return Label.Verdict.FIRST if low_is_stronger == assignment.low_first else Label.Verdict.SECOND


def _margin(preference_id: int) -> float:
    scores = Preference.objects.values_list("score_chosen", "score_rejected")
    chosen, rejected = scores.get(pk=preference_id)
    if chosen is None or rejected is None:
        raise Conflict("scores_missing", "A preference without scores was drawn.")
    return chosen - rejected
