"""Runs by how the comparisons behind their data were drawn, and which sampling is ahead by a measure. Pure.

A sampling is ahead only where the 95% intervals of all its runs lie apart from those of every other sampling:
the coarse test of `comparing`, which asks the more, the more runs there are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training import comparing
from training.comparing import Cell, Result
from training.engine import measures

ANCHORED = ("iterative", "active")  # strategies under which `reuse` means something
RUNS = 3  # of a sampling, the newest
ACCURACY, SPEARMAN = ("pair_accuracy", "accuracy"), ("margin_correlation", "spearman")
POP, WIN = ("pop_accuracy", "accuracy"), ("win_rate", "win_rate")
KL = comparing.KL
COLUMNS = (ACCURACY, SPEARMAN, POP, WIN)
ELSEWHERE = ("name", "dataset", "version", "evaluation")  # parts of a spec that are no recipe
# What decides no weights, or is meant to differ between runs that are otherwise the same.
BESIDE = ("seed", "report_to", "logging_steps", "save_steps", "gradient_checkpointing", "target_offload")


@dataclass(frozen=True)
class Sampling:
    """How a dataset's comparisons were drawn. `reuse`: None where it means nothing."""

    strategy: str
    k: int
    labels_per_comparison: int = 1
    reuse: bool | None = None

    def __str__(self) -> str:
        alone = ", without reuse" if self.reuse is False else ""
        many = f", {self.labels_per_comparison} labels a comparison" if self.labels_per_comparison > 1 else ""
        return f"{self.strategy}, k {self.k}{alone}{many}"


@dataclass(frozen=True)
class Trained:
    """A finished run on PoP rows. `labels`: spent on training rows; None: not known of older datasets."""

    run: int
    sampling: Sampling
    labels: int | None
    rows: int
    spec: Mapping[str, Any]
    options: Mapping[str, Any]
    results: tuple[Result, ...]

    @property
    def labels_per_row(self) -> float | None:
        return self.labels / self.rows if self.labels is not None and self.rows else None

    @property
    def seed(self) -> Any:
        return self.spec.get("training", {}).get("seed")

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything of the training and of the freeze that is not the sampling."""
        kept = {name: one for name, one in self.spec.items() if name not in ELSEWHERE}
        kept["training"] = {
            name: one for name, one in self.spec.get("training", {}).items() if name not in BESIDE
        }
        apart = {name: one for name, one in self.options.items() if name != "max_rows_per_strong"}
        return kept | {"freeze": apart}


@dataclass(frozen=True)
class Contest:
    """Samplings, by name, by one measure.

    `ahead`: the one apart from all others; `why`: why they are not compared.
    `shown`: of the two samplings that are nearest to being told apart, the leading one first, the run that is
    worst for the claim.
    """

    measure: tuple[str, str]
    ahead: str = ""
    shown: tuple[tuple[str, Cell], ...] = ()
    why: str = ""


def chosen(trained: Sequence[Trained]) -> list[Trained]:
    """Runs to put side by side: of one recipe, the one that most samplings have; at most `RUNS` a sampling.

    Where no recipe has two samplings, the newest run and of each other sampling the one most like it.
    """
    recipes: dict[str, list[Trained]] = {}
    for one in trained:
        recipes.setdefault(json.dumps(one.recipe, sort_keys=True), []).append(one)
    best = max(recipes.values(), key=lambda runs: len({one.sampling for one in runs}))
    samplings = {one.sampling for one in trained}
    if len({one.sampling for one in best}) == 1 < len(samplings):
        newest = trained[0]
        others = [
            min(
                (one for one in trained if one.sampling == sampling),
                key=lambda one: len(differences([newest, one])),
            )
            for sampling in dict.fromkeys(one.sampling for one in trained)
            if sampling != newest.sampling
        ]
        best = [newest, *others]
    return [
        one
        for sampling in sorted({one.sampling for one in best}, key=str)
        for one in [run for run in best if run.sampling == sampling][:RUNS]
    ]


def differences(runs: Sequence[Trained]) -> list[str]:
    """The names of settings, beside the sampling, that runs do not share."""
    return [one.field for one in comparing.differences([run.recipe for run in runs])]


def contest(runs: Sequence[Trained], measure: tuple[str, str]) -> Contest:
    """Which sampling is ahead by a measure of which more is better."""
    names = names_of({run.sampling for run in runs})
    found = [(names[run.sampling], value) for run in runs if (value := value_of(run, measure)) is not None]
    groups: dict[str, list[Cell]] = {}
    for name, (cell, _) in found:
        groups.setdefault(name, []).append(cell)
    if len(groups) < 2:
        return Contest(measure, why="absent")
    if len({cell.n for _, (cell, _) in found}) > 1 or comparing.unlike(result for _, (_, result) in found):
        return Contest(measure, why="unlike")
    if any(cell.low is None or cell.high is None for _, (cell, _) in found):
        return Contest(measure, why="no interval")
    order = sorted(groups, key=lambda one: max(cell.value for cell in groups[one]), reverse=True)
    worst = min(groups[order[0]], key=lambda cell: cell.low or 0.0)
    rival, best = max(
        ((one, cell) for one in order[1:] for cell in groups[one]), key=lambda pair: pair[1].high or 0.0
    )
    apart = comparing.overlap(worst, best) is False and worst.value > best.value
    shown = ((order[0], worst), (rival, best))
    return Contest(measure, order[0] if apart else "", shown)


def names_of(samplings: Iterable[Sampling]) -> dict[Sampling, str]:
    """What sentences call samplings: by the strategy alone, where that tells them apart."""
    known = set(samplings)
    strategies = [one.strategy for one in known]
    return {one: one.strategy if strategies.count(one.strategy) == 1 else f"“{one}”" for one in known}


def value_of(run: Trained, measure: tuple[str, str]) -> tuple[Cell, Result] | None:
    """A run's value, and the result that has it; None where there is none."""
    for result in run.results:
        if result.name != measure[0]:
            continue
        for one in measures.measures(result.result):
            if one.name == measure[1] and math.isfinite(one.value):
                return Cell(one.value, one.low, one.high, one.n), result
    return None


def sampling_of(manifest: Mapping[str, Any]) -> Sampling:
    """The sampling that a dataset's manifest tells."""
    strategy = str(manifest.get("strategy", "random"))
    return Sampling(
        strategy,
        int(manifest.get("k", 0)),
        int(manifest.get("labels_per_comparison", 1)),
        bool(manifest.get("reuse", True)) if strategy in ANCHORED else None,
    )


def labels_and_rows(manifest: Mapping[str, Any]) -> tuple[int | None, int]:
    """Labels spent and rows made in the training split; of the whole where the split was drawn anew."""
    counts, labels = manifest.get("counts", {}), manifest.get("labels")
    heldout = int(counts.get("heldout_rows", 0))
    rows = int(counts.get("rows", 0))
    if manifest.get("options", {}).get("resplit_share") is None:
        return (None if labels is None else int(labels.get("train", 0))), rows - heldout
    return (None if labels is None else sum(labels.values())), rows
