"""Evaluations as the run page shows them: measures with intervals and n, and the margin–accuracy plot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from training.engine import catalog
from training.models import Evaluation


@dataclass(frozen=True)
class Measure:
    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Report:
    """One evaluation: its measures, or why it was left out."""

    name: str
    title: str
    summary: str
    skipped: str
    n: int | None
    measures: tuple[Measure, ...]
    has_plot: bool = False


def reports(evaluations: Iterable[Evaluation]) -> list[Report]:
    """In the order of the registry; those it does not know come last."""
    order = list(catalog.EVALUATIONS)
    found = sorted(evaluations, key=lambda e: order.index(e.name) if e.name in order else len(order))
    return [_report(item) for item in found]


def margin_accuracy(evaluations: Iterable[Evaluation]) -> list[dict[str, Any]]:
    """Cumulative accuracy below and above each score margin, over the histogram of margins (paper Fig. 2)."""
    result: dict[str, Any] = next(
        (item.result for item in evaluations if item.name == "cumulative_accuracy"), {}
    )
    if "margin" not in result:
        return []
    margins = result["margin"]
    edges, counts = result["histogram"]["edges"], result["histogram"]["counts"]
    bars = [[(low + high) / 2, count] for low, high, count in zip(edges, edges[1:], counts, strict=False)]
    return [
        {
            "id": "margin-accuracy-plot",
            "title": "Accuracy against score margin",
            "about": "Lower: over held-out preferences with a score margin up to this one. "
            "Upper: over those with at least this one. Bars: how many preferences have it.",
            "wide": True,
            "x": "score margin (chosen − rejected)",
            "y": "accuracy",
            "y2": "preferences",
            "y2max": max([1, *counts]),
            "yrange": [0, 1.03],
            "series": [
                {
                    "name": "lower cumulative accuracy",
                    "kind": "line",
                    "points": _points(margins, result["lower"]),
                },
                {
                    "name": "upper cumulative accuracy",
                    "kind": "line",
                    "points": _points(margins, result["upper"]),
                },
                {"name": "preferences", "kind": "bar", "points": bars, "width": edges[1] - edges[0]},
            ],
        }
    ]


def _report(item: Evaluation) -> Report:
    entry = catalog.EVALUATIONS.get(item.name)
    result = item.result
    names = [
        name
        for name, value in result.items()
        if name != "n" and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    alone = result.get("interval") if len(names) == 1 else None
    return Report(
        name=item.name,
        title=entry.title if entry else item.name,
        summary=entry.summary if entry else "",
        skipped=str(result.get("skipped", "")),
        n=result.get("n"),
        measures=tuple(
            Measure(
                name.replace("_", " ").capitalize(),
                result[name],
                *(result.get(f"{name}_interval") or alone or (None, None)),
            )
            for name in names
        ),
        has_plot="margin" in result and "histogram" in result,
    )


def _points(x: list[float], y: list[float]) -> list[list[float]]:
    return [[a, b] for a, b in zip(x, y, strict=True)]
