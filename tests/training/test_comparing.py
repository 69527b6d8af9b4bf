"""Which value is the best, which it is not distinguishable from, which settings differ: pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import comparing
from training.comparing import Better, Cell, Line, Result, Standing
from training.engine import catalog, measures
from training.engine.evaluations import alpaca_eval, rewardbench
from training.engine.evaluations.alpaca_eval import Difficulty
from training.engine.evaluations.heldout import Duels, HeldOut

BEST, SAME, WORSE = Standing.BEST, Standing.NOT_DISTINGUISHABLE, Standing.WORSE
UNKNOWN, NOT_COMPARED = Standing.UNKNOWN, Standing.NOT_COMPARED
BOUNDS = st.floats(-10, 10).map(lambda value: round(value, 1))


def accuracy(value: float, low: float, high: float, n: int = 40, sha256: str = "ab") -> list[Result]:
    return [Result("pair_accuracy", {"n": n, "accuracy": value, "interval": [low, high]}, sha256)]


def loss(value: float, interval: list[float] | None) -> list[Result]:
    return [Result("heldout_loss", {"n": 40, "loss": value, "interval": interval}, "ab")]


def only(*runs: list[Result]) -> Line:
    (line,) = comparing.lines(runs)
    return line


def standings(line: Line) -> list[Standing | None]:
    return [None if cell is None else cell.standing for cell in line.cells]


def test_the_best_is_the_largest_or_the_smallest_as_the_measure_has_it() -> None:
    assert standings(only(accuracy(0.6, 0.5, 0.7), accuracy(0.9, 0.8, 0.95))) == [WORSE, BEST]
    assert standings(only(loss(1.0, [0.9, 1.1]), loss(2.0, [1.9, 2.1]))) == [BEST, WORSE]


def test_intervals_with_a_point_in_common_are_not_distinguishable() -> None:
    touching = only(accuracy(0.9, 0.8, 1.0), accuracy(0.7, 0.6, 0.8), accuracy(0.7, 0.6, 0.79))
    assert standings(touching) == [BEST, SAME, WORSE]


def test_without_an_interval_nothing_is_said_about_the_difference() -> None:
    assert standings(only(loss(1.0, [0.9, 1.1]), loss(1.05, None))) == [BEST, UNKNOWN]
    assert standings(only(loss(1.0, None), loss(2.0, [1.9, 2.1]))) == [BEST, UNKNOWN]


def test_equal_values_are_all_the_best_and_one_alone_is_not() -> None:
    assert standings(only(accuracy(0.7, 0.6, 0.8), accuracy(0.7, 0.6, 0.8))) == [BEST, BEST]
    assert standings(only(accuracy(0.7, 0.6, 0.8), [])) == [NOT_COMPARED, None]


def test_what_has_no_better_way_has_no_best() -> None:
    lengths = [[Result("divergence", {"n": 9, "kl_token": value}, "ab")] for value in (0.1, 0.5)]
    assert (only(*lengths).better, standings(only(*lengths))) == (Better.NEITHER, [NOT_COMPARED] * 2)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (accuracy(0.9, 0.8, 1.0, sha256="cd"), comparing.OTHER_DATA),
        (accuracy(0.9, 0.8, 1.0, n=41), comparing.OTHER_COUNT),
    ],
)
def test_values_of_other_held_out_data_are_shown_and_not_ranked(other: list[Result], why: str) -> None:
    line = only(accuracy(0.5, 0.4, 0.6), other)
    assert (line.why, standings(line)) == (why, [NOT_COMPARED] * 2)
    assert [cell and cell.value for cell in line.cells] == [0.5, 0.9]


def test_win_rates_against_other_opponents_are_not_ranked() -> None:
    runs = [
        [Result("win_rate", {"n": 9, "win_rate": 0.5, "judge": "j", "against": against}, "ab")]
        for against in ("reference tiny", "sources/run-3-responses")
    ]
    assert only(*runs).why == comparing.OTHER_SETTING


def test_an_opponent_is_told_by_its_weights_and_sampling_and_older_results_by_its_name() -> None:
    def won(**about: str) -> list[Result]:
        told = {"judge": "j", "against": "reference tiny", **about}
        return [Result("win_rate", {"n": 9, "win_rate": 0.5, **told}, "ab")]

    one = won(opponent="aa", sampling="temperature 1")
    assert only(one, won(opponent="bb", sampling="temperature 1")).why == comparing.OTHER_OPPONENT
    assert only(one, won(opponent="aa", sampling="temperature 0.7")).why == comparing.OTHER_SAMPLING
    assert only(one, won(opponent="aa", sampling="temperature 1")).why == ""
    assert only(one, won()).why == only(won(), won()).why == ""
    ranked = comparing.ranking({1: one[0], 2: won(opponent="bb")[0]}, "win_rate", "win_rate")
    assert [place.why for place in ranked] == ["", comparing.OTHER_OPPONENT]


def test_a_judge_is_told_by_its_weights_whatever_it_is_called_and_older_results_by_its_name() -> None:
    def won(judge: str, sha256: str | None) -> list[Result]:
        told = {"judge": judge, "judge_sha256": sha256, "against": "reference tiny"}
        return [Result("win_rate", {"n": 9, "win_rate": 0.5, **told}, "ab")]

    def why(*runs: list[Result]) -> str:
        return only(*runs).why

    assert why(won("a", "11"), won("/a copy", "11")) == ""
    assert why(won("a", "11"), won("a", "22")) == comparing.OTHER_JUDGE
    assert why(won("a", "11"), won("b", "22")) == comparing.OTHER_SETTING
    assert why(won("a", "11"), won("a", None)) == why(won("a", None), won("a", None)) == ""
    assert why(won("a", "11"), won("b", None)) == comparing.OTHER_SETTING
    assert why(won("a", "11"), won("b", "11"), won("a", None)) == comparing.OTHER_SETTING


def test_an_opponent_of_one_hash_is_one_opponent_under_two_names() -> None:
    def won(**about: str) -> list[Result]:
        return [Result("win_rate", {"n": 9, "win_rate": 0.5, "judge": "j", **about}, "ab")]

    assert only(won(against="reference a", opponent="11"), won(against="/a", opponent="11")).why == ""
    assert only(won(against="a", opponent="11"), won(against="b", opponent="22")).why == (
        comparing.OTHER_SETTING
    )


def test_rewards_and_implicit_rewards_have_no_best_between_them() -> None:
    result = {"n": 40, "accuracy": 0.9, "interval": [0.8, 1.0]}
    line = only(accuracy(0.5, 0.4, 0.6), [Result("pair_accuracy", result, "ab", rewards=True)])
    assert (line.why, standings(line)) == (comparing.OTHER_KIND, [NOT_COMPARED] * 2)
    assert only(*[[Result("pair_accuracy", result, "ab", rewards=True)]] * 2).why == ""


def test_beside_places_stands_the_kl_that_all_of_them_have() -> None:
    places = [comparing.Place(run, run, Cell(0.5, None, None, 9)) for run in (1, 2)]
    at_contexts = {"contexts": {"n": 5, "kl_token": 0.3}}
    one = Result("divergence", {"generated": {"n": 8, "kl_token": 0.1}, **at_contexts}, "ab")
    both = comparing.with_kl(places, {1: one, 2: one})
    assert [place.kl and place.kl.value for place in both] == [0.1, 0.1]
    mixed = comparing.with_kl(places, {1: one, 2: Result("divergence", at_contexts, "ab")})
    assert [place.kl and place.kl.value for place in mixed] == [0.3, 0.3]
    assert [place.kl and place.kl.value for place in comparing.with_kl(places, {1: one})] == [0.3, None]


def test_sections_and_skipped_evaluations() -> None:
    section = {"n": 40, "brier": 0.2, "comparisons": {"n": 7, "brier": 0.3, "interval": [0.2, 0.4]}}
    skipped = {"skipped": "No held-out comparisons."}
    lines = comparing.lines([[Result("calibration", section, "ab"), Result("pop_accuracy", skipped, "ab")]])
    assert [(line.key, line.better) for line in lines] == [
        ("calibration.brier", Better.LOWER),
        ("calibration.comparisons.brier", Better.LOWER),
    ]
    assert lines[1].cells[0] == Cell(0.3, 0.2, 0.4, 7)


def test_lines_are_in_the_order_of_the_registry_whatever_the_runs_have() -> None:
    unknown = [Result("of_long_ago", {"score": 1}, "ab")]
    lines = comparing.lines([[*unknown, *loss(1.0, None)], accuracy(0.5, 0.4, 0.6)])
    assert [line.evaluation for line in lines] == ["pair_accuracy", "heldout_loss", "of_long_ago"]
    assert (lines[0].cells[0], lines[2].title) == (None, "Of long ago")


def test_every_direction_is_of_a_measure_that_evaluations_give() -> None:
    rng = np.random.default_rng(0)
    logps, duels = rng.normal(size=(4, 12)), rng.normal(size=(4, 12))
    everything = HeldOut(
        rng.normal(size=12),
        rng.normal(size=12),
        np.array([[0, 1], [2, 3], [4, 5]]),
        seed=0,
        chosen_logps=logps[0],
        rejected_logps=logps[1],
        chosen_lengths=np.full(12, 3.0),
        rejected_lengths=np.full(12, 3.0),
        reference_logps=logps[2:].T,
        confidence=np.array([0.6, 0.8, 1.0]),
        duels=Duels(np.arange(12), *duels[:2], *np.abs(duels[2:])),
    )
    given = {
        (name, one.name)
        for name, entry in catalog.EVALUATIONS.items()
        for one in measures.measures(catalog.load(entry.function)(everything))
    }
    prompts = [*rewardbench.COUNTS, *rewardbench.PRIOR] * 2
    bench = rewardbench.summary(prompts, *rng.normal(size=(2, len(prompts))).tolist())
    share = rng.random(8) + 1
    difficulty = Difficulty(rng.normal(size=8), np.zeros((0, 3)), np.zeros(0))
    controlled = alpaca_eval.length_controlled(share, rng.normal(size=8), difficulty)
    for one in measures.measures(alpaca_eval.rates(share) | controlled):
        given.add(("alpaca_eval", one.name))
    given |= {("rewardbench", one.name) for one in measures.measures(bench)}
    assert comparing.DIRECTIONS.keys() <= given


@given(st.lists(st.tuples(BOUNDS, BOUNDS, BOUNDS).map(sorted), min_size=2, max_size=8))
def test_the_best_is_as_good_as_all_and_only_what_is_apart_from_it_is_called_worse(bounds: Any) -> None:
    cells = [Cell(value, low, high, 9) for low, value, high in bounds]
    made = [cell for cell in comparing.judged(cells, Better.HIGHER) if cell is not None]
    best = next(cell for cell in made if cell.standing == BEST)
    assert best.value == max(cell.value for cell in cells)
    for cell in made:
        if cell.standing != BEST:
            apart = cell.high < best.low  # type: ignore[operator]
            assert cell.standing == (WORSE if apart else SAME)


def test_only_the_fields_that_differ_are_told() -> None:
    specs: list[dict[str, Any]] = [
        {
            "name": "a",
            "dataset": {"path": "x"},
            "method": {"slug": "dpo", "params": {"beta": 0.1}},
            "seed": 1,
        },
        {"name": "b", "method": {"slug": "dpo", "params": {"beta": 0.5, "margin": None}}, "seed": 1.0},
    ]
    assert [(one.field, one.values) for one in comparing.differences(specs)] == [
        ("method.params.beta", (0.1, 0.5)),
    ]
    assert comparing.differences([{"on": True, "few": [1]}, {"on": True, "few": [1]}]) == []
    assert [one.field for one in comparing.differences([{"on": True}, {"on": 1}])] == ["on"]
    assert comparing.differences([]) == []


def test_a_ranking_puts_the_best_first_and_says_how_the_others_stand_to_it() -> None:
    values = {7: accuracy(0.6, 0.5, 0.7), 8: accuracy(0.9, 0.8, 1.0), 9: accuracy(0.85, 0.75, 0.95)}
    values |= {5: accuracy(0.9, 0.8, 1.0), 6: accuracy(0.95, 0.9, 1.0, n=3), 4: [Result("x", {}, "ab")]}
    places = comparing.ranking({run: found[0] for run, found in values.items()}, "pair_accuracy", "accuracy")
    assert [(one.run, one.rank) for one in places] == [(6, 1), (8, 2), (5, 2), (9, 4), (7, 5)]
    assert [one.why for one in places] == ["", *[comparing.OTHER_COUNT] * 4]
    del values[6]
    places = comparing.ranking({run: found[0] for run, found in values.items()}, "pair_accuracy", "accuracy")
    assert [one.cell.standing for one in places] == [BEST, BEST, SAME, WORSE]


def test_a_ranking_by_a_loss_begins_with_the_smallest() -> None:
    found = {1: loss(2.0, None)[0], 2: loss(1.0, None)[0], 3: loss(float("nan"), None)[0]}
    places = comparing.ranking(found, "heldout_loss", "loss")
    assert [(one.run, one.cell.standing) for one in places] == [(2, BEST), (1, UNKNOWN)]
