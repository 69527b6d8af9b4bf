"""Small arenas, made through the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from annotation.models import Assignment, Project, Role, User
from annotation.services import arenas, assignments, labels
from annotation.services.arenas import Entry
from tests.cast import NOW, Cast, join

MODELS = ("Lark", "Wren", "Rook")


def entry(prompt: int, model: str, response: str = "", source: str = "") -> Entry:
    said = response or f"{model[::-1].lower()} on {prompt}"  # the model's name stands nowhere in it
    return Entry(
        [{"role": "user", "content": f"Question {prompt}?"}],
        model,
        [{"role": "assistant", "content": said}],
        source,
    )


def make_arena(
    cast: Cast, prompts: int = 4, models: tuple[str, ...] = MODELS, same: int = 0, **settings: Any
) -> Project:
    """The cast's owner's, the annotators in it. At the first `same` prompts Wren says what Lark said."""
    entries = [
        entry(prompt, model, f"kral on {prompt}" if model == "Wren" and prompt < same else "")
        for prompt in range(prompts)
        for model in models
    ]
    given: dict[str, Any] = {"name": "Birds", "entries": entries, "by": cast.owner, "at": NOW, "seed": 5}
    project = arenas.create(**(given | settings))
    for user in (cast.ann_one, cast.ann_two):
        join(project, user)
    return project


def voted_arena(cast: Cast) -> Project:
    """Everybody of the cast has their role in it, and one battle has a winner."""
    project = make_arena(cast, prompts=2)
    join(project, cast.admin, Role.ADMIN)
    lease = next(handed(project, cast.owner))
    vote(lease, cast.owner, "first")
    return project


def handed(project: Project, by: User) -> Iterator[Assignment]:
    """What this person is handed, until there is nothing: the caller answers each."""
    while lease := assignments.next_for(project=project, by=by, at=NOW):
        yield lease


def vote(lease: Assignment, by: User, verdict: str) -> Any:
    return labels.submit(assignment_id=lease.pk, verdict=verdict, by=by, at=NOW, key=uuid4())


def vote_by(project: Project, by: User, ranks: Mapping[str, int]) -> int:
    """Answer all there is: the model of the lower rank is better, equal ranks are too close; how many."""
    given = 0
    for lease in handed(project, by):
        pair = lease.comparison
        low, high = (min(ranks[name] for name in _names(one)) for one in (pair.low, pair.high))
        verdict = "too_close" if low == high else "first" if (low < high) == lease.low_first else "second"
        vote(lease, by, verdict)
        given += 1
    return given


def _names(preference: Any) -> list[str]:
    return list(preference.entries.values_list("contender__name", flat=True))
