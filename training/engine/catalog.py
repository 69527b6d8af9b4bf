"""The registries of methods and evaluations. One file plus one line each.

The methods' entries stand in `method_list` (papers and ours) and `trl_list` (what TRL offers).

No torch here: functions are named by path and loaded when the engine calls `load`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.engine import method_list, trl_list
from training.engine.method import Method
from training.engine.spec import Kind

__all__ = [
    "BENCHMARKS",
    "EVALUATIONS",
    "METHODS",
    "POLICY_METHODS",
    "EvaluationEntry",
    "Method",
    "UnknownEntry",
]


@dataclass(frozen=True)
class EvaluationEntry:
    """A named evaluation of a trained model. `kinds`: the kinds of run that it says something about."""

    name: str
    title: str
    summary: str
    function: str
    needs_scores: bool = False
    needs_pop_rows: bool = False
    kinds: tuple[Kind, ...] = ("preference", "reward_model")


@dataclass(frozen=True)
class BenchmarkEntry:
    """A published benchmark: it has data of its own, and no run is measured by it unasked."""

    name: str
    title: str
    summary: str


METHODS: dict[str, Method] = {entry.slug: entry for entry in (*method_list.ENTRIES, *trl_list.ENTRIES)}
POLICY_METHODS = {slug: entry for slug, entry in METHODS.items() if not entry.reward_model}

_E = "training.engine.evaluations"
EVALUATIONS: dict[str, EvaluationEntry] = {
    entry.name: entry
    for entry in (
        EvaluationEntry(
            "pair_accuracy",
            "Pair accuracy",
            "Share of held-out preferences with a positive margin.",
            f"{_E}.pair_accuracy:evaluate",
        ),
        EvaluationEntry(
            "margin_correlation",
            "Margin correlation",
            "Pearson and Spearman against the score margin.",
            f"{_E}.margin_correlation:evaluate",
            needs_scores=True,
        ),
        EvaluationEntry(
            "cumulative_accuracy",
            "Accuracy against margin",
            "Lower and upper cumulative accuracy and the margin histogram (paper Fig. 2).",
            f"{_E}.cumulative_accuracy:evaluate",
            needs_scores=True,
        ),
        EvaluationEntry(
            "calibration",
            "Calibration",
            "How often the preferred response is the chosen one where the model is so sure; 0 error is best.",
            f"{_E}.calibration:evaluate",
        ),
        EvaluationEntry(
            "pop_accuracy",
            "PoP accuracy",
            "Share of held-out comparisons whose stronger side has the larger margin.",
            f"{_E}.pop_accuracy:evaluate",
            needs_pop_rows=True,
        ),
        EvaluationEntry(
            "heldout_loss",
            "Held-out loss",
            "Negative log-likelihood of the held-out chosen responses, nats a token.",
            f"{_E}.heldout_loss:evaluate",
            kinds=("preference", "sft"),
        ),
        EvaluationEntry(
            "divergence",
            "Distance to the reference",
            "How much likelier responses became, nats each; KL where the policy wrote some itself.",
            f"{_E}.divergence:evaluate",
            kinds=("preference",),
        ),
        EvaluationEntry(
            "generation",
            "Responses",
            "How long the model's own responses are, beside the reference's, and how many ended.",
            f"{_E}.generation:evaluate",
            kinds=("preference", "sft"),
        ),
        EvaluationEntry(
            "win_rate",
            "Win rate",
            "How often the judge prefers the model's responses; ties count half. Also at equal lengths.",
            f"{_E}.win_rate:evaluate",
            kinds=("preference", "sft"),
        ),
        EvaluationEntry(
            "median_advantage",
            "Median advantage",
            "The judge's reward of the model's responses less that of the others.",
            f"{_E}.median_advantage:evaluate",
            kinds=("preference", "sft"),
        ),
    )
}
BENCHMARKS: dict[str, BenchmarkEntry] = {
    entry.name: entry
    for entry in (
        BenchmarkEntry(
            "rewardbench",
            "RewardBench",
            "Share of the benchmark's prompts whose better response scores higher.",
        ),
        BenchmarkEntry(
            "alpaca_eval",
            "AlpacaEval",
            "How often a judge prefers the model's outputs to a baseline's, in percent.",
        ),
    )
}


def shown() -> dict[str, EvaluationEntry | BenchmarkEntry]:
    """Everything that a result can be of, in the order of tables."""
    return {**EVALUATIONS, **BENCHMARKS}


class UnknownEntry(ValueError):
    """A name that is in no registry, or not for this."""


def method(slug: str) -> Method:
    """The method registered as `slug`.

    Raises:
        UnknownEntry: no such method; the message lists the ones there are.
    """
    if slug not in METHODS:
        raise UnknownEntry(f"unknown method {slug!r}; known: {', '.join(METHODS)}")
    return METHODS[slug]


def policy_method(slug: str) -> Method:
    """The method registered as `slug`, which trains a policy.

    Raises:
        UnknownEntry: no such method, or one that trains a reward model.
    """
    found = method(slug)
    if found.reward_model:
        raise UnknownEntry(f"{slug} trains a reward model, not a policy: this run cannot use it")
    return found


def evaluation(name: str) -> EvaluationEntry:
    """The evaluation registered as `name`.

    Raises:
        UnknownEntry: no such evaluation; the message lists the ones there are.
    """
    if name not in EVALUATIONS:
        raise UnknownEntry(f"unknown evaluation {name!r}; known: {', '.join(EVALUATIONS)}")
    return EVALUATIONS[name]


def load(function: str) -> Callable[..., Any]:
    """Import `package.module:name`. Only the engine calls this: it brings torch in."""
    module, name = function.split(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return loaded
