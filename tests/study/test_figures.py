"""Figures of a study by hand and by scipy; what is printed of them; the paper's order against ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.study import figures, paper, tables
from training.study.figures import Figure

REWARDS = st.lists(st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=2), min_size=3, max_size=6)


def test_the_interval_is_students() -> None:
    values = [0.6, 0.7, 0.65, 0.8, 0.72]
    found = figures.over_seeds(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (np.mean(values), expected.low, expected.high)
    )
    assert found.sign == 1
    assert figures.over_seeds([-one for one in values]).sign == -1


def test_one_seed_has_no_interval_and_says_nothing() -> None:
    found = figures.over_seeds([0.9])
    assert (found.low, found.high, found.sign) == (None, None, 0)
    with pytest.raises(ValueError, match="no seeds"):
        figures.over_seeds([])


def test_a_win_rate_by_hand() -> None:
    ours, theirs = [[2.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 0.0]]
    assert figures.win_rate(ours, theirs) == pytest.approx((2 + 0 + 0.5 + 1 + 0.5 + 1) / 8)
    assert figures.median_advantage(ours, theirs) == pytest.approx(0.25)


@given(ours=REWARDS, theirs=REWARDS)
def test_what_one_side_wins_the_other_loses(ours: list[list[float]], theirs: list[list[float]]) -> None:
    size = min(len(ours), len(theirs))
    one, other = ours[:size], theirs[:size]
    assert figures.win_rate(one, other) == pytest.approx(1 - figures.win_rate(other, one))
    assert figures.median_advantage(one, other) == pytest.approx(-figures.median_advantage(other, one))
    assert figures.win_rate(one, one) == pytest.approx(0.5)


def test_differences_are_taken_within_seeds() -> None:
    worlds = np.array([0.0, 10.0, 20.0, 30.0])  # seeds differ by far more than methods
    ours, theirs = (figures.over_seeds((worlds + one).tolist()) for one in (1.0, 0.5))
    found = figures.difference(ours, theirs)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def figure(*values: float) -> Figure:
    return figures.over_seeds(list(values))


def test_the_papers_order_is_held_against_ours() -> None:
    found = {
        "dpo": {"win_vs_dpo": figure(0.5, 0.5, 0.5)},
        "dpo_pop": {"win_vs_dpo": figure(0.7, 0.72, 0.71)},
        "dpo_margin_gt": {"win_vs_dpo": figure(0.8, 0.83, 0.82)},
        "dpo_scaled": {"win_vs_dpo": figure(0.4, 0.6, 0.51)},
    }
    verdicts = {(one.better, one.worse): one.verdict for one in paper.orderings(found)}
    assert verdicts == {
        ("dpo_pop", "dpo"): "same ordering",
        ("dpo_margin_gt", "dpo"): "same ordering",
        ("dpo_pop", "dpo_margin_gt"): "not",
        ("dpo_scaled", "dpo"): "within noise",
        ("dpo_margin_gt", "dpo_scaled"): "same ordering",
        ("dpo_pop", "dpo_scaled"): "within noise",
    }
    text = tables.against_the_paper(found)
    assert "Of 6 pairs that the paper orders: 3 same ordering, 2 within noise, 1 not." in text
    assert "The other way round here: DPO-PoP, random > DPO, true margin." in text


def test_a_table_names_what_it_shows() -> None:
    lines = {
        "dpo": {"accuracy": figure(0.7, 0.72), "steps": figure(187, 187)},
        "dpo_pop": {"steps": figure(375)},
    }
    found = tables.table(lines, {"dpo": "DPO"}, ("steps", "accuracy", "kl")).splitlines()
    assert found[0] == "| Method | Steps | Accuracy |"
    assert found[2].startswith("| DPO | 187 | 0.710 ± 0.127 |")
    assert found[3] == "| dpo_pop | 375 | – |"


def test_a_difference_that_leaves_nothing_out_is_bold() -> None:
    lines = {"dpo": {"accuracy": figure(0.7, 0.72, 0.71)}, "dpo_pop": {"accuracy": figure(0.8, 0.83, 0.81)}}
    found = tables.differences(lines, [("dpo_pop", "dpo"), ("dpo_pop", "ipo")], ["accuracy"]).splitlines()
    assert len(found) == 3
    assert found[2].startswith("| DPO-PoP, random − DPO | **+0.103 [")
