"""Which value of a measure is the best, which are not distinguishable from it, what runs differ in.

No database here. Whether two runs differ is asked by their 95% intervals: where these overlap, the difference
is called not distinguishable. That is a coarse test. It calls fewer things different than a test of the
difference itself would, which matters most where runs were measured on the same held-out data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from training import run_words
from training.engine import catalog, measures
from training.engine.measures import Measure

# What AlpacaEval's results say of the judge and of whom it held the outputs against.
SETTING = ("annotator", "baseline", "prompt", "request")


class Better(StrEnum):
    """Which values of a measure are the better ones."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Standing(StrEnum):
    """How a value stands to the best one of its line."""

    BEST = "best"
    NOT_DISTINGUISHABLE = "not_distinguishable"
    WORSE = "worse"
    UNKNOWN = "unknown"  # one of the two has no interval
    NOT_COMPARED = "not_compared"  # no best: nothing to compare with, other data, or no direction


# Evaluation and measure → which way is better. What is not here has no best: KL, lengths, counts.
DIRECTIONS: dict[tuple[str, str], Better] = {
    ("pair_accuracy", "accuracy"): Better.HIGHER,
    ("margin_correlation", "pearson"): Better.HIGHER,
    ("margin_correlation", "spearman"): Better.HIGHER,
    ("calibration", "expected_calibration_error"): Better.LOWER,
    ("calibration", "brier"): Better.LOWER,
    ("calibration", "comparisons expected_calibration_error"): Better.LOWER,
    ("calibration", "comparisons brier"): Better.LOWER,
    ("calibration", "comparisons spearman"): Better.HIGHER,
    ("pop_accuracy", "accuracy"): Better.HIGHER,
    ("heldout_loss", "loss"): Better.LOWER,
    ("win_rate", "win_rate"): Better.HIGHER,
    ("win_rate", "length_controlled_win_rate"): Better.HIGHER,
    ("median_advantage", "median_advantage"): Better.HIGHER,
    ("median_advantage", "mean_advantage"): Better.HIGHER,
    ("alpaca_eval", "win_rate"): Better.HIGHER,
    ("alpaca_eval", "length_controlled_win_rate"): Better.HIGHER,
    ("alpaca_eval", "discrete_win_rate"): Better.HIGHER,
    ("rewardbench", "leaderboard"): Better.HIGHER,
    ("rewardbench", "micro"): Better.HIGHER,
    ("rewardbench", "sections Chat accuracy"): Better.HIGHER,
    ("rewardbench", "sections Chat Hard accuracy"): Better.HIGHER,
    ("rewardbench", "sections Safety accuracy"): Better.HIGHER,
    ("rewardbench", "sections Reasoning accuracy"): Better.HIGHER,
    ("rewardbench", "sections Prior Sets accuracy"): Better.HIGHER,
}
# Evaluations beside which the KL belongs: how far a policy went for it.
WON = ("win_rate", "median_advantage", "alpaca_eval")
# KL to the reference, nats a token: over a policy's own responses, or at contexts of the data.
KL = (("divergence", "generated kl_token"), ("divergence", "contexts kl_token"))


# What somebody is called, and a hash that says who it is; results of older versions have none.
Identity = tuple[str | None, str | None]


@dataclass(frozen=True)
class Result:
    """A stored evaluation of a run, on a split of a dataset; `rewards`: of a reward model's.

    A benchmark has data of its own, no split, and the same scale for policies and reward models.
    """

    name: str
    result: Mapping[str, Any]
    dataset_sha256: str
    split: str = "heldout"
    rewards: bool = False

    @property
    def judge(self) -> Identity:
        """Who judged the responses; (None, None) of other evaluations."""
        return run_words.told(self.result.get("judge")), self.result.get("judge_sha256")

    @property
    def opponent(self) -> Identity:
        """Who wrote what they were judged against, likewise."""
        return run_words.told(self.result.get("against")), self.result.get("opponent")

    @property
    def sampling(self) -> str | None:
        """How the responses were drawn; None of other evaluations, and of results of older versions."""
        return self.result.get("sampling")

    @property
    def orders(self) -> str | None:
        """In which orders AlpacaEval's judge saw each pair; None as above, and of files that do not say."""
        return self.result.get("orders")


@dataclass(frozen=True)
class Cell:
    value: float
    low: float | None
    high: float | None
    n: int | None
    standing: Standing = Standing.NOT_COMPARED


@dataclass(frozen=True)
class Line:
    """A measure over all runs; None where a run has none. `why`: why no value is called the best."""

    evaluation: str
    measure: str
    better: Better
    cells: tuple[Cell | None, ...]
    why: str = ""

    @property
    def key(self) -> str:
        return key_of(self.evaluation, self.measure)

    @property
    def title(self) -> str:
        return evaluation_title(self.evaluation)

    @property
    def full_title(self) -> str:
        return title_of(self.evaluation, self.measure)

    @property
    def words(self) -> str:
        return measures.words(self.measure)


@dataclass(frozen=True)
class Place:
    """A run in a ranking. Equal values have the same rank; `cell.standing` is towards the first.

    `kl`: to the reference, nats a token, beside what a judge says; None elsewhere, or where it is not known.
    """

    run: int
    rank: int
    cell: Cell
    why: str = ""
    kl: Cell | None = None


@dataclass(frozen=True)
class Difference:
    """A field of the spec that is not the same in all runs; None where a run has none, or nothing in it."""

    field: str
    values: tuple[Any, ...]


OTHER_DATA = "Other held-out data"
OTHER_SPLIT = "Another split of the data"
OTHER_KIND = "Another kind of reward"
OTHER_COUNT = "Other numbers of items"
OTHER_SETTING = "Another judge or opponent"
OTHER_JUDGE = "Other judge, same name"
OTHER_OPPONENT = "Other opponent, same name"
OTHER_SAMPLING = "Responses drawn otherwise"
OTHER_ORDERS = "Judged in other orders"
OTHER_TOKENS = "Tokenised otherwise"
OTHER_FIT = "Length controlled otherwise"
CONTROLLED = ("length_controlled_win_rate",)


def key_of(evaluation: str, measure: str) -> str:
    """A measure's name in addresses: `calibration.comparisons.brier`."""
    return f"{evaluation}.{measure.replace(' ', '.')}"


def evaluation_title(name: str) -> str:
    entry = catalog.shown().get(name)
    return entry.title if entry else measures.words(name)


def title_of(evaluation: str, measure: str) -> str:
    """A measure in words, with its evaluation unless that says the same."""
    title, words = evaluation_title(evaluation), measures.words(measure)
    return title if title == words else f"{title}: {words}"


def better(evaluation: str, measure: str) -> Better:
    return DIRECTIONS.get((evaluation, measure), Better.NEITHER)


def lines(runs: Sequence[Iterable[Result]]) -> list[Line]:
    """A line a measure of any run, in the order of the registry; columns in the order of the runs."""
    found: dict[tuple[str, str], list[tuple[Measure, Result] | None]] = {}
    for column, results in enumerate(runs):
        for one in results:
            for measure in measures.measures(one.result):
                row = found.setdefault((one.name, measure.name), [None] * len(runs))
                row[column] = (measure, one)
    known = list(catalog.shown())
    names = sorted(found, key=lambda key: known.index(key[0]) if key[0] in known else len(known))
    return [_line(*name, found[name]) for name in names]


def judged(cells: Sequence[Cell | None], direction: Better) -> tuple[Cell | None, ...]:
    """The cells with their standings. No direction, or fewer than two values: there is no best."""
    values = [cell for cell in cells if cell is not None and math.isfinite(cell.value)]
    if direction == Better.NEITHER or len(values) < 2:
        return tuple(cells)
    choose: Callable[..., Cell] = max if direction == Better.HIGHER else min
    best = choose(values, key=lambda cell: cell.value)
    return tuple(
        cell if cell is None or not math.isfinite(cell.value) else _placed(cell, best) for cell in cells
    )


def ranking(found: Mapping[int, Result], evaluation: str, measure: str) -> list[Place]:
    """Runs by a measure, the best first; runs without it are left out. Ties keep the order given.

    A run measured on other data than the first has a place by its value, and no standing.
    """
    direction = better(evaluation, measure)
    given = [(run, one, result) for run, result in found.items() if (one := _named(result, measure))]
    given.sort(key=lambda item: item[1].value, reverse=direction == Better.HIGHER)
    values = [one.value for _, one, _ in given]
    places = []
    for run, one, result in given:
        why = _incomparable([(given[0][1], given[0][2]), (one, result)])
        cell = _cell(one) if why else _placed(_cell(one), _cell(given[0][1]))
        places.append(Place(run, 1 + values.index(one.value), cell, why))
    return places


def with_kl(places: Sequence[Place], divergence: Mapping[int, Result]) -> list[Place]:
    """The places with the KL of their runs: the one of `KL` that all of them have, or else the last."""
    found = [
        {run: _cell(one) for run, result in divergence.items() if (one := _named(result, measure))}
        for _, measure in KL
    ]
    chosen = next((one for one in found if all(place.run in one for place in places)), found[-1])
    return [replace(place, kl=chosen.get(place.run)) for place in places]


def overlap(one: Cell, other: Cell) -> bool | None:
    """Whether two intervals have a point in common; None where there is none to look at."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None
    return one.low <= other.high and other.low <= one.high


def differences(specs: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """The fields in which the specs differ, by dotted name; names and datasets stand elsewhere."""
    flat = [dict(_fields(spec)) for spec in specs]
    names = dict.fromkeys(name for one in flat for name in one)
    return [
        Difference(name, tuple(one.get(name) for one in flat))
        for name in names
        if any(_other(one.get(name), flat[0].get(name)) for one in flat[1:])
    ]


def unlike(results: Iterable[Result]) -> str:
    """Why values that a judge gave say nothing about each other; empty where they do.

    Judges and opponents are told apart by their hashes, and by their names only where a result of an older
    version has no hash. How its responses were drawn, and in which orders they were judged, such a result
    does not say: any way is like it.
    """
    given = list(results)
    for who, same_name in (("judge", OTHER_JUDGE), ("opponent", OTHER_OPPONENT)):
        told = [getattr(one, who) for one in given]
        names, hashes = {name for name, _ in told}, {sha256 for _, sha256 in told}
        if len(hashes - {None}) > 1:
            return OTHER_SETTING if len(names) > 1 else same_name
        if None in hashes and len(names) > 1:
            return OTHER_SETTING
    if len({_text(one.sampling) for one in given} - {_text(None)}) > 1:
        return OTHER_SAMPLING
    return OTHER_ORDERS if len({_text(one.orders) for one in given} - {_text(None)}) > 1 else ""


def _line(evaluation: str, measure: str, found: Sequence[tuple[Measure, Result] | None]) -> Line:
    cells = [None if one is None else _cell(one[0]) for one in found]
    direction = better(evaluation, measure)
    given = [one for one in found if one is not None]
    why = _incomparable(given) if direction != Better.NEITHER else ""
    made = tuple(cells) if why else judged(cells, direction)
    return Line(evaluation, measure, direction, made, why)


def _incomparable(given: Sequence[tuple[Measure, Result]]) -> str:
    """Why the values of a line say nothing about each other; empty where they do."""
    found = (why for why, told in _SAME if len({_text(told(*one)) for one in given}) > 1)
    return next(found, "") or unlike(result for _, result in given)


def _text(value: Any) -> str:
    """Anything that a result may hold, to tell it apart from others: uploaded ones are not all ours."""
    return json.dumps(value, sort_keys=True)


# What has to be the same, and what is said where it is not; the first one counts.
_SAME: tuple[tuple[str, Callable[[Measure, Result], Any]], ...] = (
    (OTHER_DATA, lambda _, result: result.dataset_sha256),
    (OTHER_SPLIT, lambda _, result: result.split),
    (OTHER_KIND, lambda _, result: result.rewards),
    (OTHER_COUNT, lambda measure, _: measure.n),
    (OTHER_TOKENS, lambda _, result: result.result.get("tokenised")),
    (OTHER_SETTING, lambda _, result: tuple(result.result.get(name) for name in SETTING)),
    (OTHER_FIT, lambda measure, result: result.result.get("glm") if measure.name in CONTROLLED else None),
)


def _named(result: Result, name: str) -> Measure | None:
    """The measure of that name, if it is a number that can be ranked."""
    found = (one for one in measures.measures(result.result) if one.name == name)
    return next((one for one in found if math.isfinite(one.value)), None)


def _cell(measure: Measure) -> Cell:
    return Cell(measure.value, measure.low, measure.high, measure.n)


def _placed(cell: Cell, best: Cell) -> Cell:
    if cell.value == best.value:
        standing = Standing.BEST
    else:
        shared = overlap(cell, best)
        standing = Standing.UNKNOWN if shared is None else _SHARED[shared]
    return Cell(cell.value, cell.low, cell.high, cell.n, standing)


_SHARED = {True: Standing.NOT_DISTINGUISHABLE, False: Standing.WORSE}
_ELSEWHERE = {"name", "dataset", "version"}


def _fields(spec: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in spec.items():
        if not above and name in _ELSEWHERE:
            continue
        if isinstance(value, Mapping) and value:
            yield from _fields(value, f"{above}{name}.")
        else:
            yield above + name, value


def _other(one: Any, first: Any) -> bool:
    """Not the same value: 1 and 1.0 are the same, True and 1 are not; absent is null."""
    return isinstance(one, bool) is not isinstance(first, bool) or one != first
