"""Results as tables: on the console and in the model card."""

from __future__ import annotations

from typing import Any

from training.engine import export, measures
from training.engine.console import display
from training.engine.measures import Measure
from training.engine.spec import RunSpec

RESULT: dict[str, Any] = {
    "n": 40,
    "brier": 0.125,
    "brier_interval": [0.1, 0.2],
    "prompts": 4,
    "curve": [0.5] * 500,
    "flag": True,
    "comparisons": {
        "n": 7,
        "spearman": 0.5,
        "interval": [0.0, 0.75],
        "note": "Few votes.",
        "rows": [{"a": 1}],
    },
    "nothing": None,
}


def test_numbers_of_sections_have_their_own_intervals_and_counts() -> None:
    assert list(measures.measures(RESULT)) == [
        Measure("brier", 0.125, 0.1, 0.2, 40),
        Measure("prompts", 4, None, None, 40),
        Measure("comparisons spearman", 0.5, 0.0, 0.75, 7),
    ]
    assert [(one.name, one.columns, one.rows) for one in measures.tables(RESULT)] == [
        ("comparisons rows", ("a",), ((1,),))
    ]
    assert list(measures.remarks(RESULT | {"skipped": "no"})) == [("comparisons note", "Few votes.")]


def test_the_console_has_a_line_a_number_and_none_of_a_curve() -> None:
    lines = display.table({"calibration": RESULT}).splitlines()
    assert len(lines) == 5
    assert lines[1].split() == ["Calibration", "brier", "0.125", "0.100", "to", "0.200", "40"]
    assert lines[3].split()[-5:] == ["0.500", "0.000", "to", "0.750", "7"]
    assert "Few votes." in lines[4]


def test_the_card_has_numbers_with_intervals_and_remarks() -> None:
    card = export.model_card(
        RunSpec(),
        dataset_sha256="ab",
        record={"commit": None, "versions": {}, "hardware": {}},
        results={"calibration": RESULT, "cumulative_accuracy": {"n": 3, "margin": [1.0]}},
        steps=1,
    )
    assert (
        "- Calibration (n 40): brier 0.125 (0.1 to 0.2); prompts 4; comparisons spearman 0.5 (0 to 0.75)"
        in card
    )
    assert "    - comparisons note: Few votes." in card
    assert "- Accuracy against margin (n 3): a curve" in card
