"""Wilson's interval, and what a share of "first" says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from annotation.quality.shares import Share, on_position, share


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_that_of_scipy(case: tuple[int, int]) -> None:
    found = share(*case)
    around = binomtest(*case).proportion_ci(0.95, method="wilson")
    assert found.low == pytest.approx(around.low, abs=1e-9)
    assert found.high == pytest.approx(around.high, abs=1e-9)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= case[0] / case[1] <= found.high <= 1


def test_without_a_case_nothing_is_said() -> None:
    assert share(0, 0) == Share(0, 0, None, None, None)


@pytest.mark.parametrize(
    ("hits", "of", "words"),
    [(0, 0, "Nobody"), (6, 10, "no sign"), (600, 1000, "first is named"), (400, 1000, "second is named")],
)
def test_position_is_read_in_words(hits: int, of: int, words: str) -> None:
    assert words in on_position(share(hits, of))
