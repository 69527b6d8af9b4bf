"""Engine processes that start at once: forked from a server that has imported what the engine imports.

A process of its own as any other, to be killed and resumed; only the seconds of importing are shared.
What a cold start needs is tested where nothing is warm: test_cli.py, tests/contracts/test_alone.py.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.engine.warm", "training.engine.cli", "training.engine.runner"])
ALWAYS = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


class Process:
    """A process that does `work`, with as much of `subprocess.Popen` as tests want.

    What it prints goes to `said`, or to `outputs`: the files for stdout and stderr.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        *given: Any,
        said: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        outputs: tuple[str, str] | None = None,
    ) -> None:
        self.said = said
        told = {**os.environ, **ALWAYS, **(environment or {})}
        outputs = outputs or (str(said), str(said))
        self._process = context.Process(
            target=_begin, args=(told, str(folder or Path.cwd()), outputs, work, given)
        )
        self._process.start()

    def poll(self) -> int | None:
        """Its exit status, if it has ended; that of a killed one is the signal, negative."""
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        """Its exit status, once it has ended."""
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("a warm process", seconds or 0)
        return code

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def read(self) -> str:
        """What it has printed so far."""
        return self.said.read_text() if self.said.exists() else ""


def wait_until(condition: Callable[[], bool], process: Process, seconds: float = 120) -> None:
    """Poll a real condition until it holds; fail if the process ends or time runs out first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.read()
        assert time.monotonic() < deadline, "the condition did not come true in time"


def _begin(
    environment: dict[str, str], folder: str, outputs: tuple[str, str], work: Callable[..., Any], given: Any
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for place, name in enumerate(outputs, start=1):
        out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, place)
        os.close(out)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(work(*given))


def engine(*words: str, said: Path) -> Process:
    """`python -m training.engine WORDS`."""
    return Process(module, "training.engine", words, said=said)


def module(name: str, words: Sequence[str]) -> None:
    """As `python -m NAME WORDS`."""
    sys.argv = [name, *words]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def program(text: str) -> None:
    """As `python -c TEXT`."""
    exec(compile(text, "<block>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the blocks of our own pages


CLIENT = """\
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = dict(pid=os.getpid(), words=sys.argv[1:], folder=os.getcwd(), environment=dict(os.environ))
    server.sendall(json.dumps(asked).encode() + b"\\n")
    sys.exit(int(server.makefile().readline()))
"""


@contextmanager
def command(file: Path, name: str = "") -> Iterator[None]:
    """While it lasts, `file` is a command that does `python -m NAME` in warm processes.

    Without a name it is `python` itself, for `-m` only.
    """
    address = str(file.with_suffix(".socket"))
    client = file.with_suffix(".client")
    client.write_text(CLIENT.format(address=address))
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{client}" "$@"\n')
    file.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        threading.Thread(target=_serve, args=(server, name, file), daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, name: str, file: Path) -> None:
    while True:
        try:
            caller, _ = server.accept()
        except OSError:
            return  # it was shut
        with caller, caller.makefile("rw") as line:
            asked = json.loads(line.readline())
            words = [name, *asked["words"]] if name else asked["words"][1:]  # behind python's -m
            process = Process(
                module,
                words[0],
                words[1:],
                said=file,
                environment=asked["environment"],
                folder=asked["folder"],
                outputs=(f"/proc/{asked['pid']}/fd/1", f"/proc/{asked['pid']}/fd/2"),
            )
            line.write(f"{process.wait() & 255}\n")
