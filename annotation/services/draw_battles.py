"""Drawing the next battles of an arena, a block at a time as `draw_random` does.

A place of the stream is passed by where one of the two models said nothing, where both said the same, where a
response is excluded, and where two models that share their responses have met in others' names already.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from annotation.models import ArenaEntry, Membership, Pool, Project
from annotation.sampling import battles
from annotation.sampling.battles import Battle
from annotation.selectors import tallies, wanted
from annotation.services import draw_pairs, draw_random


def draw(*, project: Project, pool: Pool, member: Membership, at: datetime) -> int:
    """Make the next comparisons of a locked pool: how many, 0 when it has what it wants or every battle."""
    draw_pairs.open_epoch(pool)
    most = draw_random.block(project.battles - tallies.of_pool(pool).drawn, pool)
    pairs = _next_pairs(project, pool, most) if most > 0 else []
    return draw_random.make(pairs, project=project, pool=pool, member=member, at=at)


def _next_pairs(project: Project, pool: Pool, most: int) -> list[draw_pairs.Pair]:
    """The next pairs of responses that were never compared; the pool's counter moves past them."""
    prompts, models = wanted.arena_size(project)
    seed = draw_pairs.seed(project, pool, f"battles/{pool.epoch}")
    pairs: dict[draw_pairs.Pair, None] = {}  # in order, each once
    for places in draw_pairs.batches(pool.counter, battles.length(prompts, models), first=most):
        asked = [battles.battle_at(prompts, models, seed, place) for place in places]
        for index, pair in draw_pairs.not_compared(_pairs(project, asked)):
            pairs[pair] = None
            if len(pairs) == most:
                pool.counter = places.start + index + 1
                return list(pairs)
        pool.counter = places.stop
    return list(pairs)


def _pairs(project: Project, asked: Iterable[Battle]) -> list[tuple[int, draw_pairs.Pair]]:
    """The two responses of each battle that can be asked for, with its place. One query."""
    asked = list(asked)
    rows = ArenaEntry.objects.filter(
        project=project, prompt_number__in={battle.prompt for battle in asked}, preference__excluded_at=None
    )
    said = {
        (prompt, model): preference
        for prompt, model, preference in rows.values_list("prompt_number", "contender__number", "preference")
    }
    found = [(said.get((one.prompt, one.one)), said.get((one.prompt, one.other))) for one in asked]
    return [
        (index, draw_pairs.ordered(one, other))
        for index, (one, other) in enumerate(found)
        if one is not None and other is not None and one != other
    ]
