"""Simulated people who label: the strategies' own streams and choices, and answers from a known truth.

No database and no torch. What is asked is what the product would ask a single annotator (`draw_anchored` and
its kind); who answers knows the truth and errs at a known rate.
"""

from __future__ import annotations

import random as chances
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from annotation.consensus import majority
from annotation.consensus.rule import HIGH, LOW, NONE
from annotation.quality.belief import UNSEEN, Belief, updated
from annotation.sampling import active, iterative, random

Chosen = Callable[["Labelling", int], int | None]  # the anchor's next partner


@dataclass(frozen=True)
class Answer:
    """A resolved comparison: the stronger side, the weaker one, and the consensus' confidence.

    `inferred`: nobody was asked, it follows from other answers.
    """

    stronger: int
    weaker: int
    confidence: float
    anchor: int | None = None
    inferred: bool = False


@dataclass
class Labelling:
    """Preferences with a true strength, who is asked, and what was answered.

    Attributes:
        truth: of each preference, by its number.
        error: the share of answers that name the weaker side.
        gap: sides whose truths differ by less are too close to call: the label is spent, nobody wins.
        overlap: labels a comparison; the majority decides.
        labels: labels given so far.
        answers: comparisons with a winner, in the order in which they were asked.
        ties: pairs that were compared and have none.
    """

    truth: Sequence[float]
    error: float
    seed: int
    k: int = 2
    attempt_cap: int = 3
    reuse: bool = True
    gap: float = 0.0
    overlap: int = 1
    labels: int = 0
    answers: list[Answer] = field(default_factory=list)
    ties: list[tuple[int, int]] = field(default_factory=list)
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

    def ask(self, one: int, other: int, anchor: int | None = None) -> bool:
        """Have a comparison answered; whether it has a winner."""
        self.compared.add((min(one, other), max(one, other)))
        self.labels += self.overlap
        found = majority.resolve([self._vote(one, other) for _ in range(self.overlap)])
        won = {LOW: 1.0, HIGH: 0.0, NONE: 0.5}[found.outcome]
        self.beliefs[one], self.beliefs[other] = updated(self.beliefs[one], self.beliefs[other], won)
        if found.confidence is None:
            self.ties.append((one, other))
            return False
        winner, loser = (one, other) if found.outcome == LOW else (other, one)
        self.answers.append(Answer(winner, loser, found.confidence, anchor))
        if self.reuse or anchor in {None, winner}:
            self.wins[winner] = min(self.k, self.wins[winner] + 1)
        return True

    def _vote(self, one: int, other: int) -> str:
        if abs(self.truth[one] - self.truth[other]) < self.gap:
            return NONE
        stronger = self.truth[one] > self.truth[other]
        return LOW if stronger != (self.draw.random() < self.error) else HIGH


def play(name: str, asked: Labelling) -> Iterator[None]:
    """Ask by this strategy, pausing after each comparison, until it has what it wants."""
    if name == "random":
        return _pairs(asked)
    return _anchors(asked, {"iterative": _next, "active": _best}[name])


def _pairs(asked: Labelling) -> Iterator[None]:
    """A comparison without a winner is replaced, as long as there are pairs."""
    wanted = random.target(asked.size, asked.k)
    for place in range(random.length(asked.size)):
        if len(asked.answers) >= wanted:
            return
        asked.ask(*random.pair_at(asked.size, str(asked.seed), place))
        yield


def _anchors(asked: Labelling, chosen: Chosen) -> Iterator[None]:
    """As `draw_anchored` for a single annotator, who stays with an anchor until it is full or given up."""
    for place in range(asked.size):
        anchor = iterative.anchor_at(asked.size, str(asked.seed), place)
        while asked.wins[anchor] < asked.k and asked.attempts[anchor] < asked.k * asked.attempt_cap:
            partner = chosen(asked, anchor)
            if partner is None:
                break
            asked.attempts[anchor] += 1
            asked.ask(anchor, partner, anchor)
            yield


def _ahead(asked: Labelling, anchor: int, most: int) -> list[int]:
    """The anchor's next partners that it was never compared with; its cursor moves to the first of them."""
    found: list[int] = []
    for place in range(asked.cursor[anchor], asked.size - 1):
        partner = iterative.partner_at(asked.size, str(asked.seed), anchor, place)
        if asked.is_new(anchor, partner):
            if not found:
                asked.cursor[anchor] = place
            found.append(partner)
            if len(found) == most:
                break
    return found


def _next(asked: Labelling, anchor: int) -> int | None:
    return next(iter(_ahead(asked, anchor, 1)), None)


def _best(asked: Labelling, anchor: int) -> int | None:
    partners = _ahead(asked, anchor, active.CANDIDATES)
    if not partners:
        return None
    candidates = [
        active.Candidate(asked.beliefs[one], asked.reuse and asked.wins[one] < asked.k) for one in partners
    ]
    return partners[active.choose(asked.beliefs[anchor], candidates)]


def rows(asked: Labelling, *, each: int | None = None) -> list[Answer]:
    """The answers that make rows: every one, or the first `each` of a strong preference.

    Random and a frozen dataset without a limit take all; anchored strategies stop at k a strong preference.
    Without reuse an answer counts for its anchor only.
    """
    taken: dict[int, int] = {}
    found = []
    for one in asked.answers:
        counts = asked.reuse or one.anchor in {None, one.stronger}
        if counts and (each is None or taken.get(one.stronger, 0) < each):
            taken[one.stronger] = taken.get(one.stronger, 0) + 1
            found.append(one)
    return found
