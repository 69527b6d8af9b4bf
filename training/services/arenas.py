"""An arena of runs: people compare what the runs' models wrote to the prompts they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from annotation import rules
from annotation.imports.records import Message
from annotation.models import Contender, Project, User
from annotation.services import arena_additions, arenas
from annotation.services.arena_additions import Added
from annotation.services.arenas import Entry
from training.errors import Invalid
from training.models import Run
from training.selectors import comparing, responses
from training.selectors import runs as run_selectors
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
    entries = _of_runs(by, comparing.chosen(by, project, runs), with_reference)
    # No model's name: whoever votes reads it.
    named = name.strip() or f"Arena of {len({entry.model for entry in entries})} models, {at:%Y-%m-%d}"
    return arenas.create(name=named, entries=entries, by=by, at=at, **settings)


def add_runs(
    *,
    arena: Project,
    runs: Sequence[int],
    by: User,
    at: datetime,
    with_reference: bool = False,
    battles: int | None = None,
) -> Added:
    """Add these runs' models to an arena that is there, as `arena_additions.add` does.

    A run of another project whose name is taken in the arena is called by its project too.

    Raises:
        NotFound, NotAllowed: not a manager of the arena, or of a run's project.
        Conflict, Invalid: as `arena_additions.add`; a run without responses; too many runs.
    """
    rules.check_manage(by, arena)
    if len(set(runs)) > comparing.MAX_RUNS:
        raise _invalid(f"At most {comparing.MAX_RUNS} runs are added at once.")
    found = [run_selectors.get(by, one) for one in dict.fromkeys(runs)]
    sources = dict(Contender.objects.filter(project=arena).values_list("name", "source"))
    entries = [_free_name(entry, run, sources) for run, entry in _by_run(by, found, with_reference)]
    return arena_additions.add(project=arena, entries=entries, by=by, at=at, battles=battles)


def _free_name(entry: Entry, run: Run, sources: Mapping[str, str]) -> Entry:
    taken = sources.get(entry.model, entry.source) != entry.source
    return replace(entry, model=f"{entry.model} of {run.project.slug}") if taken else entry


def title(run: Run) -> str:
    """What an arena calls the run's model: unlike any other run's of the project."""
    return f"{run.name} #{run.number}" if run.name else f"run {run.number}"


def source(run: Run) -> str:
    """What an arena notes of where a model's responses are from."""
    return f"run {run.pk}"


def _of_runs(by: User, found: Sequence[Run], with_reference: bool) -> list[Entry]:
    return [entry for _, entry in _by_run(by, found, with_reference)]


def _by_run(by: User, found: Sequence[Run], with_reference: bool) -> list[tuple[Run, Entry]]:
    """What takes part, each with its run.

    Raises:
        Invalid: a run wrote no responses, or there are none of a reference.
    """
    written = [(run, responses.answered(by, run)) for run in found]
    if silent := [title(run) for run, answered in written if not answered]:
        raise _invalid(
            f"{', '.join(silent)} wrote no responses: switch on generation among a run's evaluations, or "
            "choose other runs."
        )
    entries = [(run, entry) for run, answered in written for entry in _of_model(run, answered)]
    return entries + _of_reference(written) if with_reference else entries


def _of_model(run: Run, answered: Iterable[Answered]) -> Iterator[Entry]:
    for one in answered:
        yield _entry(one.prompt, title(run), one.ours[0].text, source(run))


def _of_reference(written: Iterable[tuple[Run, list[Answered]]]) -> list[tuple[Run, Entry]]:
    for run, answered in written:
        name, whence = f"reference of {title(run)}", f"{source(run)}, reference"
        theirs = [
            (run, _entry(one.prompt, name, one.theirs[0].text, whence)) for one in answered if one.theirs
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
