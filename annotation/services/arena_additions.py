"""Adding to an arena that is being voted in: another model's responses, more prompts for all of them.

What is there stays: votes, comparisons, numbers, names. Who voted learns nothing of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Min

from annotation import kinds, rules
from annotation.errors import Conflict
from annotation.imports.records import Record, canonical_messages, prepared
from annotation.models import (
    ArenaAddition,
    ArenaEntry,
    Contender,
    Label,
    Pool,
    Preference,
    Project,
    Split,
    User,
)
from annotation.services import arenas, audit
from annotation.services.arenas import BATCH, MOST_MODELS, MOST_RESPONSES, Entry, Prompt, invalid
from annotation.services.transactions import exact


@dataclass(frozen=True)
class Given:
    """What one model was given: responses, and how many of all prompts have none of it."""

    model: str
    responses: int
    missing: int


@dataclass(frozen=True)
class Added:
    """What came of it. `known` responses were there already; `left_out` prompts only one model answered."""

    project: Project
    new_models: list[str]
    models: list[Given]
    prompts: int
    responses: int
    known: int
    left_out: int


@dataclass
class _Arena:
    """As it is: numbers of prompts, models by name, and the hash of what each said."""

    prompts: dict[bytes, int]
    contenders: dict[str, Contender]
    said: dict[tuple[int, str], str]


@dataclass
class _Plan:
    """What is new: (prompt, its number, model, hash) each."""

    new: list[tuple[Prompt, int, str, str]] = field(default_factory=list)
    prompts: int = 0
    known: int = 0
    left_out: int = 0
    clashes: Counter[str] = field(default_factory=Counter)


def add(
    *, project: Project, entries: Iterable[Entry], by: User, at: datetime, battles: int | None = None
) -> Added:
    """Add these responses; those that are there already change nothing, and so does a second identical call.

    A new prompt that only one model answered is left out. `battles`: how many to ask for from now on; None:
    the same share of all there can be as before.

    Raises:
        NotFound, NotAllowed: not a manager.
        Conflict: no arena, an archived one, or one whose names were told.
        Invalid: a model of that name said something else, a model has no prompt in common with another, too
            much, or a response that is none.
    """
    rules.check_manage(by, project)
    kinds.check_arena(project)
    sources: dict[str, str] = {}
    given = arenas.by_prompt(entries, sources)
    return _add(project_id=project.pk, given=given, sources=sources, battles=battles, by=by, at=at)


@exact
def _add(
    *,
    project_id: int,
    given: list[Prompt],
    sources: Mapping[str, str],
    battles: int | None,
    by: User,
    at: datetime,
) -> Added:
    pools = Pool.objects.select_for_update(no_key=True).filter(project=project_id).order_by("pk")
    pool = next(one for one in pools if one.split == Split.TRAIN)
    project = Project.objects.select_for_update(no_key=True).get(pk=project_id)
    if project.state == Project.State.ARCHIVED:
        raise Conflict(
            "archived",
            "This arena is archived: its names are told, and nothing can be added. Make a new one.",
        )
    arena = _arena(project)
    plan = _plan(arena, given)
    _check(project, arena, plan, sources)
    new_models = [name for name in sources if name not in arena.contenders]
    if plan.new:
        new = {name: sources[name] for name in new_models}
        _store(project, pool, arena, plan, new=new, by=by, at=at)
        old = project.battles, project.battles_possible
        project.battles_possible = _possible(project)
        project.battles = _battles(battles, *old, project.battles_possible)
        project.save(update_fields=["battles", "battles_possible"])
        details: dict[str, object] = {
            "models": new_models,
            "prompts": plan.prompts,
            "responses": len(plan.new),
            "left_out": plan.left_out,
            "battles": [old[0], project.battles],
        }
        audit.record(
            by=by, at=at, verb="arena.extended", project=project, target=project.slug, details=details
        )
    return _added(project, arena, plan, new_models)


def _arena(project: Project) -> _Arena:
    """Three queries."""
    rows = ArenaEntry.objects.filter(project=project).order_by()
    some = dict(
        rows.values_list("prompt_number").annotate(one=Min("preference")).values_list("one", "prompt_number")
    )
    texts = Preference.objects.filter(project=project).values_list("pk", "prompt")
    columns = ("prompt_number", "contender__name", "preference__content_hash")
    return _Arena(
        prompts={canonical_messages(prompt): some[pk] for pk, prompt in texts if pk in some},
        contenders={one.name: one for one in Contender.objects.filter(project=project)},
        said={(number, model): digest for number, model, digest in rows.values_list(*columns)},
    )


def _plan(arena: _Arena, given: Iterable[Prompt]) -> _Plan:
    plan = _Plan()
    for one in given:
        number = arena.prompts.get(canonical_messages(one.prompt))
        if number is None:
            if len(one.responses) < 2:
                plan.left_out += 1
                continue
            number = len(arena.prompts) + plan.prompts
            plan.prompts += 1
        for model, response in one.responses.items():
            digest = prepared(Record(0, one.prompt, response, [])).content_hash
            there = arena.said.get((number, model))
            if there is None:
                plan.new.append((one, number, model, digest))
            elif there == digest:
                plan.known += 1
            else:
                plan.clashes[model] += 1
    return plan


def _check(project: Project, arena: _Arena, plan: _Plan, sources: Mapping[str, str]) -> None:
    for model, source in sources.items():
        there = arena.contenders.get(model)
        if there and there.source and source and there.source != source:
            raise invalid(
                f"The name {model} is taken: it is the model of {there.source}, and these responses are of "
                f"{source}. Give the new model another name."
            )
    if plan.clashes:
        model, times = plan.clashes.most_common(1)[0]
        raise invalid(
            f"{model} is in this arena and said something else to {times} of these prompts. If this is "
            "another model, give it another name; a response that is in an arena cannot be changed."
        )
    joined = {model for _, _, model, _ in plan.new} | arena.contenders.keys()
    if alone := [model for model in sources if model not in joined]:
        raise invalid(f"{', '.join(alone)}: no prompt in common with any other model.")
    if len(joined) > MOST_MODELS:
        raise invalid(f"An arena compares at most {MOST_MODELS} models; with these it has {len(joined)}.")
    if len(arena.said) + len(plan.new) > MOST_RESPONSES:
        raise invalid(f"An arena has at most {MOST_RESPONSES:,} responses; this one has {len(arena.said):,}.")
    if any(number < len(arena.prompts) for _, number, _, _ in plan.new):
        _check_blind(project)


def _check_blind(project: Project) -> None:
    """Who was told the names at a prompt knows the responses that a new one would be compared with."""
    told = project.names_told == Project.NamesTold.ANSWERED
    if told and Label.objects.filter(project=project).exists():
        raise Conflict(
            "names_told",
            "This arena tells which model wrote what after each answer: whoever answered would know the "
            "responses that a new one is compared with. Add new prompts, or make a new arena.",
        )


def _store(
    project: Project,
    pool: Pool,
    arena: _Arena,
    plan: _Plan,
    *,
    new: Mapping[str, str],
    by: User,
    at: datetime,
) -> None:
    number = ArenaAddition.objects.filter(project=project).count() + 1
    ArenaAddition.objects.create(project=project, number=number, added_by=by, added_at=at)
    made = Contender.objects.bulk_create(
        Contender(project=project, number=len(arena.contenders) + place, name=name, source=source)
        for place, (name, source) in enumerate(new.items())
    )
    contenders = {**arena.contenders, **{one.name: one for one in made}}
    rows = _rows(project, pool, plan)
    ArenaEntry.objects.bulk_create(
        [
            ArenaEntry(
                project=project,
                prompt_number=place,
                contender=contenders[model],
                preference_id=rows[digest],
                addition=number,
            )
            for _, place, model, digest in plan.new
        ],
        batch_size=BATCH,
    )


def _rows(project: Project, pool: Pool, plan: _Plan) -> dict[str, int]:
    """Ids by hash of what is added; a response that a model gave already is there, new ones end the pool."""
    ids = dict(Preference.objects.filter(project=project).values_list("content_hash", "pk"))
    fresh: dict[str, Preference] = {}
    for one, _, model, digest in plan.new:
        if digest not in ids and digest not in fresh:
            place, response = pool.size + len(fresh), one.responses[model]
            fresh[digest] = arenas.response_row(project, place, digest, one.prompt, response)
    Preference.objects.bulk_create(fresh.values(), batch_size=BATCH)
    pool.size += len(fresh)
    pool.save(update_fields=["size"])
    return ids | {digest: one.pk for digest, one in fresh.items()}


def _possible(project: Project) -> int:
    rows = ArenaEntry.objects.filter(project=project).order_by().values("prompt_number")
    different = rows.annotate(texts=Count("preference", distinct=True)).values_list("texts", flat=True)
    return sum(texts * (texts - 1) // 2 for texts in different)


def _battles(asked: int | None, battles: int, possible: int, now: int) -> int:
    """The same share as before unless said otherwise, never more than there can be."""
    return min(asked or math.ceil(battles * now / possible), now)


def _added(project: Project, arena: _Arena, plan: _Plan, new_models: list[str]) -> Added:
    return Added(
        project=project,
        new_models=new_models,
        models=list(_given(arena, plan)),
        prompts=plan.prompts,
        responses=len(plan.new),
        known=plan.known,
        left_out=plan.left_out,
    )


def _given(arena: _Arena, plan: _Plan) -> Iterator[Given]:
    prompts = len(arena.prompts) + plan.prompts
    before = Counter(model for _, model in arena.said)
    for model, count in Counter(model for _, _, model, _ in plan.new).items():
        yield Given(model, count, prompts - before[model] - count)
