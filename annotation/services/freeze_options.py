"""Which labels become rows of a frozen dataset, and what is done with them on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields

from annotation import sampling
from annotation.consensus import RULES
from annotation.errors import Invalid
from annotation.models import Project

ALWAYS = ("max_rows_per_strong", "min_confidence")  # written down even when they are the defaults
MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class FreezeOptions:
    """docs/consensus.md says what each does. None switches an option off."""

    max_rows_per_strong: int | None = None
    min_confidence: float = 0.0
    consensus: str = "majority"
    include_ties: bool = False
    resplit_share: float | None = None
    resplit_seed: int = 0
    inferred_at_least: float | None = None
    inferred_per_strong: int = 2
    noise: float = 0.0
    noise_seed: int = 0

    @property
    def streams(self) -> bool:
        """Whether the database alone can choose the rows, so that none has to be held in memory."""
        return not (
            self.consensus != "majority"
            or self.include_ties
            or self.resplit_share is not None
            or self.inferred_at_least is not None
            or self.noise
        )

    def as_json(self) -> dict[str, object]:
        """What was chosen; options added later appear only where they are used, as in older datasets."""
        defaults = asdict(FreezeOptions())
        chosen = asdict(self).items()
        return {name: value for name, value in chosen if name in ALWAYS or value != defaults[name]}


def _whole(least: int, most: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(fits: Callable[[float], bool]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(float(value)) and fits(float(value))  # type: ignore[arg-type]

    return check


# What each option may be, and what is said otherwise.
CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "max_rows_per_strong": (_whole(1, MOST_SEED), "A whole number of at least 1, or empty for all rows."),
    "min_confidence": (_number(lambda x: 0 <= x <= 1), "A number between 0 and 1."),
    "consensus": (lambda value: isinstance(value, str) and value in RULES, f"One of {', '.join(RULES)}."),
    "include_ties": (lambda value: isinstance(value, bool), "Yes or no."),
    "resplit_share": (_number(lambda x: 0 < x <= 0.5), "Above 0 and at most .5, or empty."),
    "resplit_seed": (_whole(0, MOST_SEED), "A whole number of at least 0."),
    "inferred_at_least": (_number(lambda x: 0.5 < x < 1), "Between .5 and 1, or empty."),
    "inferred_per_strong": (_whole(1, 64), "A whole number between 1 and 64."),
    "noise": (_number(lambda x: 0 <= x <= 0.5), "A number between 0 and .5."),
    "noise_seed": (_whole(0, MOST_SEED), "A whole number of at least 0."),
}
NUMBERS = ("min_confidence", "resplit_share", "inferred_at_least", "noise")


def resolve(given: FreezeOptions | Mapping[str, object] | None, project: Project) -> FreezeOptions:
    """What a person chose, with the project's defaults: k rows a strong preference if iterative.

    None means the default; for the rows a strong preference it means all.

    Raises:
        Invalid: an unknown option or a value out of range.
    """
    asked = asdict(given) if isinstance(given, FreezeOptions) else dict(given or {})
    chosen: dict[str, object] = {one.name: one.default for one in fields(FreezeOptions)}
    chosen["max_rows_per_strong"] = project.k if sampling.strategy(project.strategy).anchored else None
    if "max_rows_per_strong" in asked:
        chosen["max_rows_per_strong"] = asked["max_rows_per_strong"]
    chosen |= {name: value for name, value in asked.items() if value is not None}
    errors = {name: ["There is no such option."] for name in chosen if name not in CHECKS}
    for name, (fits, words) in CHECKS.items():
        if chosen[name] is not None and not fits(chosen[name]):
            errors[name] = [words]
    if errors:
        raise Invalid("invalid_options", "The dataset cannot be frozen with these options.", errors)
    numbers = {name: float(chosen[name]) for name in NUMBERS if chosen[name] is not None}  # type: ignore[arg-type]
    return FreezeOptions(**{**chosen, **numbers})  # type: ignore[arg-type]
