"""`pop-train evaluate`: a table for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from training.engine import cli
from training.engine.console import display, documents, folders
from training.engine.errors import SpecError

# Flags of sampling, and what the spec calls them.
SAMPLING = {
    "generate": "prompts",
    "samples": "samples",
    "temperature": "temperature",
    "top_p": "top_p",
    "max_new_tokens": "max_new_tokens",
    "seed": "seed",
}


def evaluate(given: argparse.Namespace) -> int:
    """Evaluate what was named and write the JSON; the exit code.

    Raises:
        EngineError: the model, its reference or the dataset is at fault.
    """
    from training.engine import reevaluation

    told = {"reference": given.reference, "beta": given.beta, "max_length": given.max_length}
    subject = of_run(given.model, **told) or stranger(given)
    folders.ready(given.out)
    shown = display.Display()
    data = given.dataset or subject.data or Path("dataset")
    file = given.out or _file(subject, data, given.split)
    result = reevaluation.evaluate(
        subject,
        dataset=given.dataset,
        split=given.split,
        names=given.evaluations.split(",") if given.evaluations else None,
        asking=asked(given),
        hear=shown.hear,
        written=file.with_suffix(".generations.jsonl"),
    )
    shown.close()
    folders.write(file, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    cli.say(
        json.dumps(result, indent=2, ensure_ascii=False) if given.json else display.table(result["results"])
    )
    display.say(f"Written to {file}")
    return cli.FINISHED


def of_run(model: str, **typed: Any) -> Any:
    """The subject that a run's folder, its model or one of its checkpoints is; None for other models.

    Args:
        typed: what its run says, by its flag; None: it was not typed.

    Raises:
        SpecError: something was typed that would count for nothing, or see `reevaluation.find`.
    """
    from training.engine import reevaluation

    subject = reevaluation.find(model)
    flags = [f"--{name.replace('_', '-')}" for name, value in typed.items() if value is not None]
    if subject is not None and flags:
        raise SpecError(
            f"{model} is of a run, whose spec says what {' and '.join(flags)} would.",
            hint="Leave that out; a copy of the model outside the run's folder can be held against anything.",
        )
    return subject


def stranger(given: argparse.Namespace) -> Any:
    """A model of no run: its reference, β and length are what was typed, or the defaults.

    Raises:
        SpecError: no reference or no dataset is named.
    """
    from training.engine.reevaluation import Subject

    if given.reference is None or given.dataset is None:
        raise SpecError(
            f"{given.model} is not the folder of a run or of one of its models.",
            hint="For any other model name --reference (what it was trained from) and --dataset.",
        )
    typed = {"base": given.reference, "beta": given.beta, "max_length": given.max_length}
    chosen = {name: value for name, value in typed.items() if value is not None}
    document = documents.anchored(documents.given({"method": "dpo"} | chosen, "dpo"), Path.cwd())
    return Subject(given.model, documents.spec(document))


def asked(given: argparse.Namespace) -> dict[str, Any]:
    """What was typed of responses and judges, as `evaluation` of a spec has it."""
    typed = {name: getattr(given, name) for name in SAMPLING}
    generation = {SAMPLING[name]: value for name, value in typed.items() if value is not None}
    found: dict[str, Any] = {"generation": generation} if generation else {}
    found |= {name: text for name in ("judge", "against") if (text := getattr(given, name)) is not None}
    section: dict[str, Any] = documents.anchored({"evaluation": found}, Path.cwd())["evaluation"]
    return section


def _file(subject: Any, dataset: Path, split: str) -> Path:
    """Beside the run's other results, named by what was evaluated on what; else in the present folder."""
    if subject.run_dir is None:
        return Path("evaluation.json")
    name = f"{Path(subject.model).name}-{dataset.stem}-{split}.json"
    return Path(subject.run_dir) / "evaluations" / name
