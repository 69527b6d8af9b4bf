"""Two engine processes on this machine (gloo), as a launcher starts them, but at once.

They come from a server that has imported everything: what takes a launcher fifteen seconds takes none.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

COUNT = 2
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.engine.together", "training.engine.cli", "training.engine.runner"])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def start(work: Callable[..., Any], *arguments: Any, folder: Path) -> list[ForkServerProcess]:
    """`work` in two processes. What they print is in `folder`, a file each; see `said`."""
    joined = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(COUNT)}
    environment = {**os.environ, **joined, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    found = [
        _context.Process(target=_begin, args=(rank, environment, folder, work, arguments))
        for rank in range(COUNT)
    ]
    for one in found:
        one.start()
    return found


def _begin(
    rank: int, environment: dict[str, str], folder: Path, work: Callable[..., Any], given: Any
) -> None:
    os.environ.clear()
    os.environ.update(environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    out = os.open(folder / f"said-{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.exit(work(*given))


def ended(processes: list[ForkServerProcess], seconds: float = 150) -> list[int | None]:
    """Their exit codes, once all have ended."""
    for one in processes:
        one.join(seconds)
        if one.is_alive():
            one.kill()
            one.join()
    return [one.exitcode for one in processes]


def wait_until(condition: Callable[[], bool], one: ForkServerProcess, seconds: float = 120) -> None:
    """As `world.wait_until`, of a process of this module."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert one.exitcode is None
        assert time.monotonic() < deadline, "the condition did not come true in time"


def said(folder: Path) -> str:
    return "\n".join(file.read_text() for file in sorted(folder.glob("said-*.txt")))


def train(folder: str) -> int:
    """The engine's own command."""
    from training.engine import cli

    return cli.main(["train", folder])


def trained(folder: Path) -> None:
    """Train a run in two processes, to its end."""
    assert ended(start(train, str(folder), folder=folder)) == [0, 0], said(folder)
