"""Making an arena: a project whose comparisons put two models' responses to one prompt side by side.

Where the responses come from is the caller's business: runs, files, models trained elsewhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from annotation.errors import Invalid
from annotation.imports.records import Message, Record, canonical_messages, prepared
from annotation.models import ArenaEntry, Contender, Pool, Preference, Project, Split, User
from annotation.services import projects

QUESTION = "Which response is better?"
MOST_MODELS = 16
MOST_RESPONSES = 20_000
NAME_LENGTH = 200
BATCH = 1_000
Texts = dict[str, list[Message]]  # by model


@dataclass(frozen=True)
class Entry:
    """What a model said to a prompt. `source`: where that came from, "run 12"."""

    prompt: list[Message]
    model: str
    response: list[Message]
    source: str = ""


@dataclass(frozen=True)
class Prompt:
    """A prompt with what models said to it."""

    prompt: list[Message]
    responses: Texts


@transaction.atomic
def create(
    *,
    name: str,
    entries: Iterable[Entry],
    by: User,
    at: datetime,
    guidelines: str = "",
    question: str = QUESTION,
    labels_per_comparison: int = 1,
    lease_minutes: int = 15,
    battles: int | None = None,
    names_told: str = Project.NamesTold.CLOSED,
    seed: int | None = None,
) -> Project:
    """Make an arena of these responses; whoever makes it owns it. Prompts with one response are left out.

    `battles`: how many to ask for, as far as there are so many; None asks for all.

    Raises:
        NotAllowed: the person may not create projects.
        Invalid: fewer than two models, nothing they differ in, too much, or a model said two things.
    """
    sources: dict[str, str] = {}
    given = by_prompt(entries, sources)
    prompts = [one for one in given if len(one.responses) > 1]
    possible = sum(_different_pairs(one.responses) for one in prompts)
    models = [model for model in sources if any(model in one.responses for one in prompts)]
    _check(sources, prompts, possible, models)
    project = Project(
        kind=Project.Kind.ARENA,
        name=name.strip(),
        guidelines=guidelines,
        question=question.strip() or QUESTION,
        labels_per_comparison=labels_per_comparison,
        lease_minutes=lease_minutes,
        holdout_percent=0,
        battles_possible=possible,
        battles=possible if battles is None else min(battles, possible),
        names_told=names_told,
        seed=secrets.randbits(62) if seed is None else seed,
    )
    details: dict[str, object] = {
        "arena": models,
        "prompts": len(prompts),
        "left_out": len(given) - len(prompts),
    }
    projects.begin(project, by=by, at=at, details=details)
    _fill(project, prompts, {model: sources[model] for model in models})
    return project


def by_prompt(entries: Iterable[Entry], sources: dict[str, str]) -> list[Prompt]:
    """The responses to each prompt, prompts in the order they came in; `sources` by model on the way.

    Raises:
        Invalid: too many, a name or a text is missing, or a model said two things to one prompt.
    """
    found: dict[bytes, Prompt] = {}
    for count, entry in enumerate(entries, start=1):
        model = entry.model.strip()
        _check_entry(entry, model, count)
        sources.setdefault(model, entry.source[:NAME_LENGTH])
        texts = found.setdefault(canonical_messages(entry.prompt), Prompt(entry.prompt, {})).responses
        if texts.setdefault(model, entry.response) != entry.response:
            raise invalid(f"{model} has two responses to one prompt; an arena compares one of each model.")
    return list(found.values())


def _check_entry(entry: Entry, model: str, count: int) -> None:
    if count > MOST_RESPONSES:
        raise invalid(f"An arena has at most {MOST_RESPONSES:,} responses. Choose fewer prompts or models.")
    if not model:
        raise invalid(f"Response {count} names no model.")
    if len(model) > NAME_LENGTH:
        raise invalid(f"The name of a model has at most {NAME_LENGTH} characters.")
    if not entry.prompt or not entry.response:
        raise invalid(f"Response {count} has no {'prompt' if not entry.prompt else 'text'}.")


def _check(sources: Mapping[str, str], prompts: list[Prompt], possible: int, models: list[str]) -> None:
    if len(sources) < 2:
        raise invalid("An arena compares at least two models.")
    if len(models) > MOST_MODELS:
        raise invalid(f"An arena compares at most {MOST_MODELS} models; these are {len(models)}.")
    if not prompts:
        raise invalid("These models have no prompt in common: no two of them can be compared.")
    if alone := [model for model in sources if model not in models]:
        raise invalid(f"{', '.join(alone)}: no prompt in common with any other of these models.")
    if not possible:
        raise invalid("These models said the same to every prompt: there is nothing to ask.")


def _different_pairs(responses: Texts) -> int:
    distinct = len({canonical_messages(text) for text in responses.values()})
    return distinct * (distinct - 1) // 2


def _fill(project: Project, prompts: list[Prompt], sources: Mapping[str, str]) -> None:
    contenders = {
        made.name: made
        for made in Contender.objects.bulk_create(
            Contender(project=project, number=number, name=model, source=source)
            for number, (model, source) in enumerate(sources.items())
        )
    }
    rows: dict[str, Preference] = {}
    said: list[tuple[int, Contender, str]] = []
    for number, one in enumerate(prompts):
        for model, response in one.responses.items():
            digest = prepared(Record(0, one.prompt, response, [])).content_hash
            rows.setdefault(digest, response_row(project, len(rows), digest, one.prompt, response))
            said.append((number, contenders[model], digest))
    Preference.objects.bulk_create(rows.values(), batch_size=BATCH)
    ArenaEntry.objects.bulk_create(
        [
            ArenaEntry(project=project, prompt_number=number, contender=model, preference=rows[digest])
            for number, model, digest in said
        ],
        batch_size=BATCH,
    )
    Pool.objects.filter(project=project, split=Split.TRAIN).update(size=len(rows))


def response_row(
    project: Project, number: int, digest: str, prompt: list[Message], response: list[Message]
) -> Preference:
    """A response as a preference without another side. Nothing in it says whose it is."""
    return Preference(
        project=project,
        split=Split.TRAIN,
        number=number,
        content_hash=digest,
        prompt=prompt,
        chosen=response,
        rejected=[],
    )


def invalid(words: str) -> Invalid:
    """What is wrong with the responses, in words."""
    return Invalid("invalid_arena", words, {"entries": [words]})
