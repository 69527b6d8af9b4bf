"""Labelling without a server: the strategies' own streams and choices, and answers from a known truth."""

from __future__ import annotations

import random as chances
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from annotation.quality.belief import UNSEEN, Belief, updated
from annotation.sampling import active, iterative, random

Chosen = Callable[["World", int], int | None]  # the anchor's next partner


@dataclass
class World:
    """Preferences with a true strength, and what was asked about them."""

    truth: list[float]
    noise: float  # the share of answers that name the weaker side
    seed: int
    k: int = 2
    attempt_cap: int = 3
    reuse: bool = True
    asked: list[tuple[int, int]] = field(default_factory=list)  # winner, loser
    compared: set[tuple[int, int]] = field(default_factory=set)
    wins: list[int] = field(init=False)  # that count: k at most
    attempts: list[int] = field(init=False)
    cursor: list[int] = field(init=False)
    beliefs: list[Belief] = field(init=False)
    draw: chances.Random = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.truth)
        self.wins, self.attempts, self.cursor = [0] * size, [0] * size, [0] * size
        self.beliefs = [UNSEEN] * size
        self.draw = chances.Random(self.seed)

    @property
    def size(self) -> int:
        return len(self.truth)

    def is_new(self, one: int, other: int) -> bool:
        return (min(one, other), max(one, other)) not in self.compared

    def ask(self, one: int, other: int, anchor: int | None = None) -> None:
        """One label: the stronger side wins, or with the noise's probability the other."""
        stronger = self.truth[one] > self.truth[other]
        won = stronger != (self.draw.random() < self.noise)
        winner, loser = (one, other) if won else (other, one)
        self.compared.add((min(one, other), max(one, other)))
        self.asked.append((winner, loser))
        if self.reuse or anchor in {None, winner}:
            self.wins[winner] = min(self.k, self.wins[winner] + 1)
        self.beliefs[winner], self.beliefs[loser] = updated(self.beliefs[winner], self.beliefs[loser], 1.0)


def play(name: str, world: World) -> Iterator[None]:
    """Ask by this strategy, pausing after each label, until it has what it wants."""
    if name == "random":
        return _pairs(world)
    return _anchors(world, {"iterative": _next, "active": _best}[name])


def _pairs(world: World) -> Iterator[None]:
    for place in range(random.target(world.size, world.k)):
        world.ask(*random.pair_at(world.size, str(world.seed), place))
        yield


def _anchors(world: World, chosen: Chosen) -> Iterator[None]:
    """As `draw_anchored` for a single annotator, who stays with an anchor until it is full or given up."""
    for place in range(world.size):
        anchor = iterative.anchor_at(world.size, str(world.seed), place)
        while world.wins[anchor] < world.k and world.attempts[anchor] < world.k * world.attempt_cap:
            partner = chosen(world, anchor)
            if partner is None:
                break
            world.attempts[anchor] += 1
            world.ask(anchor, partner, anchor)
            yield


def _ahead(world: World, anchor: int, most: int) -> list[int]:
    """The anchor's next partners that it was never compared with; its cursor moves to the first of them."""
    found: list[int] = []
    for place in range(world.cursor[anchor], world.size - 1):
        partner = iterative.partner_at(world.size, str(world.seed), anchor, place)
        if world.is_new(anchor, partner):
            if not found:
                world.cursor[anchor] = place
            found.append(partner)
            if len(found) == most:
                break
    return found


def _next(world: World, anchor: int) -> int | None:
    return next(iter(_ahead(world, anchor, 1)), None)


def _best(world: World, anchor: int) -> int | None:
    partners = _ahead(world, anchor, active.CANDIDATES)
    if not partners:
        return None
    candidates = [
        active.Candidate(world.beliefs[one], world.reuse and world.wins[one] < world.k) for one in partners
    ]
    return partners[active.choose(world.beliefs[anchor], candidates)]
