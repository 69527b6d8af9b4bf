"""Whether a run and the one that it is judged against answer the same prompts: asked before it is queued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from annotation.errors import DomainError
from annotation.exports.canonical import PREFERENCES
from annotation.exports.source import Source, table
from annotation.models import PopDataset, User
from annotation.selectors import datasets
from training import artifacts, lineage
from training.engine.evaluations.duels import FEWEST, prompt_id
from training.engine.spec import RunSpec
from training.errors import Invalid
from training.models import Run
from training.services import sources

SPLITS = {
    "heldout": ("held-out split", {"heldout"}),
    "train": ("training split", {"train"}),
    "all": ("preferences", {"heldout", "train"}),
}


def check(dataset: PopDataset, spec: RunSpec, by: User) -> None:
    """The other run's responses are to enough of the prompts that this one will answer.

    Files are read only where datasets, splits or numbers of prompts differ; of files that are gone or
    broken the worker tells.

    Raises:
        Invalid: they are not; it names the data that the other run's responses are of.
    """
    run_id = lineage.named(spec.evaluation.against)
    rows = sources.usable(dataset.project, lineage.AGAINST, by).filter(pk=run_id or 0)
    against, count = rows.select_related("dataset__project").first(), spec.evaluation.generation.prompts
    if against is None:
        return
    split, theirs = _split(spec.model_dump(include={"kind", "subject"})), _split(against.spec)
    written = against.spec.get("evaluation", {}).get("generation", {}).get("prompts", 0)
    if _alike(dataset, split, against.dataset, theirs) and written >= FEWEST * count:
        return
    answered, asked = _answered(against), _asked(dataset, split, count)
    shared = len(answered & asked)
    if answered and shared < FEWEST * len(asked):
        message = (
            f"“{against}” wrote {len(answered):,} responses to prompts of the {SPLITS[theirs][0]} of "
            f"“{against.dataset}”: it answered {shared:,} of the {len(asked):,} prompts of this run, the "
            f"{SPLITS[split][0]} of “{dataset}”. Choose that split and dataset, and as many prompts, or be "
            "judged against another run."
        )
        raise Invalid("prompts_differ", message, {"evaluation.against": [message]})


def _split(spec: Mapping[str, Any]) -> str:
    """What a run answers prompts of."""
    return str(spec["subject"]["split"]) if spec.get("kind") == "evaluation" else "heldout"


def _alike(one: PopDataset, split: str, other: PopDataset, its: str) -> bool:
    """Whether two splits are known to have the same prompts."""
    if split != its:
        return False
    held = one.manifest.get("heldout_sha256")
    same_held = held is not None and held == other.manifest.get("heldout_sha256")
    return one.sha256 == other.sha256 or (split == "heldout" and same_held)


def _answered(run: Run) -> set[str]:
    """The prompts that a run wrote responses to; none where its file is gone or broken."""
    there = artifacts.find(run.pk, artifacts.RESPONSES)
    if there is None:
        return set()
    with there.open() as source:
        try:
            return {name for line in source if (name := json.loads(line).get("prompt_id"))}
        except (AttributeError, ValueError):
            return set()


def _asked(dataset: PopDataset, split: str, count: int) -> set[str]:
    """The prompts that a run on a split answers, as the engine takes them; none where files are gone."""
    source = Source(lambda name: datasets.open_file(dataset, name))
    try:
        found = {
            prompt_id(one["prompt"])
            for one in table(source, PREFERENCES, ["prompt", "split"])
            if one["split"] in SPLITS[split][1]
        }
    except DomainError:
        return set()
    return set(sorted(found)[:count])
