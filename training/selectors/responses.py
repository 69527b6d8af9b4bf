"""What a run's model wrote to held-out prompts, beside its reference's: read from the run's files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from training import artifacts, rules
from training.artifacts import Artifact
from training.errors import NotFound
from training.models import Run

if TYPE_CHECKING:
    from annotation.rules import Person


@dataclass(frozen=True)
class Written:
    """A response. `log_ratio`: log π(y) − log π_ref(y), nats; None where one of the two is not known."""

    text: str
    tokens: int
    cut: bool
    log_ratio: float | None


@dataclass
class Answered:
    """A prompt, the model's responses to it, and the reference's where it wrote some."""

    prompt: Any
    ours: list[Written] = field(default_factory=list)
    theirs: list[Written] = field(default_factory=list)


def file(user: Person, run: Run) -> Artifact:
    """generations.jsonl.

    Raises:
        NotFound: the run wrote no responses, or they are gone.
    """
    rules.check_see(user, run)
    found = artifacts.find(run.pk, artifacts.RESPONSES)
    if found is None:
        raise NotFound("no_responses", "This run wrote no responses.")
    return found


def count(user: Person, run: Run) -> int:
    """How many responses the run's model wrote."""
    rules.check_see(user, run)
    there = artifacts.find(run.pk, artifacts.RESPONSES)
    if there is None:
        return 0
    with there.open() as source:
        return sum(1 for _ in source)


def answered(user: Person, run: Run) -> list[Answered]:
    """Every prompt with its responses, in the files' order; [] where nothing was written."""
    rules.check_see(user, run)
    found: dict[str, Answered] = {}
    for line in _lines(run.pk, artifacts.RESPONSES):
        found.setdefault(line["prompt_id"], Answered(line["prompt"])).ours.append(_written(line))
    for line in _lines(run.pk, artifacts.REFERENCE_RESPONSES):
        if line["prompt_id"] in found:
            found[line["prompt_id"]].theirs.append(_written(line))
    return list(found.values())


def _lines(run_id: int, name: str) -> Iterator[dict[str, Any]]:
    there = artifacts.find(run_id, name)
    if there is None:
        return
    with there.open() as source:
        for line in source:
            yield json.loads(line)


def _written(line: Mapping[str, Any]) -> Written:
    policy, reference = line.get("logp"), line.get("reference_logp")
    return Written(
        text=line["response"],
        tokens=len(line["tokens"]),
        cut=line["ended"] == "length",
        log_ratio=None if policy is None or reference is None else policy - reference,
    )
