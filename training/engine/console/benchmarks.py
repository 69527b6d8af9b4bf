"""`pop-train rewardbench`, `alpaca-eval`, `alpaca-outputs`: tables for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.engine import cli
from training.engine.benchmarks import outputs, pairs
from training.engine.console import alpaca, display, documents, evaluating, folders
from training.engine.errors import DatasetError, SpecError
from training.engine.evaluations import alpaca_eval as rates
from training.engine.evaluations import duels


def rewardbench(given: argparse.Namespace) -> int:
    """Score the benchmark's prompts, write the JSON and every prompt's scores beside it; the exit code.

    Raises:
        EngineError: the model, its reference or the data is at fault.
    """
    from training.engine.benchmarks import scoring

    subject = evaluating.of_run(given.model, reference=given.reference) or _stranger(given)
    folders.ready(given.out)
    read = pairs.read(given.data)
    shown = display.Display()
    result, scores = scoring.evaluate(
        subject, read, compat=given.compat, max_length=given.max_length, hear=shown.hear
    )
    shown.close()
    file = given.out or _file(subject)
    folders.write(file, json.dumps({"data": given.data} | result, indent=2, ensure_ascii=False) + "\n")
    each = file.with_suffix(".scores.jsonl")
    rows = zip(read.ids, read.subsets, scores.tolist(), strict=True)
    folders.write(each, "".join(_line(*row) for row in rows))
    cli.say(json.dumps(result, indent=2, ensure_ascii=False) if given.json else table(result["rewardbench"]))
    display.say(f"Written to {file}, each prompt's scores to {each}")
    return cli.FINISHED


def alpaca_eval(given: argparse.Namespace) -> int:
    """Win rates from a judge's annotations; the exit code.

    Raises:
        DatasetError: a file is at fault.
    """
    annotations = outputs.read(given.annotations, rates.PARTS)
    places = None
    if given.instructions is not None:
        places = outputs.places(annotations, outputs.read(given.instructions, ("instruction",)))
    result = rates.summary(
        annotations,
        difficulty=None if given.difficulty is None else outputs.difficulty(given.difficulty),
        places=places,
        generator=given.generator,
    )
    if given.out is not None:
        folders.write(given.out, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    cli.say(json.dumps(result, indent=2, ensure_ascii=False) if given.json else alpaca.table(result))
    return cli.FINISHED


def alpaca_outputs(given: argparse.Namespace) -> int:
    """What a model wrote or writes now, as AlpacaEval takes it; the exit code.

    Raises:
        EngineError: a file or the model is at fault, or an instruction has no response.
    """
    instructions = outputs.read(given.instructions, ("instruction",))
    folders.ready(given.out)
    found = outputs.written(_responses(given, instructions), instructions, given.generator)
    folders.write(given.out, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    cli.say(f"{len(found)} outputs are in {given.out}")
    return cli.FINISHED


def _responses(given: argparse.Namespace, instructions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of a generations.jsonl, or what the model in a folder answers now."""
    file = Path(given.source)
    if file.is_file():
        try:
            return duels.read(file.read_text(encoding="utf-8"), ids=False)
        except OSError as error:
            raise DatasetError(f"{file} cannot be read: {error}") from error
        except ValueError as error:
            raise DatasetError(
                f"{file} is no generations.jsonl: {error}.",
                hint="Name a run's folder, a model, or what a run wrote to its generations.jsonl.",
            ) from error
    from training.engine import reevaluation
    from training.engine.benchmarks import answering

    typed = {name: getattr(given, name) for name in ("temperature", "top_p", "max_new_tokens", "seed")}
    shown = display.Display()
    found = answering.answers(
        reevaluation.find(given.source) or _anybody(given.source),
        [one["instruction"] for one in instructions],
        asking={name: value for name, value in typed.items() if value is not None},
        hear=shown.hear,
    )
    shown.close()
    return found


def _anybody(model: str) -> Any:
    """A model of no run."""
    from training.engine.reevaluation import Subject

    return Subject(model, documents.spec({"model": {"base": model}, "method": {"slug": "dpo"}}))


def table(found: dict[str, Any]) -> str:
    """The benchmark's numbers in aligned columns, remarks below."""
    overall = [(name, found[name], found[f"{name}_interval"], "") for name in ("leaderboard", "micro")]
    sections = [
        (name, one["accuracy"], one["interval"], str(one["n"])) for name, one in found["sections"].items()
    ]
    subsets = [
        (f"  {row['subset']}", row["accuracy"], (row["low"], row["high"]), str(row["n"]))
        for row in found["subsets"]
    ]
    lines = [*overall, *sections, *subsets]
    width = max(len(name) for name, *_ in lines)
    shown = [f"{name:{width}}  {_figure(share, around)}  {n:>5}".rstrip() for name, share, around, n in lines]
    return "\n".join([*shown, *found["remarks"]])


def _figure(share: float | None, around: Sequence[float] | None) -> str:
    """A share with its 95% interval."""
    if share is None or around is None:
        return f"{'–':>6}{'':18}"
    return f"{share:.4f}  {around[0]:.4f}–{around[1]:.4f} "


def _stranger(given: argparse.Namespace) -> Any:
    from training.engine.reevaluation import Subject

    if given.reference is None:
        raise SpecError(
            f"{given.model} is not the folder of a run or of one of its models.",
            hint="For any other model name --reference (what it was trained from).",
        )
    document = documents.given({"method": "dpo", "base": given.reference, "dataset": "dataset"}, "dpo")
    return Subject(given.model, documents.spec(documents.anchored(document, Path.cwd())))


def _file(subject: Any) -> Path:
    name = f"rewardbench-{Path(subject.model).name}.json"
    return Path(name) if subject.run_dir is None else Path(subject.run_dir) / "evaluations" / name


def _line(name: str, subset: str, scores: list[float]) -> str:
    chosen, rejected = (one if math.isfinite(one) else None for one in scores)  # JSON has no NaN
    record = {"id": name, "subset": subset, "score_chosen": chosen, "score_rejected": rejected}
    return json.dumps(record, ensure_ascii=False) + "\n"
