"""Battles of an arena: every prompt times every pair of models, in the order of a seeded permutation.

No strategy that a project may choose: an arena has no other way to draw.
"""

from __future__ import annotations

from typing import NamedTuple

from annotation.sampling.permutation import Permutation, pair_count, unrank_pair


class Battle(NamedTuple):
    """Two models at one prompt, all by number; `one` < `other`."""

    prompt: int
    one: int
    other: int


def length(prompts: int, models: int) -> int:
    """How many battles there are."""
    return prompts * pair_count(models)


def battle_at(prompts: int, models: int, seed: str, place: int) -> Battle:
    """The battle at this place of the stream; none stands twice.

    Any start of the stream is an even picture: each battle is as likely in it as any other, so that models
    and prompts meet equally often however early the labelling stops.

    Raises:
        IndexError: outside the stream.
        ValueError: fewer than two models, or no prompt.
    """
    drawn = Permutation(length(prompts, models), seed)[place]
    prompt, rank = divmod(drawn, pair_count(models))
    return Battle(prompt, *unrank_pair(rank))
