"""AlpacaEval's win rates from the annotations of its judge. No torch here; no entry of the registry.

An annotation is a mapping as in the package's annotations.json: `instruction`, `output_1` of `generator_1`
(the baseline), `output_2` of `generator_2` (the model), and `preference`, from 1, the baseline's, to 2, the
model's; 1.5 or 0 is a draw; None or NaN, the judge said nothing. Numbers are those of `alpaca_eval` 0.6.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.engine.errors import DatasetError
from training.engine.evaluations.heldout import Floats

Bools = npt.NDArray[np.bool_]
Annotation = Mapping[str, Any]
PARTS = ("instruction", "output_1", "output_2", "generator_1", "generator_2")
DRAW = 1.5
PROMPTS = 805  # of the benchmark
FOLDS = 5
STRENGTHS = np.logspace(-4, 4, 10)  # of the fit's L1: those that cross-validation chooses from
GAMED_WEIGHT = 0.2 / 2  # of a prompt of one of the two baselines that play with their length
BY_ORDER = (
    "Difficulties went by the order of the annotations: in another order than the evaluation set's the "
    "length-controlled rate is wrong (--instructions names the set; to the application alpaca_eval.json)."
)
COLUMNS = ("length", "difficulty", "model")


@dataclass(frozen=True)
class Difficulty:
    """What the package's files say of instructions, by their place in the evaluation set.

    Attributes:
        of: instruction difficulties, [i].
        gamed: features of the two length-gamed baselines, [g, 3] as `COLUMNS`; empty: not known.
        gamed_preference: how the judge liked those, from 0 to 1, NaN: not known, [g].
    """

    of: Floats
    gamed: Floats
    gamed_preference: Floats

    @property
    def glm(self) -> str:
        """The package's name of the fit: held near the gamed baselines, or free."""
        return "length_controlled_v1" if len(self.gamed) else "length_controlled_noreg"


def summary(
    annotations: Sequence[Annotation],
    *,
    difficulty: Difficulty | None = None,
    places: Sequence[int] | None = None,
    generator: str | None = None,
) -> dict[str, Any]:
    """Win rate, discrete win rate and, where difficulties are given, the length-controlled one, in percent.

    Args:
        annotations: of one model against one baseline.
        places: each annotation's place in the evaluation set; its place in the file if None.
        generator: the model that they should be of.

    Returns:
        {"generator", "baseline", "annotator", "orders" (of each pair that were asked about: "one", "both" or
        "mixed"; only where annotations say it, as our own do), "n", "win_rate", "win_rate_interval" (of
        95%, ours), "standard_error" (None of fewer than two),
        "n_wins", "n_wins_base", "n_draws", "discrete_win_rate", "our_length", "their_length" (mean
        characters), "remarks" (sentences)}, and what `length_controlled` gives.

    Raises:
        DatasetError: annotations of several models, without a part, or none that says anything.
    """
    check(annotations, generator)
    given = preferences(annotations)
    found: dict[str, Any] = {
        "generator": annotations[0]["generator_2"],
        "baseline": annotations[0]["generator_1"],
        "annotator": annotations[0].get("annotator"),
        **_orders(annotations),
    }
    found |= rates(given)
    lengths = np.asarray([[len(one[f"output_{side}"]) for side in (2, 1)] for one in annotations], np.float64)
    found |= dict(zip(("our_length", "their_length"), lengths.mean(axis=0).tolist(), strict=True))
    if difficulty is not None:
        found |= length_controlled(given, lengths[:, 1] - lengths[:, 0], difficulty, places)
    remarks = _remarks(annotations, given, found)
    return found | {"remarks": [*remarks, *([BY_ORDER] if difficulty is not None and places is None else [])]}


def check(annotations: Sequence[Annotation], generator: str | None = None) -> None:
    """Raises DatasetError where annotations are not those of one model (`generator`) against one baseline."""
    if not annotations:
        raise DatasetError("There are no annotations.", code="dataset_empty")
    for number, one in enumerate(annotations, 1):
        for name in PARTS:
            if not isinstance(one.get(name), str):
                raise DatasetError(
                    f"Annotation {number} has no text {name}.", hint="See docs/evaluations.md."
                )
        if "preference" not in one:
            raise DatasetError(f"Annotation {number} has no preference.")
        if not isinstance(one.get("annotator"), str | None):
            raise DatasetError(
                f"Annotation {number} has an annotator that is no text.",
                hint="It is the judge's name, or left out.",
            )
    for name, what in (("generator_2", "model"), ("generator_1", "baseline"), ("annotator", "judge")):
        names = sorted({str(one.get(name)) for one in annotations})
        if len(names) > 1:
            raise DatasetError(
                f"The annotations are of more than one {what}: {', '.join(names)}.",
                hint="Make a file for each model (generator_2), baseline (generator_1) and annotator.",
            )
    if generator is not None and (found := annotations[0]["generator_2"]) != generator:
        raise DatasetError(f"The annotations are of {found}, not of {generator}.")


def _orders(annotations: Sequence[Annotation]) -> dict[str, str]:
    given = [one.get("orders") for one in annotations]
    counts = {len(one) for one in given if isinstance(one, list) and one}  # of equal outputs: none
    if not counts:
        return {}
    return {"orders": "one" if counts == {1} else "both" if counts == {2} else "mixed"}


def preferences(annotations: Sequence[Annotation]) -> Floats:
    """The codes as they stand, NaN where the judge said nothing, [n].

    Raises:
        DatasetError: one is no number.
    """
    found = []
    for number, one in enumerate(annotations, 1):
        try:
            found.append(float("nan") if one["preference"] is None else float(one["preference"]))
        except (TypeError, ValueError, OverflowError):
            said = f"Annotation {number} has the preference {one['preference']!r}, which is no number."
            raise DatasetError(said) from None
    return np.asarray(found, np.float64)


def rates(given: Floats) -> dict[str, Any]:
    """Win rates of preference codes, [n], in percent; codes outside 1 to 2 (0 is a draw) are left out.

    The discrete rate rounds each code first: a win, a loss or a draw.

    Raises:
        DatasetError: no code is left.
    """
    codes = np.where(given == 0, DRAW, given)
    valid = codes[_valid(codes)]
    if not len(valid):
        raise DatasetError("No annotation has a preference from 1 to 2.", code="dataset_empty")
    rounded = np.where(given == DRAW, 0.0, given).round()
    rounded[rounded == 0] = DRAW
    discrete = rounded[_valid(rounded)]
    return {
        "n": len(valid),
        "win_rate": float((valid - 1).mean() * 100),
        "win_rate_interval": _interval(valid - 1),
        "standard_error": _standard_error(valid - 1),
        "n_wins": int((valid > DRAW).sum()),
        "n_wins_base": int((valid < DRAW).sum()),
        "n_draws": int((valid == DRAW).sum()),
        "discrete_win_rate": float((discrete - 1).mean() * 100),
    }


def _valid(codes: Floats) -> Bools:
    found: Bools = (codes >= 1) & (codes <= 2)  # not NaN
    return found


def _interval(shares: Floats) -> list[float] | None:
    """The mean of shares and 1.96 standard errors around it, in percent, 0 to 100; None of fewer than two.

    None as well where all are the same: no error is left to go by.
    """
    error, mean = _standard_error(shares), float(shares.mean() * 100)
    return [max(0.0, mean - 1.96 * error), min(100.0, mean + 1.96 * error)] if error else None


def _standard_error(shares: Floats) -> float | None:
    """Of the mean, in percent."""
    if len(shares) < 2:
        return None
    return float(shares.std(ddof=1) / np.sqrt(len(shares)) * 100)


def length_controlled(
    given: Floats, longer: Floats, difficulty: Difficulty, places: Sequence[int] | None = None
) -> dict[str, Any]:
    """The win rate at equal lengths (arXiv 2404.04475).

    P(win) = σ(a·tanh(d / s) + b·difficulty + c), d the baseline's length less the model's, s its standard
    deviation; the answer is its mean at d = 0. Fitted as the package does: L1, its strength by
    cross-validation over 5 folds of prompts.

    Args:
        given: preference codes, [n]. longer: d in characters, [n].
        places: each prompt's place in `difficulty.of`, [n]; 0 to n − 1 if None.

    Returns:
        {"length_controlled_win_rate", "length_controlled_standard_error", in percent, "glm" (the package's
        name of it), "weights" (by `COLUMNS`)}.

    Raises:
        DatasetError: difficulties do not fit the annotations, or there are fewer than 5 of these.
    """
    if places is None and len(given) != len(difficulty.of):
        raise DatasetError(
            f"There are {len(difficulty.of)} instruction difficulties and {len(given)} annotations, so which "
            "is whose is not known.",
            hint="Name the evaluation set with --instructions.",
        )
    places = range(len(given)) if places is None else places
    if len(places) and max(places) >= len(difficulty.of):
        raise DatasetError(
            f"There are {len(difficulty.of)} instruction difficulties, and an annotation is of instruction "
            f"{max(places) + 1} of the evaluation set.",
            hint="--difficulty and --instructions must be of the same evaluation set.",
        )
    codes = np.where(given == 0, DRAW, given)
    wins = np.where(_valid(codes), codes - 1, np.nan)
    deviation = longer.std(ddof=1) if len(longer) > 1 else 0.0
    if np.isfinite(wins).sum() < FOLDS or not deviation > 0:
        raise DatasetError(f"A length-controlled win rate needs {FOLDS} annotations of different lengths.")
    own = np.stack((np.tanh(longer / deviation), difficulty.of[list(places)], np.ones(len(given))), axis=1)
    rows = np.concatenate((difficulty.gamed, own))
    wins = np.concatenate((difficulty.gamed_preference, wins))
    weights = np.where(np.arange(len(rows)) < len(difficulty.gamed), GAMED_WEIGHT, 1.0)
    known = np.isfinite(wins)
    weights_of = _fitted(rows[known], wins[known], weights[known] if len(difficulty.gamed) else None)
    at = own.copy()
    at[:, 0] = 0
    predicted = 1 / (1 + np.exp(-(at @ weights_of)))
    return {
        "length_controlled_win_rate": float(predicted.mean() * 100),
        "length_controlled_standard_error": _standard_error(predicted),
        "glm": difficulty.glm,
        "weights": dict(zip(COLUMNS, weights_of.tolist(), strict=True)),
    }


def _fitted(rows: Floats, wins: Floats, weights: Floats | None) -> Floats:
    """The package's regression: every prompt once as a win and once as a loss, by the share of each.

    Args:
        rows: features, [m, 3]. wins: shares, [m]. weights: of prompts, [m]; None: 1.
    """
    from sklearn.linear_model import LogisticRegression  # a second to import, for nobody else
    from sklearn.model_selection import GroupKFold

    count = len(rows)
    both, labels = np.concatenate((rows, rows)), np.repeat((1, 0), count)
    each = np.ones(2 * count) if weights is None else np.tile(weights, 2)
    shares, groups = np.concatenate((wins, 1 - wins)), np.tile(np.arange(count), 2)

    def fitted(strength: float, at: Any) -> Any:
        model = LogisticRegression(
            C=strength, l1_ratio=1, solver="liblinear", fit_intercept=False, random_state=123
        )
        return model.fit(both[at], labels[at], sample_weight=(shares * each)[at])

    def loss(model: Any, at: Any) -> float:
        win = np.clip(model.predict_proba(both[at])[:, 1], 1e-15, 1 - 1e-15)
        share = np.tile(wins, 2)[at]
        return float(-np.mean((share * np.log(win) + (1 - share) * np.log(1 - win)) * each[at]))

    folds = list(GroupKFold(FOLDS).split(both, labels, groups))
    losses = [np.mean([loss(fitted(one, train), test) for train, test in folds]) for one in STRENGTHS]
    best: Floats = fitted(STRENGTHS[int(np.argmin(losses))], slice(None)).coef_[0]
    return best


def _remarks(annotations: Sequence[Annotation], given: Floats, found: Mapping[str, Any]) -> list[str]:
    silent, strange = int(np.isnan(given).sum()), len(given) - found["n"] - int(np.isnan(given).sum())
    said = []
    if len(annotations) != PROMPTS:
        said.append(f"{len(annotations)} annotations: the benchmark has {PROMPTS} prompts.")
    if silent:
        said.append(f"The judge said nothing of {silent} prompts, which are left out.")
    if strange:
        said.append(f"{strange} preferences are not from 1 to 2 and are left out.")
    return said
