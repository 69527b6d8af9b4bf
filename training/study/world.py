"""A synthetic world whose truth is known: prompts, responses, and the reward of each. No torch here.

A prompt names three wanted attributes, the most important first, and one to avoid. A response is a handful of
words; most of them speak of an attribute, better or worse. A tiny model learns to write them in a minute.
Our own construction; its numbers are those of METHODS, section 7, in docs/study.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ATTRIBUTES = 12
WORDS = 4  # of each attribute
FILLERS = 12
WEIGHTS = (1.0, 0.7, 0.4)  # of the wanted attributes
SHORTEST, BEST, LONGEST = 6, 11, 16  # words of a response
SCALE, SATURATION = 4.0, 1.5
AVOIDED, REPEATED, OFF_LENGTH, ENDLESS = 1.2, 0.5, 0.12, 1.0
CARE = (1.5, 1.8)  # Beta: how much care a writer takes
SHARPEST = 4.0  # a word that adds 1 more is e⁴ times as likely, to the most careful writer


@dataclass(frozen=True)
class Prompt:
    """Three wanted attributes, in order of importance, and one to avoid."""

    wanted: tuple[int, ...]
    avoided: int

    @property
    def text(self) -> str:
        return " ".join([f"a{one}" for one in self.wanted] + [f"not{self.avoided}"])


@dataclass(frozen=True)
class World:
    """Words and what they are worth; all follows from the seed."""

    seed: int

    @cached_property
    def quality(self) -> Floats:
        """Of each attribute's words: [ATTRIBUTES, WORDS]."""
        return np.random.default_rng([self.seed, 1]).uniform(0.2, 1.0, (ATTRIBUTES, WORDS))

    @cached_property
    def filler(self) -> Floats:
        """What each filler adds: [FILLERS]."""
        return np.random.default_rng([self.seed, 2]).uniform(-0.25, 0.15, FILLERS)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Every word that a response may hold."""
        spoken = [f"w{one}.{word}" for one in range(ATTRIBUTES) for word in range(WORDS)]
        return (*spoken, *(f"f{one}" for one in range(FILLERS)))

    def prompt(self, draws: np.random.Generator) -> Prompt:
        """A new prompt."""
        found = draws.choice(ATTRIBUTES, len(WEIGHTS) + 1, replace=False).tolist()
        return Prompt(tuple(found[:-1]), found[-1])

    def response(self, prompt: Prompt, draws: np.random.Generator) -> str:
        """A response by a writer, who takes words that add much the more often the more care is taken.

        A word is drawn with p ∝ exp(care · SHARPEST · what it adds): with no care any word, with more of it
        what a policy that goes on in the same direction would write.
        """
        care = float(draws.beta(*CARE))
        careful = round(BEST + draws.normal(0, 1.5))
        length = careful if draws.random() < care else int(draws.integers(SHORTEST, LONGEST + 1))
        total = np.zeros(ATTRIBUTES)
        words: list[int] = []
        for _ in range(min(LONGEST, max(SHORTEST, length))):
            gains = self._gains(prompt, total, words[-1] if words else -1)
            upto = np.exp(care * SHARPEST * (gains - gains.max())).cumsum()
            word = int(np.searchsorted(upto, draws.random() * upto[-1], side="right"))
            words.append(word)
            if word < ATTRIBUTES * WORDS:
                total[word // WORDS] += self.quality.flat[word]
        return " ".join(self.words[one] for one in words)

    def _gains(self, prompt: Prompt, total: Floats, last: int) -> Floats:
        """What each word would add, after words whose quality has this total by attribute."""
        weights = np.zeros(ATTRIBUTES)
        weights[list(prompt.wanted)] = WEIGHTS
        after = np.exp(-(total[:, None] + self.quality) / SATURATION)
        spoken = SCALE * weights[:, None] * (np.exp(-total / SATURATION)[:, None] - after)
        spoken[prompt.avoided] -= AVOIDED
        gains = np.concatenate((spoken.ravel(), self.filler))
        if last >= 0:
            gains[last] -= REPEATED
        return gains

    def reward(self, prompt: Prompt, response: str, *, ended: bool = True) -> float:
        """What a response is truly worth.

        Σ over wanted attributes of weight · 4 · (1 − exp(−quality / 1.5)), quality summed over its words;
        −1.2 a word to be avoided, fillers their value, −.5 an immediate repeat, −.12 a word off 11, −1 for
        one that did not end. Words of the prompt's language, or of none, count for the length only.

        Args:
            ended: whether the writer ended it, rather than being cut off.
        """
        words = response.split()
        quality = np.zeros(ATTRIBUTES)
        found = 0.0
        for word in words:
            if word not in self._known:
                continue
            if word.startswith("f"):
                found += float(self.filler[int(word[1:])])
                continue
            about, one = map(int, word[1:].split("."))
            quality[about] += self.quality[about, one]
            found -= AVOIDED * (about == prompt.avoided)
        for about, weight in zip(prompt.wanted, WEIGHTS, strict=True):
            found += weight * SCALE * (1 - float(np.exp(-quality[about] / SATURATION)))
        found -= REPEATED * sum(one == other for one, other in pairwise(words))
        return found - OFF_LENGTH * abs(len(words) - BEST) - ENDLESS * (not ended)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.words)


@dataclass(frozen=True)
class Sample:
    """A preference of the world: the observed scores say which response was chosen.

    Attributes:
        observed: scores that people act upon, true rewards and noise, (chosen, rejected).
        graded: the scores a dataset tells, (chosen, rejected).
        true: the true rewards, (chosen, rejected).
    """

    prompt: Prompt
    chosen: str
    rejected: str
    observed: tuple[float, float]
    graded: tuple[float, float]
    true: tuple[float, float]

    @property
    def margin(self) -> float:
        """By how much the chosen response is observed to be better: above 0."""
        return self.observed[0] - self.observed[1]


@dataclass(frozen=True)
class Noise:
    """How far what is seen lies from the truth.

    Attributes:
        base: scale of the Gumbel noise on observed scores, so that base labels are Bradley-Terry.
        graded: standard deviation of normal noise on the scores that a dataset tells.
        coarse: the step to which those are rounded; 0: not.
    """

    base: float = 1.5
    graded: float = 0.0
    coarse: float = 0.0


def preferences(
    world: World, count: int, noise: Noise, seed: int, quality: tuple[float, float] = (0.0, 1.0)
) -> list[Sample]:
    """`count` preferences, none of them between equal responses.

    Args:
        quality: which part of the writers' range the responses come from, as quantiles of the true reward
            among eight tries: (0, 1) is all of it.
    """
    draws = np.random.default_rng([world.seed, seed, 3])
    found: list[Sample] = []
    while len(found) < count:
        prompt = world.prompt(draws)
        sides = [_of_quality(world, prompt, draws, quality) for _ in range(2)]
        if sides[0] != sides[1]:
            found.append(_judged(world, prompt, (sides[0], sides[1]), noise, draws))
    return found


def written(world: World, count: int, seed: int) -> list[tuple[Prompt, str, str]]:
    """`count` prompts with two different responses each, in no order."""
    draws = np.random.default_rng([world.seed, seed, 4])
    found: list[tuple[Prompt, str, str]] = []
    while len(found) < count:
        prompt = world.prompt(draws)
        one, other = world.response(prompt, draws), world.response(prompt, draws)
        if one != other:
            found.append((prompt, one, other))
    return found


def _of_quality(
    world: World, prompt: Prompt, draws: np.random.Generator, quality: tuple[float, float]
) -> str:
    low, high = quality
    if (low, high) == (0.0, 1.0):
        return world.response(prompt, draws)
    tries = sorted(
        (world.response(prompt, draws) for _ in range(8)), key=lambda one: world.reward(prompt, one)
    )
    place = draws.uniform(low, high) * len(tries)
    return tries[min(len(tries) - 1, int(place))]


def _judged(
    world: World, prompt: Prompt, sides: Sequence[str], noise: Noise, draws: np.random.Generator
) -> Sample:
    true = [world.reward(prompt, one) for one in sides]
    observed = [one + float(draws.gumbel(0, noise.base)) if noise.base else one for one in true]
    graded = [_graded(one, noise, draws) for one in observed]
    best = 0 if observed[0] > observed[1] else 1
    order = (best, 1 - best)
    pairs = [(values[order[0]], values[order[1]]) for values in (observed, graded, true)]
    return Sample(prompt, sides[order[0]], sides[order[1]], *pairs)


def _graded(score: float, noise: Noise, draws: np.random.Generator) -> float:
    told = score + (float(draws.normal(0, noise.graded)) if noise.graded else 0.0)
    return round(told / noise.coarse) * noise.coarse if noise.coarse else told
