"""Two engine processes on this machine (gloo), as a launcher starts them, but at once (see `warm`)."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engine.warm import Process

COUNT = 2


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def start(work: Callable[..., Any], *arguments: Any, folder: Path) -> list[Process]:
    """`work` in two processes. What they print is in `folder`, a file each; see `said`."""
    joined = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(COUNT)}
    return [
        Process(
            work,
            *arguments,
            said=folder / f"said-{rank}.txt",
            environment=joined | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(COUNT)
    ]


def ended(processes: list[Process], seconds: float = 150) -> list[int]:
    """Their exit codes, once all have ended."""
    found = []
    for one in processes:
        try:
            found.append(one.wait(seconds))
        except subprocess.TimeoutExpired:
            one.kill()
            found.append(one.wait())
    return found


def said(folder: Path) -> str:
    return "\n".join(file.read_text() for file in sorted(folder.glob("said-*.txt")))


def train(folder: str) -> int:
    """The engine's own command."""
    from training.engine import cli

    return cli.main(["train", folder])


def trained(folder: Path) -> None:
    """Train a run in two processes, to its end."""
    assert ended(start(train, str(folder), folder=folder)) == [0, 0], said(folder)
