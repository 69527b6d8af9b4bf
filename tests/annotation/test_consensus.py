from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.consensus import RULES, Consensus, majority, vote_of

votes = st.lists(st.sampled_from(["low", "high", "none"]), max_size=25)
SWAPPED = {"low": "high", "high": "low", "none": "none"}


@pytest.mark.parametrize(
    ("given_votes", "outcome", "confidence"),
    [
        ([], "none", None),
        (["none"], "none", None),
        (["low"], "low", 1.0),
        (["low", "high"], "none", None),
        (["high", "high", "low"], "high", 2 / 3),
        (["low", "none", "none"], "low", 1 / 3),
        (["low", "high", "none"], "none", None),
    ],
)
def test_majority(given_votes: list[str], outcome: str, confidence: float | None) -> None:
    assert majority.resolve(given_votes) == Consensus(outcome, confidence)


@given(votes)
def test_swapping_the_sides_swaps_the_outcome(cast_votes: list[str]) -> None:
    one, other = majority.resolve(cast_votes), majority.resolve([SWAPPED[vote] for vote in cast_votes])
    assert (other.outcome, other.confidence) == (SWAPPED[one.outcome], one.confidence)


@given(votes)
def test_winner_has_more_votes_than_the_other_side(cast_votes: list[str]) -> None:
    result = majority.resolve(cast_votes)
    if result.outcome == "none":
        assert cast_votes.count("low") == cast_votes.count("high")
        assert result.confidence is None
    else:
        assert cast_votes.count(result.outcome) > cast_votes.count(SWAPPED[result.outcome])
        assert result.confidence == cast_votes.count(result.outcome) / len(cast_votes)


@given(st.permutations(["low", "low", "high", "none", "none"]))
def test_order_of_answers_does_not_matter(cast_votes: list[str]) -> None:
    assert majority.resolve(cast_votes) == Consensus("low", 2 / 5)


@pytest.mark.parametrize("low_first", [True, False])
def test_verdicts_name_the_side_that_was_shown(low_first: bool) -> None:
    assert vote_of("first", low_first) != vote_of("second", low_first)
    assert vote_of("first", low_first) == ("low" if low_first else "high")
    assert vote_of("too_close", low_first) == vote_of("cannot_judge", low_first) == "none"


def test_registry_names_its_rules() -> None:
    assert all(name == rule.name for name, rule in RULES.items())
    assert RULES["majority"] is majority.RULE
