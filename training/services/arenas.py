"""An arena of runs: people compare what the runs' models wrote to the prompts they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from annotation.imports.records import Message
from annotation.models import Project, User
from annotation.services import arenas
from annotation.services.arenas import Entry
from training.errors import Invalid
from training.models import Run
from training.selectors import comparing, responses
from training.selectors.responses import Answered

SOURCE = r"run ([1-9][0-9]{0,17})(?:, reference)?"  # what `source` writes, and the reference beside it


def from_runs(
    *,
    project: Project,
    runs: Sequence[int],
    by: User,
    at: datetime,
    name: str = "",
    with_reference: bool = False,
    **settings: Any,
) -> Project:
    """Make an arena of these runs' responses, the first of each to a prompt; `settings` as `arenas.create`.

    `with_reference`: the reference's responses take part as a model of its own, those beside the first run
    that has some.

    Raises:
        NotFound, NotAllowed: not a manager of the runs' project, or not allowed to create projects.
        Invalid: a run without responses, or nothing to compare.
    """
    found = comparing.chosen(by, project, runs)
    written = {run: responses.answered(by, run) for run in found}
    if silent := [title(run) for run, answered in written.items() if not answered]:
        raise _invalid(
            f"{', '.join(silent)} wrote no responses: switch on generation among a run's evaluations, or "
            "choose other runs."
        )
    entries = [entry for run, answered in written.items() for entry in _of_model(run, answered)]
    if with_reference:
        entries += _of_reference(written.items())
    # No model's name: whoever votes reads it.
    named = name.strip() or f"Arena of {len({entry.model for entry in entries})} models, {at:%Y-%m-%d}"
    return arenas.create(name=named, entries=entries, by=by, at=at, **settings)


def title(run: Run) -> str:
    """What an arena calls the run's model: unlike any other run's of the project."""
    return f"{run.name} #{run.number}" if run.name else f"run {run.number}"


def source(run: Run) -> str:
    """What an arena notes of where a model's responses are from."""
    return f"run {run.pk}"


def _of_model(run: Run, answered: Iterable[Answered]) -> Iterator[Entry]:
    for one in answered:
        yield _entry(one.prompt, title(run), one.ours[0].text, source(run))


def _of_reference(written: Iterable[tuple[Run, list[Answered]]]) -> list[Entry]:
    for run, answered in written:
        theirs = [
            _entry(one.prompt, f"reference of {title(run)}", one.theirs[0].text, f"{source(run)}, reference")
            for one in answered
            if one.theirs
        ]
        if theirs:
            return theirs
    raise _invalid("None of these runs has responses of its reference.")


def _entry(prompt: Any, model: str, response: str, source: str) -> Entry:
    messages: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return Entry(messages, model, [{"role": "assistant", "content": _storable(response)}], source)


def _storable(text: str) -> str:
    """A model may write what no database keeps: a NUL, half a surrogate pair."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _invalid(words: str) -> Invalid:
    return Invalid("invalid_arena", words, {"runs": [words]})
