"""Agreement from counted patterns: against the package of Krippendorff's α, by hand, and in words."""

from __future__ import annotations

import warnings
from collections import Counter

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.quality import agreement
from annotation.quality.agreement import measure
from annotation.quality.ballots import Pattern, pairs_of, pattern_of, vote_on

ANSWERS = st.integers(0, 5)
UNITS = st.lists(st.tuples(ANSWERS, ANSWERS, ANSWERS), min_size=1, max_size=40)


@given(UNITS)
def test_alpha_is_that_of_the_package(units: list[Pattern]) -> None:
    found = measure(Counter(units))
    paired = [unit for unit in units if sum(unit) > 1]
    kinds = [sum(unit[kind] for unit in paired) for kind in range(3)]
    if sum(kind > 0 for kind in kinds) < 2:
        assert found.alpha is None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = krippendorff.alpha(value_counts=np.array(units), level_of_measurement="nominal")
    assert found.alpha == pytest.approx(expected, abs=1e-12)
    assert (found.comparisons, found.answers) == (len(paired), sum(kinds))


@given(UNITS)
def test_alike_is_the_share_of_pairs_of_answers_that_are(units: list[Pattern]) -> None:
    pairs = []
    for unit in units:
        names = ["low"] * unit[0] + ["high"] * unit[1] + ["too_close"] * unit[2]
        pairs += pairs_of(list(enumerate(names)))
    found = measure(Counter(units))
    expected = None if not pairs else sum(same for *_, same in pairs) / len(pairs)
    assert found.alike == (expected if expected is None else pytest.approx(expected))


def test_by_hand() -> None:
    """Three comparisons, six answers: D_o = 2/6, D_e = (36 − 9 − 9)/30 = 18/30, so α = 1 − 5/9."""
    found = measure({(2, 0, 0): 1, (1, 1, 0): 1, (0, 2, 0): 1})
    assert found.alpha == pytest.approx(4 / 9)
    assert found.alike == pytest.approx(2 / 3)
    assert (found.low, found.why_no_interval) == (None, agreement.FEW)


def test_what_cannot_be_measured_says_why() -> None:
    assert agreement.reading(measure({(1, 0, 0): 9})).endswith("no comparison has two answers yet.")
    one_kind = measure({(2, 0, 0): 40})
    assert (one_kind.alpha, one_kind.alike) == (None, 1.0)
    assert agreement.reading(one_kind) == f"Undefined, because {agreement.ONE_KIND}."
    assert measure({(2, 0, 0): 40, (0, 2, 0): 40}).why_no_interval == agreement.PERFECT
    assert measure({(2, 0, 0): 400, (1, 1, 0): 1}).why_no_interval == agreement.NEARLY_ONE_KIND


@pytest.mark.parametrize(
    ("unlike", "words"), [(0, "Reliable"), (25, "tentative"), (60, "Low"), (200, "chance")]
)
def test_the_value_is_read_in_words(unlike: int, words: str) -> None:
    assert words in agreement.reading(measure({(2, 0, 0): 100, (0, 2, 0): 100, (1, 1, 0): unlike}))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Answers that follow a known mixture: its α lies inside in 19 of 20 samples, give or take."""
    draw = np.random.default_rng(1)
    patterns: list[Pattern] = [(2, 0, 0), (1, 1, 0), (0, 2, 0), (1, 0, 1), (0, 0, 2)]
    shares = [0.35, 0.2, 0.3, 0.1, 0.05]
    truth = measure(dict(zip(patterns, [350_000, 200_000, 300_000, 100_000, 50_000], strict=True))).alpha
    assert truth is not None
    inside = 0
    for _ in range(200):
        found = measure(dict(zip(patterns, draw.multinomial(300, shares).tolist(), strict=True)))
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= truth <= found.high
    assert 178 <= inside <= 199


def test_many_patterns_have_the_interval_of_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(2)
    counted = Counter(tuple(row) for row in draw.multinomial(8, [0.5, 0.3, 0.2], size=3000).tolist())
    fast, again = measure(counted), measure(counted)
    assert fast == again
    monkeypatch.setattr(agreement, "MOST_PATTERNS", 1)
    agreement._measured.cache_clear()
    other = measure(counted)
    agreement._measured.cache_clear()
    assert other.low == pytest.approx(fast.low, abs=2e-3)
    assert other.high == pytest.approx(fast.high, abs=2e-3)


def test_an_answer_is_for_the_side_it_named_in_the_order_shown() -> None:
    assert [vote_on("first", first) for first in (True, False)] == ["low", "high"]
    assert [vote_on("second", first) for first in (True, False)] == ["high", "low"]
    assert [vote_on(verdict, True) for verdict in ("too_close", "cannot_judge")] == ["too_close", None]
    votes = [(7, "low"), (3, "high"), (5, "low")]
    assert pattern_of(votes) == (2, 1, 0)
    assert pairs_of(votes) == [(3, 5, False), (3, 7, False), (5, 7, True)]
