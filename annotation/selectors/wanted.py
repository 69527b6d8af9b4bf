"""How many comparisons a pool is to have, and can have: by the project's kind."""

from __future__ import annotations

from django.db.models import Max

from annotation.models import ArenaEntry, Pool, Project, Split
from annotation.sampling import random
from annotation.selectors import battle_streams
from annotation.selectors.tallies import Sums


def comparisons(project: Project, pool: Pool) -> int:
    """Those wanted: k for each preference as far as there are pairs, or the battles of an arena."""
    if project.is_arena:
        return project.battles if pool.split == Split.TRAIN else 0
    return random.target(pool.size, project.k)


def possible(project: Project, pool: Pool) -> int:
    """All there can be."""
    if project.is_arena:
        return project.battles_possible if pool.split == Split.TRAIN else 0
    return random.length(pool.size)


def reached(project: Project, counts: Sums) -> int:
    """How many of those wanted there are. In an arena one without a winner counts: a tie says something."""
    return counts.decided + counts.undecided if project.is_arena else counts.decided


def read_to_end(project: Project, pool: Pool) -> bool:
    """Nothing is left to draw. What has an excluded preference is passed by: it can be fewer than all."""
    if project.is_arena:
        return battle_streams.behind(battle_streams.of_pool(project, pool)) is None
    return pool.epoch_size == pool.size and pool.counter >= random.length(pool.size)


def arena_size(project: Project) -> tuple[int, int]:
    """How many prompts and models an arena has; both are numbered without gaps. One query."""
    ends = ArenaEntry.objects.filter(project=project).aggregate(
        prompt=Max("prompt_number"), model=Max("contender__number")
    )
    return (-1 if ends["prompt"] is None else ends["prompt"]) + 1, (ends["model"] or 0) + 1
