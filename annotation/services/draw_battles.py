"""Drawing the next battles of an arena, a block at a time as `draw_random` does.

What came to the arena later has a stream of its own (`battle_streams`). Drawn from is whichever stream is
least read, so that a new model catches up, and from then on all pairs of models meet about equally often.

A place of a stream is passed by where one of the two models said nothing, where both said the same, where a
response is excluded, where the battle belongs to an earlier stream, and where two models that share their
responses have met in others' names already.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from annotation.models import ArenaAddition, ArenaEntry, Membership, Pool, Project
from annotation.sampling.battles import Battle
from annotation.selectors import battle_streams, tallies
from annotation.selectors.battle_streams import Stream
from annotation.services import draw_pairs, draw_random

Pairs = dict[draw_pairs.Pair, None]  # in order, each once
FIRST = 0  # the stream of what the arena was made of


def draw(*, project: Project, pool: Pool, member: Membership, at: datetime) -> int:
    """Make the next comparisons of a locked pool: how many, 0 when it has what it wants or every battle."""
    if not pool.epoch:
        draw_pairs.open_epoch(pool)
    pool.epoch_size = pool.size  # what came later does not begin the first stream anew
    most = draw_random.block(project.battles - tallies.of_pool(pool).drawn, pool)
    pairs = _next_pairs(project, pool, most) if most > 0 else []
    return draw_random.make(pairs, project=project, pool=pool, member=member, at=at)


def _next_pairs(project: Project, pool: Pool, most: int) -> list[draw_pairs.Pair]:
    """The next pairs of responses that were never compared; the streams' counters move past them."""
    streams = battle_streams.of_pool(project, pool)
    before = [one.counter for one in streams]
    pairs: Pairs = {}
    step = most
    while len(pairs) < most and (stream := battle_streams.behind(streams)):
        places = range(stream.counter, min(stream.length, stream.counter + step))
        suffix = f"+{stream.number}" if stream.number else ""
        seed = draw_pairs.seed(project, pool, f"battles/{pool.epoch}{suffix}")
        _read(project, stream, seed, places, into=pairs, most=most)
        step = min(max(draw_pairs.BATCH, most), step * 2)
    for stream, counter in zip(streams, before, strict=True):
        if stream.number == FIRST:
            pool.counter = stream.counter
        elif stream.counter > counter:
            rows = ArenaAddition.objects.filter(project=project, number=stream.number)
            rows.update(counter=stream.counter)
    return list(pairs)


def _read(project: Project, stream: Stream, seed: str, places: range, *, into: Pairs, most: int) -> None:
    """Put the pairs at these places of the stream among those found, up to `most` of them."""
    asked = [stream.battle_at(seed, place) for place in places]
    for index, pair in draw_pairs.not_compared(_pairs(project, stream.number, asked)):
        into[pair] = None
        if len(into) == most:
            stream.counter = places.start + index + 1
            return
    stream.counter = places.stop


def _pairs(project: Project, addition: int, asked: Iterable[Battle]) -> list[tuple[int, draw_pairs.Pair]]:
    """The two responses of each battle that can be asked for since then, with its place. One query."""
    asked = list(asked)
    rows = ArenaEntry.objects.filter(
        project=project,
        prompt_number__in={battle.prompt for battle in asked},
        preference__excluded_at=None,
        addition__lte=addition,
    )
    columns = ("prompt_number", "contender__number", "preference", "addition")
    said = {(prompt, model): (text, added) for prompt, model, text, added in rows.values_list(*columns)}
    nothing = (None, FIRST)
    found = [
        (said.get((one.prompt, one.one), nothing), said.get((one.prompt, one.other), nothing))
        for one in asked
    ]
    return [
        (index, draw_pairs.ordered(one, other))
        for index, ((one, since), (other, other_since)) in enumerate(found)
        if one is not None and other is not None and one != other and max(since, other_since) == addition
    ]
