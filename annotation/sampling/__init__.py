"""Which comparisons to ask for. Pure: seeds and numbers in, pairs of numbers out, O(1) in the pool's size."""

from __future__ import annotations

from annotation.sampling import active, iterative, random
from annotation.sampling.plan import Plan, Strategy

STRATEGIES: dict[str, Strategy] = {
    entry.name: entry for entry in (random.STRATEGY, iterative.STRATEGY, active.STRATEGY)
}


class UnknownStrategy(ValueError):
    """A name that is not in the registry."""


def strategy(name: str) -> Strategy:
    """The strategy of this name.

    Raises:
        UnknownStrategy: there is none; the message lists the ones there are.
    """
    if name not in STRATEGIES:
        raise UnknownStrategy(f"unknown strategy {name!r}; known: {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


__all__ = ["STRATEGIES", "Plan", "Strategy", "UnknownStrategy", "strategy"]
