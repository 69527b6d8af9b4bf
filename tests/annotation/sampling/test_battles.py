"""Battles of an arena: each once, evenly over prompts and pairs of models."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.sampling import STRATEGIES, battles

SIZES = st.tuples(st.integers(1, 12), st.integers(2, 6))


@given(size=SIZES, seed=st.text(max_size=8))
@settings(max_examples=15, deadline=None)
def test_the_stream_holds_every_battle_once(size: tuple[int, int], seed: str) -> None:
    prompts, models = size
    stream = [battles.battle_at(prompts, models, seed, n) for n in range(battles.length(prompts, models))]
    every = {(prompt, *pair) for prompt in range(prompts) for pair in combinations(range(models), 2)}
    assert len(stream) == len(every)
    assert {tuple(one) for one in stream} == every


@given(size=SIZES, seed=st.text(max_size=8), place=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_place_says_the_same_each_time_and_nothing_stands_past_the_end(
    size: tuple[int, int], seed: str, place: int
) -> None:
    end = battles.length(*size)
    assert battles.battle_at(*size, seed, place % end) == battles.battle_at(*size, seed, place % end)
    with pytest.raises(IndexError):
        battles.battle_at(*size, seed, end + place)


def test_a_start_of_the_stream_is_an_even_picture() -> None:
    """Over many seeds each pair of models is drawn as often in the first tenth: 20,000 draws, 3 s.d."""
    drawn = Counter(
        battles.battle_at(100, 4, f"seed {seed}", place)[1:] for seed in range(333) for place in range(60)
    )
    mean = 333 * 60 / 6
    assert len(drawn) == 6
    assert max(abs(count - mean) for count in drawn.values()) < 3 * (mean * 5 / 6) ** 0.5


def test_two_models_are_needed_and_no_project_can_choose_it() -> None:
    with pytest.raises(ValueError, match="at least one element"):
        battles.battle_at(5, 1, "s", 0)
    assert "battles" not in STRATEGIES
