"""The streams an arena's battles are drawn from: one of what it was made of, one of each addition."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Max, Min

from annotation.models import ArenaAddition, ArenaEntry, Pool, Project
from annotation.sampling import battles
from annotation.sampling.battles import Battle


@dataclass
class Stream:
    """Every pair of models there were with addition `number`, at `prompts` prompts from `first` on.

    Those are the prompts from the first to the last that it brought responses to. Its own are the battles
    that were not possible before: the others are passed by. `counter` places of it are drawn.
    """

    number: int
    first: int
    prompts: int
    models: int
    counter: int

    @property
    def length(self) -> int:
        return battles.length(self.prompts, self.models)

    def battle_at(self, seed: str, place: int) -> Battle:
        """Raises IndexError outside the stream."""
        found = battles.battle_at(self.prompts, self.models, seed, place)
        return found._replace(prompt=self.first + found.prompt)

    @property
    def share(self) -> float:
        """How much of it is drawn, 0 … 1."""
        return self.counter / self.length


def of_pool(project: Project, pool: Pool) -> list[Stream]:
    """The first one is the pool's own. Models are numbered without gaps. Two queries."""
    rows = ArenaEntry.objects.filter(project=project).order_by("addition").values_list("addition")
    number, model = "prompt_number", "contender__number"
    ends = list(rows.annotate(first=Min(number), last=Max(number), model=Max(model)))
    counters = dict(ArenaAddition.objects.filter(project=project).values_list("number", "counter"))
    counters[0] = pool.counter
    models, streams = 0, []
    for addition, first, last, newest in ends:
        models = max(models, newest + 1)
        streams.append(Stream(addition, first, last - first + 1, models, counters[addition]))
    return streams


def behind(streams: list[Stream]) -> Stream | None:
    """Of those not at their end the one least drawn from, the oldest of equals; None: all are read."""
    going = [one for one in streams if one.counter < one.length]
    return min(going, key=lambda one: one.share, default=None)
