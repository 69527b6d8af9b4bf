"""When votes are so much at odds that a reviewer should look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.consensus import majority
from annotation.consensus.dispute import is_disputed

votes = st.lists(st.sampled_from(["low", "high", "none"]), max_size=25)
shares = st.floats(0, 1)
SWAPPED = {"low": "high", "high": "low", "none": "none"}


@pytest.mark.parametrize(
    ("given_votes", "below", "disputed"),
    [
        ([], 1.0, False),
        (["low"], 1.0, False),
        (["low", "high"], 0.0, True),
        (["low", "high", "none"], 0.0, True),
        (["none", "none"], 1.0, False),
        (["low", "low", "high"], 0.0, False),
        (["low", "low", "high"], 0.66, False),
        (["low", "low", "high"], 0.67, True),
        (["low", "none"], 0.5, False),
        (["low", "none"], 0.6, True),
        (["low", "low"], 1.0, False),
    ],
)
def test_what_is_disputed(given_votes: list[str], below: float, disputed: bool) -> None:
    assert is_disputed(given_votes, below) == disputed


@given(votes, shares)
def test_sides_and_order_do_not_matter(cast_votes: list[str], below: float) -> None:
    swapped = [SWAPPED[vote] for vote in reversed(cast_votes)]
    assert is_disputed(swapped, below) == is_disputed(cast_votes, below)


@given(votes, shares, shares)
def test_a_higher_threshold_disputes_no_less(cast_votes: list[str], one: float, other: float) -> None:
    assert is_disputed(cast_votes, min(one, other)) <= is_disputed(cast_votes, max(one, other))


@given(votes, shares)
def test_it_agrees_with_the_majoritys_confidence(cast_votes: list[str], below: float) -> None:
    said = majority.resolve(cast_votes)
    if len(cast_votes) < 2:
        assert not is_disputed(cast_votes, below)
    elif said.confidence is not None:
        assert is_disputed(cast_votes, below) == (said.confidence < below)
    else:
        assert is_disputed(cast_votes, below) == ("low" in cast_votes)


@given(st.sampled_from(["low", "high", "none"]), st.integers(0, 25), shares)
def test_unanimous_votes_are_never_disputed(vote: str, times: int, below: float) -> None:
    assert not is_disputed([vote] * times, below)
