"""How a run spec names other runs: `run:ID` as base model, judge, what is evaluated. No database here."""

from __future__ import annotations

import copy
import re
from typing import Any

AGAINST = "against"
SUBJECT = "subject"
_REFERENCE = re.compile(r"run:([1-9][0-9]{0,17})")
# Where each role stands in a spec, by section and field.
PLACES = {
    "base": ("model", "base"),
    "reward_model": ("method", "reward_model"),
    "judge": ("evaluation", "judge"),
    AGAINST: ("evaluation", "against"),
    SUBJECT: ("subject", "run"),
}
# The kinds of run whose model (of `against`: whose responses) can have the role.
KINDS = {
    "base": ("sft", "preference"),
    "reward_model": ("reward_model",),
    "judge": ("reward_model",),
    AGAINST: ("sft", "preference", "evaluation"),
    SUBJECT: ("sft", "preference", "reward_model"),
}
# Roles that a run of another project can have, if whoever launches manages that one too.
ELSEWHERE = ("reward_model", "judge", AGAINST)
_KEPT_APART = {AGAINST: "-responses", SUBJECT: "-whole"}


def reference(run_id: int) -> str:
    """How a spec names a run."""
    return f"run:{run_id}"


def named(text: str | None) -> int | None:
    """The id in `run:ID`; None for anything else."""
    found = _REFERENCE.fullmatch(text or "")
    return int(found[1]) if found else None


def sources(spec: dict[str, Any]) -> dict[str, int]:
    """The ids of the runs that a whole spec names, by role."""
    given = {role: named((spec.get(part) or {}).get(field)) for role, (part, field) in PLACES.items()}
    return {role: run_id for role, run_id in given.items() if run_id is not None}


def folder_name(run_id: int, role: str = "") -> str:
    """Where a source's model or responses (of a subject: all it was) lie, below the folder of who uses it."""
    return f"sources/run-{run_id}{_KEPT_APART.get(role, '')}"


def with_folders(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as the engine reads it: folders in the place of ids."""
    made = copy.deepcopy(spec)
    for role, run_id in sources(spec).items():
        part, field = PLACES[role]
        made[part][field] = folder_name(run_id, role)
    return made


def with_sources(spec: dict[str, Any], given: dict[str, int | None]) -> dict[str, Any]:
    """A spec as somebody sent it, with the runs that were given beside it."""
    made = dict(spec)
    for role, run_id in given.items():
        part, field = PLACES[role]
        section = made.get(part, {})
        if run_id is not None and isinstance(section, dict):  # what is no section is refused later, in words
            made[part] = {**section, field: reference(run_id)}
    return made
