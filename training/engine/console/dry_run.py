"""`pop-train train --dry-run`: what a run would take, in a dozen lines or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from training.engine import cli, forecast, recomputing
from training.engine.console import display, documents
from training.engine.console.units import BYTES, OPERATIONS, scaled
from training.engine.estimate import Batch, Counts, Memory
from training.engine.spec import RunSpec


def show(spec: RunSpec, folder: Path, *, as_json: bool) -> int:
    """Print the forecast of a run; the exit code.

    Raises:
        InputError: the dataset is at fault, as in the run itself.
    """
    ahead = forecast.forecast(spec, folder, display.Display().hear)
    if as_json:
        cli.say(json.dumps(ahead.as_json(), indent=2))
        return cli.FINISHED
    what = documents.called(spec)
    lines = [
        ("Run", f"{what} on {spec.model.base}{_parameters(ahead.parameters)}, into {folder}"),
        ("Data", _data(ahead.counts, spec)),
        ("Steps", _steps(ahead.batch, spec)),
        ("Cost", _cost(ahead, spec)),
    ]
    if ahead.tokens is not None:
        once = ahead.tokens.policy + ahead.tokens.target
        lines.append(("Tokens", f"{once:,} in an epoch, {ahead.tokens.longest:,} in the longest sequence"))
    if ahead.operations is not None:
        lines.append(("Operations", f"about {scaled(ahead.operations, OPERATIONS)}FLOP"))
    if ahead.memory is not None:
        lines += [("Memory", _memory(ahead.memory)), ("Disk", _disk(ahead.memory))]
    if ahead.gradient_checkpointing is not None:
        lines.append(("Activations", recomputing.said(ahead.gradient_checkpointing)))
    cli.say("\n".join(f"{name:11} {text}" for name, text in lines))
    for sentence in ahead.unknown:
        cli.say(sentence)
    return cli.FINISHED


def _parameters(count: int | None) -> str:
    return "" if count is None else f" ({count:,} parameters)"


def _data(counts: Counts, spec: RunSpec) -> str:
    heldout = f"{counts.heldout:,} held out"
    if spec.kind == "sft":
        return f"{counts.rows:,} chosen responses, {heldout}"
    weak = f" and {counts.weak:,} weak" if counts.weak else ""
    every = f", {counts.scored:,} preferences in all" if spec.kind == "preference" else ""
    return f"{counts.rows:,} training rows of {counts.strong:,} strong{weak} preferences{every}, {heldout}"


def _steps(batch: Batch, spec: RunSpec) -> str:
    epochs = spec.training.epochs
    rows, items = ("responses", "responses") if spec.kind == "sft" else ("rows", "preferences")
    early = "at most " if spec.kind == "reward_model" and spec.reward.patience else ""
    last = "" if batch.last_rows == batch.rows_per_step else f", the last of an epoch of {batch.last_rows}"
    return (
        f"{early}{batch.steps:,} in {epochs:g} epoch{'' if epochs == 1 else 's'}, each of "
        f"{batch.rows_per_step} {rows} (a forward pass: at most {batch.pass_preferences} {items}, "
        f"{batch.pass_tokens:,} tokens){last}"
    )


def _cost(ahead: forecast.Forecast, spec: RunSpec) -> str:
    cost = ahead.cost
    parts = {
        "policy" if spec.kind == "preference" else "training": cost.policy,
        forecast.weak_name(spec): cost.target,
        "reference": cost.reference,
        "evaluation": cost.evaluation,
    }
    shown = ", ".join(f"{name} {value:,.0f}" for name, value in parts.items() if value)
    return f"about {cost.total:,.0f} F (a sequence forward; backward counts 2): {shown}"


def _memory(memory: Memory) -> str:
    parts = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "moments": memory.moments,
        "target": memory.target,
        "activations about": memory.activations,
    }
    shown = ", ".join(f"{name} {scaled(value, BYTES)}" for name, value in parts.items() if value)
    return f"about {scaled(memory.total, BYTES)}: {shown}"


def _disk(memory: Memory) -> str:
    return (
        f"{scaled(memory.checkpoint, BYTES)} a checkpoint, {scaled(memory.model, BYTES)} the finished model"
    )
