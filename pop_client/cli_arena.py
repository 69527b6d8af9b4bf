"""`pop arena …`: people as judges of models, from a terminal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from pop_client import entries
from pop_client.models import ArenaAdded, ArenaResults, Rate
from pop_client.showing import Json, counted, finish, say
from pop_client.signing_in import client

app = typer.Typer(no_args_is_help=True, help="Arenas: people say which model is better.")
Responses = Annotated[
    Path | None,
    typer.Argument(
        exists=True, dir_okay=False, help="JSON lines, a JSON list or CSV: prompt, model, response."
    ),
]
Runs = Annotated[
    list[int] | None, typer.Option("--run", min=1, help="Instead of a file; as often as needed.")
]
Reference = Annotated[
    bool, typer.Option("--with-reference", help="With --run: the reference takes part too.")
]
Model = Annotated[str, typer.Option(help="Whose the responses are, where the file does not say.")]


class Listed(BaseModel):
    slug: str
    name: str
    state: str
    battles: int
    names_told: str
    role: str


class Placed(BaseModel):
    """A model's line in the table: shares in percent."""

    model: str
    score: str
    score_interval: str
    win_rate: str
    rate_interval: str
    votes: str


class Met(BaseModel):
    model: str
    against: str
    win_rate: str
    rate_interval: str
    votes: str


class Came(BaseModel):
    """What came of adding; `missing`: how many prompts have no response of a model."""

    new_models: str
    responses: int
    prompts: int
    missing: str
    known: int
    left_out: int
    battles: int


class Kept(BaseModel):
    file: str
    bytes: int


@app.command("list")
def list_(
    project: Annotated[str, typer.Option(help="Those that a run of this project takes part in.")] = "",
    as_json: Json = False,
) -> None:
    """The arenas you are in, newest first."""
    with client() as pop:
        found = pop.arenas(project or None)
    say(found if as_json else [Listed(**one.model_dump()) for one in found], as_json)


@app.command()
def make(
    responses: Responses = None,
    *,
    project: Annotated[str, typer.Option(help="The runs' project.")] = "",
    run: Runs = None,
    with_reference: Reference = False,
    name: Annotated[str, typer.Option(help="People who vote read it: name no model.")] = "",
    model: Model = "",
    question: Annotated[str, typer.Option(help="What is asked; which response is better.")] = "",
    guidelines: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A Markdown file.")
    ] = None,
    battles: Annotated[int | None, typer.Option(min=1, help="Comparisons to ask for; all if none.")] = None,
    votes: Annotated[int, typer.Option(min=1, max=25, help="A battle, by different people.")] = 1,
    lease_minutes: Annotated[int, typer.Option(min=1, help="How long a battle waits for its answer.")] = 15,
    names_told: Annotated[str, typer.Option(help="closed (when it is archived) or answered.")] = "closed",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the order of battles.")] = None,
    as_json: Json = False,
) -> None:
    """Make an arena of a file of responses, or of runs; you own it."""
    _check_origin(responses, project, run)
    settings: dict[str, Any] = {
        "battles": battles,
        "labels_per_comparison": votes,
        "lease_minutes": lease_minutes,
        "names_told": names_told,
        "seed": seed,
    }
    settings |= {"question": question} if question else {}
    settings |= {"guidelines": guidelines.read_text()} if guidelines else {}
    if responses and not name:
        raise typer.BadParameter("Give the arena a --name.")
    read = _read(responses, model) if responses else []
    with client() as pop:
        if responses:
            made = pop.make_arena(name, read, settings)
        else:
            made = pop.make_arena_of_runs(project, run or [], name, with_reference, settings)
    say([made], as_json)


@app.command()
def add(
    arena: str,
    responses: Responses = None,
    *,
    run: Runs = None,
    with_reference: Reference = False,
    model: Model = "",
    battles: Annotated[
        int | None, typer.Option(min=1, help="Comparisons to ask for now; the same share if none.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add another model, or more prompts, to an arena that is being voted in. Again, it changes nothing."""
    if (responses is None) == (not run):
        raise typer.BadParameter("Give a file of responses, or runs by --run.")
    read = _read(responses, model) if responses else []
    with client() as pop:
        if responses:
            done = pop.add_to_arena(arena, read, battles)
        else:
            done = pop.add_runs_to_arena(arena, run or [], with_reference, battles)
    say([done if as_json else _came(done)], as_json)


@app.command()
def results(arena: str, as_json: Json = False) -> None:
    """Scores and win rates with their 95 % intervals; every two models below. One object with --json."""
    with client() as pop:
        found = pop.arena_results(arena)
    if as_json:
        say([found], True)
        return
    typer.echo(_summary(found))
    say([_placed(one) for one in found.standings], False)
    if len(found.standings) > 2:
        say(_met(found), False)


@app.command()
def votes(
    arena: str,
    output: Annotated[Path, typer.Option("-o")],
    kind: Annotated[str, typer.Option("--format", help="csv: every answer; jsonl: the winners.")] = "csv",
    as_json: Json = False,
) -> None:
    """Download the votes: every answer as CSV, or battles with a winner as preferences."""
    with client() as pop, counted(output.name) as told:
        size = pop.arena_votes(arena, output, kind, told)
    say([Kept(file=str(output), bytes=size)], as_json)


@app.command()
def preferences(
    arena: str,
    into: Annotated[str, typer.Option(help="The project that they become preferences of.")],
    wait: bool = True,
    as_json: Json = False,
) -> None:
    """Import the battles with a winner into another project; Ctrl-C cancels the import."""
    with client() as pop:
        job = pop.arena_preferences(arena, into)
        again, cancel = partial(pop.get_import, job.id), partial(pop.cancel_import, job.id)
        finish(job, wait=wait, again=again, cancel=cancel, as_json=as_json)


@app.command()
def archive(
    arena: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Close it: answers stand from then on, and whoever voted is told which model wrote what."""
    if not yes:
        typer.confirm(
            "Whoever voted is told the names, and it cannot be opened again. Archive it?", abort=True
        )
    with client() as pop:
        say([pop.archive(arena)], as_json)


def _check_origin(responses: Path | None, project: str, run: list[int] | None) -> None:
    if (responses is None) == (not run):
        raise typer.BadParameter("Give a file of responses, or runs by --run.")
    if run and not project:
        raise typer.BadParameter("Say by --project whose runs these are.")


def _read(responses: Path, model: str) -> list[dict[str, Any]]:
    try:
        return entries.read(responses, model)
    except ValueError as error:  # of JSON and of UTF-8 too
        raise typer.BadParameter(f"{responses}: {error}.") from error


def _came(done: ArenaAdded) -> Came:
    missing = ", ".join(f"{one['model']} {one['missing']}" for one in done.models if one["missing"])
    told = done.model_dump(exclude={"new_models", "models"})
    return Came(new_models=", ".join(done.new_models), missing=missing, **told)


def _summary(found: ArenaResults) -> str:
    words = f"{found.battles} of {found.wanted} battles, {found.votes} answers: {found.neither} too close, "
    words += f"{found.cannot_judge} cannot judge."
    if found.groups > 1 and found.votes:
        words += " Some models never met, even through others: their scores cannot be compared."
    return words


def _placed(one: Any) -> Placed:
    unknown = one.score is None
    return Placed(
        model=one.model,
        score="" if unknown else f"{one.score:.0f}",
        score_interval="" if unknown else f"{_bound(one.low)} to {_bound(one.high)}",
        **_rate(one.rate),
    )


def _met(found: ArenaResults) -> list[Met]:
    """Every two models once, the better one first."""
    place = {one.model: number for number, one in enumerate(found.standings)}
    return [
        Met(model=one.model, against=rival.model, **_rate(rival))
        for one in found.standings
        for rival in one.against
        if place[one.model] < place[rival.model]
    ]


def _rate(rate: Rate) -> dict[str, str]:
    known = rate.value is not None and rate.low is not None and rate.high is not None
    return {
        "win_rate": f"{rate.value:.1%}" if known else "",
        "rate_interval": f"{rate.low:.1%} to {rate.high:.1%}" if known else "",
        "votes": f"{rate.votes:g}" if rate.votes.is_integer() else f"{rate.votes:.1f}",
    }


def _bound(value: float | None) -> str:
    return "no bound" if value is None else f"{value:.0f}"
