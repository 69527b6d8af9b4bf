"""Evaluations as the run page shows them: measures with intervals and n, and the margin–accuracy plot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from training.engine import catalog, measures
from training.engine.measures import Measure, Table
from training.models import Evaluation

FIGURES = 4  # of an evaluation where others are listed
SHOWN = 12  # digits of a hash
SHA256 = " SHA-256"  # how the names of hashes end, whose texts say it
ROWS = 50  # of a result's table on the page; the API has all


@dataclass(frozen=True)
class Report:
    """One evaluation: its measures, rows and remarks, or why it was left out."""

    name: str
    title: str
    summary: str
    skipped: str
    n: int | None
    measures: tuple[Measure, ...]
    tables: tuple[Table, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    has_plot: bool = False


def reports(evaluations: Iterable[Evaluation]) -> list[Report]:
    """In the order of the registry; those it does not know come last."""
    order = list(catalog.shown())
    found = sorted(evaluations, key=lambda e: order.index(e.name) if e.name in order else len(order))
    return [_report(item) for item in found]


def key_figures(evaluations: Iterable[Evaluation]) -> list[tuple[str, Measure]]:
    """The first measure of each evaluation that has one, a few of them: (evaluation, measure)."""
    return [(one.title, one.measures[0]) for one in reports(evaluations) if one.measures][:FIGURES]


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


def margin_scatter(evaluations: Iterable[Evaluation], link: str) -> list[dict[str, Any]]:
    """Learned margin against score margin, a point a preference; nothing where results name no points.

    Args:
        link: an address with `ID` where a preference's id belongs.
    """
    item = next((one for one in evaluations if one.name == "margin_correlation"), None)
    points = item.result.get("points") if item is not None else None
    if item is None or not points:
        return []
    found = list(zip(points["score_margin"], points["margin"], points["id"], strict=True))
    sides = {
        "chosen preferred": [one for one in found if one[1] > 0],
        "rejected preferred": [one for one in found if one[1] <= 0],
    }
    drawn = "all" if len(found) == item.result["n"] else f"{len(found):,} drawn by the run's seed from all"
    return [
        {
            "id": "margin-scatter",
            "title": "Learned margin against score margin",
            "about": f"Held-out preferences: {drawn} {item.result['n']:,} with scores. "
            f"{_correlations(item.result)}Click a point to read its preference, or open the table: "
            "it begins with those the model gets most wrong.",
            "wide": True,
            "link": link,
            "linked": "preference",
            "x": "score margin (chosen − rejected)",
            "y": "learned margin",
            "series": [
                {
                    "name": name,
                    "kind": "points",
                    "points": [one[:2] for one in side],
                    "ids": [one[2] for one in side],
                }
                for name, side in sides.items()
                if side
            ],
        }
    ]


def _correlations(result: dict[str, Any]) -> str:
    low, high = result.get("spearman_interval") or (None, None)
    around = "" if low is None else f" ({low:.2f} to {high:.2f})"
    return f"Spearman {result['spearman']:.2f}{around}. "


def _report(item: Evaluation) -> Report:
    entry = catalog.shown().get(item.name)
    result = item.result
    return Report(
        name=item.name,
        title=entry.title if entry else item.name,
        summary=entry.summary if entry else "",
        skipped=str(result.get(measures.SKIPPED, "")),
        n=result.get("n"),
        measures=tuple(replace(one, name=measures.words(one.name)) for one in measures.measures(result)),
        tables=tuple(
            Table(measures.words(one.name), tuple(map(measures.words, one.columns)), one.rows[:ROWS])
            for one in measures.tables(result)
        ),
        remarks=tuple(
            (measures.words(name).removesuffix(SHA256), _short(text))
            for name, text in measures.remarks(result)
        ),
        has_plot="margin" in result and "histogram" in result,
    )


def _short(text: str) -> str:
    """A SHA-256 by its beginning; any other text as it is."""
    return f"{SHA256.strip()} {text[:SHOWN]}…" if re.fullmatch("[0-9a-f]{64}", text) else text


def _points(x: list[float], y: list[float]) -> list[list[float]]:
    return [[a, b] for a, b in zip(x, y, strict=True)]
