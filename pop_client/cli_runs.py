"""`pop runs …`: training runs from a terminal."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from pop_client.client import Client
from pop_client.showing import Json, counted, finish, say
from pop_client.signing_in import client

app = typer.Typer(no_args_is_help=True, help="Training runs.")


FIGURES = (
    "win_rate",
    "standard_error",
    "discrete_win_rate",
    "length_controlled_win_rate",
    "length_controlled_standard_error",
)


class Figure(BaseModel):
    name: str
    value: float


class Log(BaseModel):
    log: str


@app.command("list")
def list_(project: str, as_json: Json = False) -> None:
    """A project's runs, newest first."""
    with client() as pop:
        say(pop.runs(project), as_json)


class Named(BaseModel):
    name: str
    title: str
    summary: str


@app.command()
def presets(as_json: Json = False) -> None:
    """What --preset takes; with --json each has its whole spec, to change and send by --spec."""
    with client() as pop:
        found = pop.presets()
    say(found if as_json else [Named(**one.model_dump(exclude={"spec"})) for one in found], as_json)


@app.command()
def start(
    dataset: int,
    *,
    spec: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A JSON file.")] = None,
    preset: Annotated[str, typer.Option(help="Instead of a file: one of `pop runs presets`.")] = "",
    base_run: Annotated[int | None, typer.Option(min=1, help="Start from this finished run's model.")] = None,
    reward_model_run: Annotated[
        int | None, typer.Option(min=1, help="Read the margins of this finished reward-model run.")
    ] = None,
    name: str = "",
    wait: bool = False,
    as_json: Json = False,
) -> None:
    """Queue a run on a frozen dataset. With --wait, Ctrl-C cancels it: it writes a checkpoint first."""
    if spec and preset:
        raise typer.BadParameter("Give --spec or --preset, not both.")
    wanted = _read(spec) if spec else {}
    with client() as pop:
        if preset:
            wanted = _preset(pop, preset)
        run = pop.start_run(dataset, wanted, name, base_run=base_run, reward_model_run=reward_model_run)
        again, cancel = partial(pop.run, run.id), partial(pop.cancel_run, run.id)
        finish(run, wait=wait, again=again, cancel=cancel, as_json=as_json)


@app.command()
def evaluate(
    run: int,
    *,
    checkpoint: Annotated[
        int | None, typer.Option(min=1, help="Of this step, not the finished model.")
    ] = None,
    dataset: Annotated[
        int | None, typer.Option(min=1, help="A frozen dataset; the run's own if none.")
    ] = None,
    split: Annotated[str, typer.Option(help="heldout, train or all.")] = "heldout",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the intervals.")] = None,
    spec: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSON: what of `evaluation` is to be another."),
    ] = None,
    name: str = "",
    wait: bool = False,
    as_json: Json = False,
) -> None:
    """Evaluate a run that has ended once more; what is left out is as that run had it. Trains nothing."""
    subject = {"checkpoint": checkpoint, "split": split, "seed": seed}
    with client() as pop:
        made = pop.evaluate_run(
            run, dataset_id=dataset, subject=subject, evaluation=_read(spec) if spec else None, name=name
        )
        again, cancel = partial(pop.run, made.id), partial(pop.cancel_run, made.id)
        finish(made, wait=wait, again=again, cancel=cancel, as_json=as_json)


@app.command("alpaca-eval")
def alpaca_eval(
    run: int, annotations: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], as_json: Json = False
) -> None:
    """AlpacaEval's win rates of a run's outputs, from its judge's annotations.json; the server keeps them."""
    with client() as pop:
        found = pop.add_annotations(run, annotations)
    result = found.result
    figures = [Figure(name=name, value=result[name]) for name in FIGURES if result.get(name) is not None]
    say([found] if as_json else figures, as_json)
    if not as_json:
        typer.echo("\n".join(result.get("remarks", [])))


def _read(spec: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(spec.read_text())
    except ValueError as error:
        raise typer.BadParameter(f"{spec} is not JSON: {error}") from error
    return found


def _preset(pop: Client, name: str) -> dict[str, Any]:
    known = {one.name: one.spec for one in pop.presets()}
    if name not in known:
        raise typer.BadParameter(f"There is no preset {name}: choose one of {', '.join(known)}.")
    return known[name]


@app.command()
def show(run: int, as_json: Json = False) -> None:
    """Where a run stands."""
    with client() as pop:
        say([pop.run(run)], as_json)


@app.command()
def cancel(run: int, as_json: Json = False) -> None:
    """Stop a run; it writes a checkpoint first."""
    with client() as pop:
        say([pop.cancel_run(run)], as_json)


@app.command()
def resume(run: int, as_json: Json = False) -> None:
    """Queue a cancelled or failed run again, from its last checkpoint."""
    with client() as pop:
        say([pop.resume_run(run)], as_json)


@app.command()
def log(run: int, lines: Annotated[int, typer.Option(min=1, max=5000)] = 200, as_json: Json = False) -> None:
    """The last lines the engine wrote."""
    with client() as pop:
        text = pop.run_log(run, lines)
    if as_json:
        say([Log(log=text)], True)
    else:
        typer.echo(text)


@app.command()
def download(run: int, output: Annotated[Path, typer.Option("-o")], as_json: Json = False) -> None:
    """Download the trained model as a tar."""
    with client() as pop, counted(output.name) as told:
        pop.download_model(run, output, told)
        say([pop.run(run)], as_json)
