"""Which labels become rows of a frozen dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from annotation.errors import Invalid
from annotation.models import Project


@dataclass(frozen=True)
class FreezeOptions:
    """`max_rows_per_strong` None means all; `min_confidence` is a share of the votes, 0 … 1."""

    max_rows_per_strong: int | None = None
    min_confidence: float = 0.0

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def resolve(given: FreezeOptions | Mapping[str, object] | None, project: Project) -> FreezeOptions:
    """What a person chose, with the project's defaults: k rows a strong preference if iterative.

    Raises:
        Invalid: an unknown option or a value out of range.
    """
    if isinstance(given, FreezeOptions):
        chosen: dict[str, object] = given.as_json()
    else:
        default = project.k if project.strategy == "iterative" else None
        chosen = {"max_rows_per_strong": default, "min_confidence": 0.0, **(given or {})}
    most, least = chosen.pop("max_rows_per_strong"), chosen.pop("min_confidence")
    least = 0.0 if least is None else least
    errors = {name: ["There is no such option."] for name in chosen}
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        errors["max_rows_per_strong"] = ["A whole number of at least 1, or empty for all rows."]
    if (
        isinstance(least, bool)
        or not isinstance(least, (int, float))
        or not 0 <= least <= 1
        or math.isnan(least)
    ):
        errors["min_confidence"] = ["A number between 0 and 1."]
    if errors:
        raise Invalid("invalid_options", "The dataset cannot be frozen with these options.", errors)
    assert most is None or isinstance(most, int)  # noqa: S101 - narrows the type for mypy
    assert isinstance(least, (int, float))  # noqa: S101
    return FreezeOptions(most, float(least))
