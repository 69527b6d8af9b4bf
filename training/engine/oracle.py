"""A judge without weights: a reward over words, as a JSON file defines it. No torch here.

For worlds whose truth is known, as that of our study, and for tests. What a response is worth:

    Σ weight_i · scale · (1 − exp(−quality_i / saturation))   over the attributes that the prompt wants
    + avoided · words of attributes that the prompt wants avoided + Σ values of words
    + repeat · words that repeat the one before + off_length · |words − length| + unended, if it was cut

quality_i sums over the words of attribute i. Words are what stands between spaces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, ValidationError, model_validator

from training.engine.errors import ModelError, faults
from training.engine.evaluation_spec import Strict
from training.engine.records import Messages

FILE = "oracle.json"  # in a folder
UNUSABLE = "judge_unusable"


class OracleSpec(Strict):
    """What the file holds. What is left out counts for nothing; costs are negative."""

    judge: Literal["oracle"]
    attributes: dict[str, dict[str, FiniteFloat]] = Field(
        default_factory=dict,
        description="Of each attribute the words that speak of it, and how well each does.",
    )
    wanted: dict[str, str] = Field(
        default_factory=dict, description="The attribute that each of these words of a prompt asks for."
    )
    unwanted: dict[str, str] = Field(
        default_factory=dict, description="The attribute that each of these words of a prompt wants avoided."
    )
    weights: list[FiniteFloat] = Field(
        default_factory=list,
        description="Of the wanted attributes, in the order in which the prompt names them; further ones: 0.",
    )
    scale: FiniteFloat = 1.0
    saturation: float = Field(1.0, gt=0, allow_inf_nan=False)
    avoided: FiniteFloat = Field(0.0, description="A word of an attribute that is to be avoided.")
    values: dict[str, FiniteFloat] = Field(
        default_factory=dict, description="Words worth something anywhere."
    )
    repeat: FiniteFloat = Field(0.0, description="A word that is the one before it.")
    length: int = Field(0, ge=0, description="The best number of words.")
    off_length: FiniteFloat = Field(0.0, description="Each word more or less than that.")
    unended: FiniteFloat = Field(0.0, description="A response that was cut off.")

    @model_validator(mode="after")
    def attributes_are_there(self) -> Self:
        if unknown := {*self.wanted.values(), *self.unwanted.values()} - self.attributes.keys():
            raise ValueError(f"attributes has no {', '.join(sorted(unknown))}")
        return self


@dataclass(frozen=True)
class Oracle:
    """Gives rewards by a spec, to (prompt, response) or (prompt, response, whether it ended by itself)."""

    spec: OracleSpec
    done: Callable[[int], None] = lambda _: None
    ends: ClassVar[bool] = True  # see `duels.Judge`

    def __call__(self, conversations: Sequence[Any]) -> list[float]:
        """A reward for each."""
        found = [self.reward(*one) for one in conversations]
        self.done(len(found))
        return found

    def reward(self, prompt: Messages, response: str, ended: bool = True) -> float:
        """What one response is worth: see the module."""
        asked = list(dict.fromkeys(word for one in prompt for word in one["content"].split()))
        unwanted = {self.spec.unwanted[word] for word in asked if word in self.spec.unwanted}
        words = response.split()
        quality: dict[str, np.float64] = {}
        found = 0.0
        for word in words:
            found += self.spec.values.get(word, 0.0)
            for about, well in self._speaks.get(word, ()):
                quality[about] = quality.get(about, np.float64(0)) + well
                found += self.spec.avoided * (about in unwanted)
        wanted = [self.spec.wanted[word] for word in asked if word in self.spec.wanted]
        for about, weight in zip(wanted, self.spec.weights, strict=False):
            total = quality.get(about, np.float64(0))
            with np.errstate(over="ignore"):
                left = float(np.exp(-total / self.spec.saturation))
            found += weight * self.spec.scale * (1 - left)
        found += self.spec.repeat * sum(one == other for one, other in pairwise(words))
        found += self.spec.off_length * abs(len(words) - self.spec.length)
        return found + self.spec.unended * (not ended)

    def sha256(self) -> str:
        """What it is, whatever it is called."""
        told = json.dumps(self.spec.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    @cached_property
    def _speaks(self) -> dict[str, list[tuple[str, float]]]:
        """Of each word the attributes that it speaks of, and how well."""
        found: dict[str, list[tuple[str, float]]] = {}
        for about, words in self.spec.attributes.items():
            for word, well in words.items():
                found.setdefault(word, []).append((about, well))
        return found


def find(place: Path) -> Path | None:
    """The file of an oracle: a .json file itself, or `oracle.json` in a folder; None where there is none."""
    itself = [place] if place.suffix == ".json" else []
    with suppress(OSError):  # a name that no file can have
        return next((one for one in (*itself, place / FILE) if one.is_file()), None)
    return None


def read(file: Path, **options: Any) -> Oracle:
    """The oracle in a file; `options` are fields of Oracle.

    Raises:
        ModelError: it cannot be read, or is none.
    """
    try:
        return Oracle(OracleSpec.model_validate(json.loads(file.read_text(encoding="utf-8"))), **options)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read as JSON: {error}", code=UNUSABLE) from error
    except ValidationError as error:
        raise ModelError(
            f"{file} is no oracle. {faults(error)}",
            code=UNUSABLE,
            hint='An oracle begins with "judge": "oracle"; docs/evaluations.md says what else it holds.',
        ) from error
