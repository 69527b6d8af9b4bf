"""A study's figures as the page's script draws them: means with intervals over seeds, controls apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.study.figures import Figure
from training.study.plots import ACROSS, BARS
from training.study.reports import Lines
from training.study.tables import HEADINGS
from training.study.variants import VARIANTS

KINDS = (("methods", False), ("controls", True))
ABOUT = "Means over seeds with 95% intervals of Student's t."


def of_setting(lines: Lines) -> list[dict[str, Any]]:
    """A picture a measure, and how far methods went against what it brought."""
    found = [_measure(name, lines) for name in BARS if any(name in one for one in lines.values())]
    there = [line for line in lines if all(name in lines[line] for name in ACROSS)]
    return [*found, _across(there, lines)] if there else found


def over_settings(settings: Mapping[str, Lines]) -> list[dict[str, Any]]:
    """Measures over the settings in their order, a line a method; nothing where there is one setting."""
    if len(settings) < 2:
        return []
    return [
        _over(name, settings)
        for name in BARS
        if any(name in one for lines in settings.values() for one in lines.values())
    ]


def _measure(name: str, lines: Lines) -> dict[str, Any]:
    there = [line for line in lines if name in lines[line]]
    return {
        "id": f"study-{name}",
        "title": HEADINGS[name],
        "about": ABOUT,
        "x": HEADINGS[name],
        "y": "",
        "order": [VARIANTS[line].title for line in reversed(there)],
        "series": [
            {
                "name": words,
                "kind": "interval",
                "control": control,
                "points": [[lines[line][name].mean, VARIANTS[line].title] for line in own],
                "dx": [_half(lines[line][name]) for line in own],
            }
            for words, control in KINDS
            if (own := [line for line in there if VARIANTS[line].control is control])
        ],
        "table": _table([HEADINGS[name]], [(VARIANTS[line].title, [lines[line][name]]) for line in there]),
    }


def _across(there: Sequence[str], lines: Lines) -> dict[str, Any]:
    x, y = ACROSS
    return {
        "id": "study-across",
        "title": f"{HEADINGS[y]} against KL to the reference",
        "about": f"How far methods went, and what that brought. {ABOUT}",
        "x": "KL, nats a response",
        "y": HEADINGS[y],
        "tall": True,
        "series": [
            {
                "name": words,
                "kind": "interval",
                "control": control,
                "points": [[lines[line][x].mean, lines[line][y].mean] for line in own],
                "dx": [_half(lines[line][x]) for line in own],
                "dy": [_half(lines[line][y]) for line in own],
                "texts": [VARIANTS[line].title for line in own],
            }
            for words, control in KINDS
            if (own := [line for line in there if VARIANTS[line].control is control])
        ],
        "table": _table(
            ["KL", HEADINGS[y]], [(VARIANTS[line].title, [lines[line][x], lines[line][y]]) for line in there]
        ),
    }


def _over(name: str, settings: Mapping[str, Lines]) -> dict[str, Any]:
    known = dict.fromkeys(line for lines in settings.values() for line in lines if name in lines[line])
    series, rows = [], []
    for place, line in enumerate(known):
        there = {title: lines[line][name] for title, lines in settings.items() if name in lines.get(line, {})}
        series.append(
            {
                "name": VARIANTS[line].title,
                "kind": "interval",
                "joined": True,
                "place": place,
                "points": [[title, one.mean] for title, one in there.items()],
                "dy": [_half(one) for one in there.values()],
            }
        )
        rows += [(f"{VARIANTS[line].title}, {title}", [one]) for title, one in there.items()]
    return {
        "id": f"study-over-{name}",
        "title": f"{HEADINGS[name]} over settings",
        "about": ABOUT,
        "x": "",
        "y": HEADINGS[name],
        "tall": True,
        "series": series,
        "table": _table([HEADINGS[name]], rows),
    }


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[Figure]]]) -> dict[str, Any]:
    """The values with the ends of their intervals, a row a method."""
    return {
        "heads": ["method", *(word for head in heads for word in (head, "low", "high"))],
        "rows": [
            [title, *(value for one in figures for value in (one.mean, one.low, one.high))]
            for title, figures in rows
        ],
    }


def _half(figure: Figure) -> float:
    return 0.0 if figure.high is None else figure.high - figure.mean
