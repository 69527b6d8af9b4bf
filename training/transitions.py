"""The states of a run as a table: it moves along one of these edges, by one conditional UPDATE, or stays."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from annotation.transitions import Table
from training.models import Run

S = Run.State


class Edge(NamedTuple):
    """What may happen to a run: the verb, the states it may happen in, the state it leads to, and when."""

    verb: str
    sources: tuple[Run.State, ...]
    target: Run.State
    when: str


RUN: tuple[Edge, ...] = (
    Edge("claim", (S.QUEUED,), S.RUNNING, "a worker with a free slot takes it"),
    Edge("withdraw", (S.QUEUED,), S.CANCELLED, "a manager cancels it before a worker took it"),
    Edge("cancel", (S.RUNNING,), S.CANCELLING, "a manager cancels it"),
    Edge("stop", (S.RUNNING, S.CANCELLING), S.CANCELLED, "the engine has stopped, with a checkpoint"),
    Edge("finish", (S.RUNNING, S.CANCELLING), S.FINISHED, "the engine has trained and evaluated the model"),
    Edge("fail", (S.RUNNING, S.CANCELLING), S.FAILED, "bad input, a crash, or workers lost again and again"),
    Edge("requeue", (S.RUNNING,), S.QUEUED, "its worker left or vanished"),
    Edge("resume", (S.CANCELLED, S.FAILED), S.QUEUED, "a manager resumes it from its checkpoint"),
)
_BY_VERB = {edge.verb: edge for edge in RUN}
OWNED = (S.RUNNING, S.CANCELLING)
ENDED = (S.CANCELLED, S.FAILED, S.FINISHED)


def edge(verb: str) -> Edge:
    """The edge of this name; KeyError when there is none."""
    return _BY_VERB[verb]


def allows(verb: str, state: str) -> bool:
    """Whether `verb` may happen to a run in `state`."""
    return state in _BY_VERB[verb].sources


def _table() -> dict[str, tuple[str, ...]]:
    targets: dict[str, list[str]] = {state: [] for state in Run.State.values}
    for step in RUN:
        for source in step.sources:
            if step.target not in targets[source]:
                targets[source].append(step.target)
    return {state: tuple(found) for state, found in targets.items()}


# The same in the form of `annotation.transitions.TABLES`: docs draw their diagrams from here.
TABLES: Mapping[str, Table] = MappingProxyType({"run": MappingProxyType(_table())})
