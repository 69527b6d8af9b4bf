"""`pop`: the API from a terminal. POP_URL and POP_TOKEN, or what `pop login` kept, say where and as whom."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from pop_client import cli_arena, cli_runs
from pop_client.client import Client, check_hash
from pop_client.errors import ApiError, Unreachable, WrongHash
from pop_client.models import Push
from pop_client.showing import ENDED, GOOD, POLL_SECONDS, Json, counted, finish, say
from pop_client.signing_in import client, keep, secret

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(cli_arena.app, name="arena")
app.add_typer(cli_runs.app, name="runs")


def main() -> None:
    """Exit 1 when the server refuses or a file fails, 2 for wrong arguments, 3 without one, 130: Ctrl-C."""
    try:
        app()
    except (ApiError, WrongHash, ValidationError, OSError) as error:  # OSError: of a file here
        typer.echo(str(error), err=True)
        sys.exit(1)
    except UnicodeEncodeError:
        typer.echo("The token has a character that no token has: copy it again.", err=True)
        sys.exit(2)
    except Unreachable as error:
        typer.echo(str(error), err=True)
        sys.exit(3)


@app.command()
def login(
    url: str,
    token: Annotated[str, typer.Option(help="Asked for, or read from a pipe, when it is not given.")] = "",
    as_json: Json = False,
) -> None:
    """Try a token and keep it, readable by you alone."""
    token = token or secret("Token")
    with Client(url, token) as pop:
        me = pop.me()
    keep(url, token)
    say([me], as_json)


@app.command()
def projects(as_json: Json = False) -> None:
    """Your projects."""
    with client() as pop:
        say(pop.projects(), as_json)


@app.command()
def progress(project: str, as_json: Json = False) -> None:
    """How far the labelling is."""
    with client() as pop:
        say([pop.progress(project)], as_json)


@app.command("import")
def import_(  # noqa: PLR0917 - arguments of a command line
    project: str,
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False)] = None,
    hub: Annotated[str, typer.Option(help="Instead of a file: `org/name` on the Hugging Face Hub.")] = "",
    config: Annotated[str, typer.Option(help="Of the data set on the Hub, where it has several.")] = "",
    split: Annotated[str, typer.Option(help="Of the data set on the Hub.")] = "train",
    limit: Annotated[int | None, typer.Option(min=1, help="Rows to take from the Hub.")] = None,
    wait: bool = True,
    as_json: Json = False,
) -> None:
    """Import preferences and wait for the end; Ctrl-C cancels the import (what it stored stays)."""
    if (file is None) == (not hub):
        raise typer.BadParameter("Give a file, or --hub with the name of a data set.")
    with client() as pop:
        job = pop.import_file(project, file) if file else pop.import_hub(project, hub, config, split, limit)
        again, cancel = partial(pop.get_import, job.id), partial(pop.cancel_import, job.id)
        finish(job, wait=wait, again=again, cancel=cancel, as_json=as_json)


@app.command()
def freeze(
    project: str,
    name: str = "",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-O", metavar="NAME=VALUE", help="As often as needed.")
    ] = None,
    wait: bool = False,
    as_json: Json = False,
) -> None:
    """Freeze the labels into a dataset. With --wait, Ctrl-C cancels the freeze."""
    with client() as pop:
        made = pop.freeze(project, name, pairs(option or []))
        again, cancel = partial(pop.dataset, made.id), partial(pop.cancel_dataset, made.id)
        finish(made, wait=wait, again=again, cancel=cancel, as_json=as_json)


@app.command()
def datasets(project: str, as_json: Json = False) -> None:
    """A project's datasets, newest first."""
    with client() as pop:
        say(pop.datasets(project), as_json)


@app.command()
def download(
    dataset: int,
    output: Annotated[Path, typer.Option("-o")],
    kind: Annotated[str, typer.Option("--format", help="As the API's `formats/` lists them.")] = "jsonl",
    as_json: Json = False,
) -> None:
    """Download a dataset into a file. The canonical form is hashed again before it gets its name."""
    with client() as pop, counted(output.name) as told:
        pop.download(dataset, output, kind, told)
        say([pop.dataset(dataset)], as_json)


@app.command()
def push(
    dataset: int,
    repo_id: Annotated[str, typer.Argument(metavar="OWNER/NAME")],
    hub_token: Annotated[str, typer.Option(envvar="HF_TOKEN", help="Else it is asked for.")] = "",
    private: Annotated[bool, typer.Option("--private/--public")] = True,
    as_json: Json = False,
) -> None:
    """Push a dataset to the Hugging Face Hub and wait for the end; the server's worker does it."""
    hub_token = hub_token or str(typer.prompt("Hub token", hide_input=True))
    with client() as pop:
        made = pop.push(dataset, repo_id, hub_token, private)
        await_push(pop, dataset, made, as_json)


@app.command()
def verify(dataset: int, file: Path, as_json: Json = False) -> None:
    """Hash a canonical download again and compare it with what the server froze."""
    with client() as pop:
        frozen = pop.dataset(dataset)
    check_hash(file, frozen.sha256)
    say([frozen], as_json)


def await_push(pop: Client, dataset: int, made: Push, as_json: bool) -> None:
    """Exit 1 unless it ends well. Ctrl-C only stops the waiting."""
    while made.state not in ENDED:
        time.sleep(POLL_SECONDS)
        made = pop.get_push(dataset, made.id)
    say([made], as_json)
    if made.state not in GOOD:
        raise typer.Exit(1)


def pairs(given: list[str]) -> dict[str, Any]:
    """`name=value` pairs; a value that is JSON is that, any other a text. The server says what it knows."""
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
