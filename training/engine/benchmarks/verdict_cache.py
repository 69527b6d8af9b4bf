"""Answers of judges, kept on disk as they come: who was stopped goes on with what is missing. No torch here.

As the other caches: a folder a model and way of asking. A run writes lines into a file of its own, so that
any number of runs read and write at the same time; a line that cannot be read is as good as none. Keys are
hashes of requests: no instruction, output or key of an endpoint is in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from training.engine import kept
from training.engine.benchmarks.verdicts import FORMAT, Verdict


def folder() -> Path:
    """Beside the reference log-probabilities."""
    return kept.root() / "verdicts"


class VerdictCache:
    """Answers of one model, asked in one way, by the key of the request.

    `problem`: why one could not be stored; the run goes on without.
    """

    def __init__(self, model: str, settings: Mapping[str, Any], root: Path | None = None) -> None:
        text = json.dumps([FORMAT, model, settings], sort_keys=True)
        self.folder = (root or folder()) / hashlib.sha256(text.encode()).hexdigest()
        self.problem = ""
        self._own = self.folder / f"{uuid.uuid4().hex}.jsonl"
        self._alone = threading.Lock()

    def get(self, wanted: Iterable[str]) -> dict[str, Verdict]:
        """Those of the wanted keys that are known; of several answers one that says something."""
        wanted = set(wanted)
        found: dict[str, Verdict] = {}
        for file in sorted(self.folder.glob("*.jsonl")):
            for name, verdict in _read(file):
                if name in wanted and (name not in found or found[name].preference is None):
                    found[name] = verdict
        with contextlib.suppress(OSError):  # when it was used last, for `prune`
            os.utime(self.folder)
        return found

    def put(self, name: str, verdict: Verdict) -> None:
        """Store an answer at once; threads may come together."""
        record = {
            "key": name,
            "preference": verdict.preference,
            "by": verdict.by,
            "said": verdict.said,
            "tokens": verdict.tokens,
        }
        line = json.dumps(record).encode() + b"\n"
        try:
            with self._alone:
                self.folder.mkdir(parents=True, exist_ok=True)
                # Unbuffered: one write, of which a kill leaves a whole line or none.
                with self._own.open("ab", buffering=0) as file:
                    file.write(line)
        except OSError as error:
            self.problem = str(error)


def _read(file: Path) -> Iterator[tuple[str, Verdict]]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError):
            one = json.loads(line)
            given = None if one["preference"] is None else float(one["preference"])
            if given is None or 1 <= given <= 2:
                asked, answered = one["tokens"]
                yield one["key"], Verdict(given, one["by"], one["said"], (int(asked), int(answered)))
