"""A comparison of runs on its page: which metrics can be plotted, and the plots with a line a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import Truncator

from frontend.plots import PLOTS, Plot, Points
from training.models import Run

FIRST = ("loss", "rewards/margins", "reward/margins")  # what is plotted unless metrics are chosen
LEGEND = 28  # characters of a name
# Logged now and then only, so that a run's newest metrics may lack them.
SELDOM = {Run.Kind.REWARD_MODEL: ("heldout/loss", "heldout/accuracy")}


@dataclass(frozen=True)
class Metric:
    """A metric that the runs have, in words."""

    name: str
    title: str
    shown: bool


def metrics(runs: Iterable[Run], asked: Sequence[str]) -> list[Metric]:
    """Those the runs have logged, in the order of the run page; `shown` are the ones asked for."""
    known = {name for run in runs for name in (*run.latest, *SELDOM.get(Run.Kind(run.kind), ()))}
    return [
        Metric(name, title(plot, words), name in asked)
        for plot in PLOTS
        for name, words in plot.series
        if name in known
    ]


def title(plot: Plot, words: str) -> str:
    """A metric's name, where the run page has several in one plot."""
    return plot.title if len(plot.series) == 1 else f"{plot.title}: {words}"


def legend(run: Run) -> str:
    """A run beside its line: as much of its name as fits on a phone, and its number."""
    return f"{Truncator(run.name).chars(LEGEND)} #{run.number}" if run.name else f"Run {run.number}"


def overlaid(
    names: Sequence[str], curves: Sequence[Mapping[str, Points]], asked: Sequence[str]
) -> list[dict[str, Any]]:
    """A plot a metric, a line a run, as the page's script reads them; runs without it are left out."""
    made = [_plot(plot, *one, names, curves) for plot in PLOTS for one in plot.series if one[0] in asked]
    return [plot for plot in made if plot["series"]]


def _plot(
    plot: Plot, metric: str, words: str, names: Sequence[str], curves: Sequence[Mapping[str, Points]]
) -> dict[str, Any]:
    return {
        "id": metric.replace("/", "-"),
        "title": title(plot, words),
        "about": plot.about if len(plot.series) == 1 else "",
        "x": "optimizer step",
        "y": plot.unit,
        "series": [
            {"name": name, "kind": "line", "place": place, "points": curve[metric]}
            for place, (name, curve) in enumerate(zip(names, curves, strict=True))
            if curve.get(metric)
        ],
    }
