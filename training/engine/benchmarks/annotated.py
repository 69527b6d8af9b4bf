"""AlpacaEval's figures of a model as a result that is stored and compared. No torch here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.engine.benchmarks import outputs
from training.engine.errors import DatasetError
from training.engine.evaluations import alpaca_eval
from training.engine.evaluations.alpaca_eval import Annotation

DIFFICULTIES = ("df_gamed.csv", "instruction_difficulty.csv")  # the first that is there is taken
INSTRUCTIONS = "alpaca_eval.json"
SHOWN = 200  # characters of a name that somebody else wrote


@dataclass(frozen=True)
class Helps:
    """Files of the benchmark that the length-controlled win rate needs; None: not there."""

    difficulty: Path | None = None
    instructions: Path | None = None

    @classmethod
    def below(cls, folder: Path) -> Helps:
        """Those in a folder, by the names that they have on the Hub."""
        there = (folder / name for name in DIFFICULTIES)
        instructions = folder / INSTRUCTIONS
        return cls(
            next((one for one in there if one.is_file()), None),
            instructions if instructions.is_file() else None,
        )


NONE = Helps()


def result(annotations: Sequence[Annotation], generator: str, helps: Helps = NONE) -> dict[str, Any]:
    """What `alpaca_eval.summary` gives of a model's annotations, fit to be stored.

    A length-controlled win rate that cannot be had is a remark: the others do not need it.

    Raises:
        DatasetError: the annotations are not of `generator`, or of several; none says anything.
    """
    found = alpaca_eval.summary(annotations, generator=generator)
    if helps.difficulty is not None:
        try:
            found = _length_controlled(annotations, helps)
        except DatasetError as error:
            found["remarks"].append(f"No length-controlled win rate: {error.message}")
    if found["annotator"] is None:
        del found["annotator"]
    return {name: _storable(value) if isinstance(value, str) else value for name, value in found.items()}


def _length_controlled(annotations: Sequence[Annotation], helps: Helps) -> dict[str, Any]:
    places = None
    if helps.instructions is not None:
        places = outputs.places(annotations, outputs.read(helps.instructions, ("instruction",)))
    difficulty = outputs.difficulty(helps.difficulty) if helps.difficulty else None
    return alpaca_eval.summary(annotations, difficulty=difficulty, places=places)


def measured_on(annotations: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of the instructions and the baseline's outputs in any order: what models are compared on."""
    lines = sorted(json.dumps([one["instruction"], one["output_1"]]) for one in annotations)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _storable(text: str) -> str:
    """A name may hold what no database keeps: a NUL, half a character, a novel."""
    return text[:SHOWN].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
