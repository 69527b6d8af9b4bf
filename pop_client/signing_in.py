"""Where `pop` gets its server and token from: the environment, or what `pop login` kept."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import typer

from pop_client.client import Client


def kept_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "pop" / "login.json"


def keep(url: str, token: str) -> None:
    """Readable by its owner alone."""
    file = kept_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({"url": url, "token": token}, out)
    file.chmod(0o600)


def secret(words: str) -> str:
    """Asked for without an echo; a pipe is read as it is."""
    if sys.stdin.isatty():
        return str(typer.prompt(words, hide_input=True))
    given = sys.stdin.readline().strip()
    if not given:
        raise typer.BadParameter(f"{words}: nothing came in.")
    return given


def client() -> Client:
    url, token = os.environ.get("POP_URL", ""), os.environ.get("POP_TOKEN", "")
    if not (url and token) and kept_file().is_file():
        # A token goes only to the server it was given for.
        url, token = _kept()
    if not (url and token):
        raise typer.BadParameter("Run `pop login URL` first, or set POP_URL and POP_TOKEN.")
    return Client(url, token)


def _kept() -> tuple[str, str]:
    try:
        kept = json.loads(kept_file().read_text())
        return kept["url"], kept["token"]
    except (ValueError, KeyError, TypeError):
        raise typer.BadParameter(f"{kept_file()} is damaged: run `pop login URL` again.") from None
