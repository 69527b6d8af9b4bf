"""A study's figures as pictures: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.study.figures import Figure
from training.study.tables import HEADINGS
from training.study.variants import VARIANTS

Lines = Mapping[str, Mapping[str, Figure]]

BARS = ("win_vs_dpo", "accuracy", "spearman")  # a picture each: methods, with intervals
ACROSS = ("kl", "win_vs_dpo")  # how far a method went, and what that brought
CONTROL, METHOD = "#9a9a9a", "#2f6fb2"


def write(file: Path, question: str, settings: Mapping[str, Lines]) -> None:
    """Write a page with pictures of each setting, and of all settings where there are several.

    Raises:
        ModuleNotFoundError: plotly is not installed; it comes with the web extra.
    """
    from plotly import io

    found = [one for title, lines in settings.items() for one in _of_setting(title, lines)]
    found += [_over_settings(name, settings) for name in BARS if len(settings) > 1]
    parts = [
        io.to_html(one, full_html=False, include_plotlyjs=place == 0, div_id=f"plot-{place}")
        for place, one in enumerate(found)
    ]
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{question}</title><h1>{question}</h1>"
    file.write_text("\n".join([head, *parts, "</html>"]), encoding="utf-8")


def _of_setting(title: str, lines: Lines) -> list[Any]:
    from plotly import graph_objects

    found = []
    for name in BARS:
        there = [line for line in list(lines)[::-1] if name in lines[line]]
        if not there:
            continue
        figures = [lines[line][name] for line in there]
        points = graph_objects.Scatter(
            x=[one.mean for one in figures],
            y=[VARIANTS[line].title for line in there],
            error_x={"type": "data", "array": _halves(figures)},
            mode="markers",
            marker={"color": _colours(there), "size": 9},
        )
        heading = f"{title}: {HEADINGS[name]} (95% over seeds; controls grey)"
        layout = {"title": heading, "height": 160 + 26 * len(there), "margin": {"l": 260}}
        found.append(graph_objects.Figure(points, layout))
    there = [line for line in lines if all(name in lines[line] for name in ACROSS)]
    if there:
        found.append(_across(title, there, lines))
    return found


def _across(title: str, there: Sequence[str], lines: Lines) -> Any:
    from plotly import graph_objects

    x, y = ([lines[line][name] for line in there] for name in ACROSS)
    points = graph_objects.Scatter(
        x=[one.mean for one in x],
        y=[one.mean for one in y],
        error_x={"type": "data", "array": _halves(x), "thickness": 1},
        error_y={"type": "data", "array": _halves(y), "thickness": 1},
        text=[VARIANTS[line].title for line in there],
        textposition="top center",
        mode="markers+text",
        marker={"color": _colours(there), "size": 9},
    )
    heading = f"{title}: {HEADINGS[ACROSS[1]]} against KL to the reference"
    axes = {"xaxis": {"title": "KL, nats a response"}, "yaxis": {"title": HEADINGS[ACROSS[1]]}}
    return graph_objects.Figure(points, {"title": heading, "height": 560, **axes})


def _over_settings(name: str, settings: Mapping[str, Lines]) -> Any:
    """A line a method over the settings in their order."""
    from plotly import graph_objects

    lines = dict.fromkeys(line for one in settings.values() for line in one)
    found = []
    for line in lines:
        there = {
            title: one[line][name] for title, one in settings.items() if line in one and name in one[line]
        }
        found.append(
            graph_objects.Scatter(
                x=list(there),
                y=[one.mean for one in there.values()],
                error_y={"type": "data", "array": _halves(list(there.values()))},
                name=VARIANTS[line].title,
            )
        )
    return graph_objects.Figure(found, {"title": f"{HEADINGS[name]} over settings", "height": 560})


def _halves(figures: Sequence[Figure]) -> list[float]:
    return [0.0 if one.high is None else one.high - one.mean for one in figures]


def _colours(lines: Sequence[str]) -> list[str]:
    return [CONTROL if VARIANTS[line].control else METHOD for line in lines]
