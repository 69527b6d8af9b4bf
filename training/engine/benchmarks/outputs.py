"""AlpacaEval's files: what a model wrote in the package's format, difficulties. No torch here."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.engine.errors import DatasetError
from training.engine.evaluations.alpaca_eval import Difficulty

FEATURES = ("std_delta_len", "instruction_difficulty", "not_gamed_baseline")


def read(file: Path, needed: Sequence[str]) -> list[dict[str, Any]]:
    """The objects of a JSON array, each with the fields `needed`; an `instruction` is text.

    Raises:
        DatasetError: it is not there, no array of objects, or one lacks a field.
    """
    try:
        return parsed(file.read_bytes(), str(file), needed)
    except FileNotFoundError:
        raise DatasetError(f"There is no file {file}.", code="dataset_missing") from None
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error}") from error


def parsed(text: bytes, named: str, needed: Sequence[str]) -> list[dict[str, Any]]:
    """As `read`, of what is in a file that messages call `named`. Raises DatasetError."""
    try:
        found = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{named} is not JSON (half-written?): {error}") from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DatasetError(f"{named} must hold a JSON array of objects, as AlpacaEval's files do.")
    short = Path(named).name
    for number, one in enumerate(found, 1):
        if missing := [name for name in needed if name not in one]:
            raise DatasetError(f"{short}, entry {number}: {', '.join(missing)} is missing.")
        if "instruction" in needed and not isinstance(one["instruction"], str):
            raise DatasetError(f"{short}, entry {number}: instruction must be text.")
    return found


def written(
    responses: Sequence[Mapping[str, Any]], instructions: Sequence[Mapping[str, Any]], generator: str
) -> list[dict[str, str]]:
    """The first response to each instruction, in the evaluation set's order and the package's format.

    Args:
        responses: lines of generations.jsonl. instructions: entries with `instruction` and perhaps `dataset`.

    Returns:
        Mappings with dataset, instruction, output and generator.

    Raises:
        DatasetError: an instruction has no response.
    """
    known = {
        one["prompt"][0]["content"]: str(one["response"])
        for one in responses
        if one["sample"] == 0 and len(one["prompt"]) == 1
    }
    lacking = [one["instruction"] for one in instructions if one["instruction"] not in known]
    if lacking:
        raise DatasetError(
            f"{len(lacking)} of {len(instructions)} instructions have no response, the first: "
            f"{lacking[0][:60]!r}.",
            hint="Each must be the whole prompt of a line of generations.jsonl, as one message.",
        )
    return [
        {
            "dataset": str(one.get("dataset", "")),
            "instruction": one["instruction"],
            "output": known[one["instruction"]],
            "generator": generator,
        }
        for one in instructions
    ]


def places(annotations: Sequence[Mapping[str, Any]], instructions: Sequence[Mapping[str, Any]]) -> list[int]:
    """Each annotation's place in the evaluation set; an instruction that is there twice has two.

    Raises:
        DatasetError: an annotation is of no instruction of the set.
    """
    free: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(instructions):
        free[one["instruction"]].append(place)
    found = []
    for number, one in enumerate(annotations, 1):
        if not free.get(one["instruction"]):
            raise DatasetError(
                f"Annotation {number} is of an instruction that the evaluation set lacks, or has less often."
            )
        found.append(free[one["instruction"]].pop(0))
    return found


def difficulty(file: Path) -> Difficulty:
    """The package's instruction_difficulty.csv, or its df_gamed.csv, which has the gamed baselines as well.

    Raises:
        DatasetError: it is neither, or a difficulty is no number.
    """
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        gamed = bool(rows) and set(FEATURES) <= rows[0].keys()
        return _gamed(rows) if gamed else _plain(rows)
    except FileNotFoundError:
        raise DatasetError(f"There is no file {file}.", code="dataset_missing") from None
    except (OSError, ValueError, ArithmeticError, KeyError, TypeError, IndexError, csv.Error) as error:
        raise DatasetError(
            f"{file} is neither instruction_difficulty.csv nor df_gamed.csv of tatsu-lab/alpaca_eval: {error}"
        ) from error


def _plain(rows: Sequence[Mapping[str, str]]) -> Difficulty:
    if not rows or len(rows[0]) != 2:
        raise ValueError("two columns are needed, place and difficulty")
    index, value = rows[0]
    of = np.full(len(rows), np.nan)
    for row in rows:
        of[_place(row[index], len(rows))] = _finite(row[value])
    if np.isnan(of).any():
        raise ValueError(f"place {int(np.isnan(of).argmax())} is missing")
    return Difficulty(of, np.zeros((0, 3)), np.zeros(0))


def _place(text: str, count: int) -> int:
    place = int(float(text))
    if not 0 <= place < count:
        raise ValueError(f"there is a place {place}, and there are {count} rows")
    return place


def _finite(text: str) -> float:
    found = float(text)
    if not np.isfinite(found):
        raise ValueError(f"{text!r} is no finite number")
    return found


def _gamed(rows: Sequence[Mapping[str, str]]) -> Difficulty:
    first: dict[str, float] = {}
    for row in rows:
        first.setdefault(row["index"], _finite(row["instruction_difficulty"]))
    features = [
        (np.tanh(_finite(row["std_delta_len"])), _finite(row["instruction_difficulty"]), 0.0) for row in rows
    ]
    shares = [float(row["preference"] or "nan") for row in rows]
    return Difficulty(np.asarray(list(first.values())), np.asarray(features), np.asarray(shares))
