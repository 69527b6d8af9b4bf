"""What an arena's votes say of its models. The database sums them: no query grows with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from django.db.models import Case, CharField, Count, F, Q, QuerySet, Value, When

from annotation import kinds, rules
from annotation.models import (
    ArenaEntry,
    Assignment,
    Comparison,
    Contender,
    Label,
    Pool,
    Project,
    Split,
    User,
)
from annotation.quality import arena as quality
from annotation.quality.arena import Rate, Results, Standing, Votes
from annotation.selectors import projects, tallies, wanted

MOST_TARGETS = 200
PART = 500  # battles read at once
SCORES = {"low": 1.0, "none": 0.5, "high": 0.0}
Verdict, Outcome = Label.Verdict, Comparison.Outcome

Kept = TypeVar("Kept", Comparison, Label)


@dataclass(frozen=True)
class Row:
    """A model with its standing and its rate against each of the models, which come in the rows' order."""

    contender: Contender
    standing: Standing
    rates: list[Rate | None]
    models: list[Contender]

    @property
    def against(self) -> list[dict[str, object]]:
        """By name, without itself."""
        pairs = zip(self.models, self.rates, strict=True)
        return [{"model": model.name, **vars(rate)} for model, rate in pairs if rate]


@dataclass(frozen=True)
class Arena:
    """`battles` have an outcome, of those `wanted`; `same` are those of equal responses: nobody is asked."""

    rows: list[Row]
    results: Results
    prompts: int
    responses: int
    battles: int
    wanted: int
    votes: int
    neither: int
    cannot_judge: int
    same: int

    @property
    def groups(self) -> int:
        return self.results.groups

    @property
    def unbounded(self) -> list[str]:
        """Models that never lost, or never won: a side of their interval is open."""
        known = [row for row in self.rows if row.standing.score is not None]
        return [row.contender.name for row in known if None in (row.standing.low, row.standing.high)]


def of_project(user: User, project: Project) -> Arena:
    """The results so far. Managers only: who votes is not to know how it stands.

    Raises:
        NotFound, NotAllowed: not a manager.
        Conflict: the project is no arena.
    """
    rules.check_manage(user, project)
    kinds.check_arena(project)
    contenders = list(Contender.objects.filter(project=project))
    given = _votes(project)
    same, askable = _equal(project, len(contenders))
    ties = quality.ties(same[:, 0], (same[:, 1], same[:, 2]), given, askable)
    found = quality.results(given.and_also(ties), len(contenders))
    pool = Pool.objects.get(project=project, split=Split.TRAIN)
    counts = tallies.of_pool(pool)
    return Arena(
        rows=_rows(contenders, found),
        results=found,
        prompts=wanted.arena_size(project)[0],
        responses=pool.size,
        battles=wanted.reached(project, counts),
        wanted=project.battles,
        votes=counts.labels,
        neither=counts.too_close,
        cannot_judge=counts.cannot_judge,
        same=len(same),
    )


def of_person(user: User) -> QuerySet[Any]:
    """The arenas this person is in, the newest first, with their role as `my_role`."""
    return projects.with_role(user).filter(kind=Project.Kind.ARENA)


def with_sources(user: User, names: Iterable[str] | QuerySet[Any]) -> QuerySet[Project]:
    """The arenas this person manages that have a model from one of these sources, the newest first."""
    sources = names if isinstance(names, QuerySet) else list(names)
    found = Contender.objects.filter(source__in=sources)
    return projects.managed_by(user).filter(pk__in=found.values("project"))


def targets(user: User) -> list[Project]:
    """The projects that this person may make preferences of votes in, the newest first."""
    rows = projects.managed_by(user).filter(kind=Project.Kind.PREFERENCES)
    return list(rows.exclude(state=Project.State.ARCHIVED)[:MOST_TARGETS])


def winners(user: User, project: Project) -> Iterator[dict[str, Any]]:
    """Each battle with a winner as a preference: prompt, chosen, rejected, and the models behind them.

    Raises:
        NotFound, NotAllowed: not a manager.
        Conflict: the project is no arena.
    """
    rules.check_manage(user, project)
    kinds.check_arena(project)
    return _preferences(project)


def decided(project: Project) -> QuerySet[Comparison]:
    """The battles that have a winner."""
    rows = Comparison.objects.filter(pool__project=project, state=Comparison.State.RESOLVED)
    return rows.filter(outcome__in=(Outcome.LOW, Outcome.HIGH), needed__gt=0)


def names_of(project: Project) -> dict[int, list[str]]:
    """The models behind each response, by its id. For managers' eyes."""
    names: dict[int, list[str]] = {}
    said = ArenaEntry.objects.filter(project=project).order_by("contender__number")
    for preference, name in said.values_list("preference", "contender__name"):
        names.setdefault(preference, []).append(name)
    return names


def open_to(user: User) -> list[Project]:
    """The arenas that this person may add to, the newest first."""
    rows = projects.managed_by(user).filter(kind=Project.Kind.ARENA)
    return list(rows.exclude(state=Project.State.ARCHIVED)[:MOST_TARGETS])


def _preferences(project: Project) -> Iterator[dict[str, Any]]:
    names = names_of(project)
    for one in in_parts(decided(project).select_related("low", "high")):
        better, worse = (one.low, one.high) if one.outcome == Outcome.LOW else (one.high, one.low)
        yield {
            "prompt": better.prompt,
            "chosen": better.chosen,
            "rejected": worse.chosen,
            "id": f"{project.slug}-{one.pk}",
            "source": f"arena {project.slug}",
            "chosen_models": names.get(better.pk, []),
            "rejected_models": names.get(worse.pk, []),
            "confidence": one.confidence,
        }


def in_parts(rows: QuerySet[Kept]) -> Iterator[Kept]:
    """All of them, some at a time: whoever breaks a download off leaves no cursor behind."""
    last = 0
    while part := list(rows.filter(pk__gt=last).order_by("pk")[:PART]):
        yield from part
        last = part[-1].pk


def _votes(project: Project) -> Votes:
    """Every current vote; where a reviewer decided, that instead. "Cannot judge" is no vote. Two queries."""
    given = Label.objects.filter(project=project, kind=Assignment.Kind.WORK, is_current=True)
    given = given.exclude(verdict=Verdict.CANNOT_JUDGE).filter(comparison__adjudicated=False)
    given = given.exclude(comparison__state=Comparison.State.WITHDRAWN)
    for_low = Q(verdict=Verdict.FIRST, low_first=True) | Q(verdict=Verdict.SECOND, low_first=False)
    side = Case(
        When(for_low, then=Value("low")),
        When(verdict=Verdict.TOO_CLOSE, then=Value("none")),
        default=Value("high"),
        output_field=CharField(),
    )
    decisions = Comparison.objects.filter(
        pool__project=project, adjudicated=True, state=Comparison.State.RESOLVED
    )
    summed = [
        *_summed(given.annotate(side=side), "comparison__"),
        *_summed(decisions.annotate(side=F("outcome")), ""),
    ]
    return _arrays(summed)


def _summed(rows: QuerySet[Any], path: str) -> QuerySet[Any]:
    """(prompt, model of low, model of high, side, how often); models that said the same each count."""
    low, high = f"{path}low__entries", f"{path}high__entries"
    keys = (f"{low}__prompt_number", f"{low}__contender__number", f"{high}__contender__number", "side")
    found: QuerySet[Any] = rows.order_by().values_list(*keys).annotate(times=Count("pk"))
    return found


def _arrays(rows: Sequence[Any]) -> Votes:
    numbers = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    scores = np.array([SCORES[row[3]] for row in rows], np.float64)
    times = np.array([row[4] for row in rows], np.float64)
    return Votes(numbers[:, 0], numbers[:, 1], numbers[:, 2], scores, times)


def _equal(project: Project, models: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Battles of equal responses as (prompt, model, model), and how many can be asked of each two models."""
    rows = ArenaEntry.objects.filter(project=project, preference__excluded_at=None)
    said: dict[int, list[tuple[int, int]]] = {}
    for prompt, model, text in rows.values_list("prompt_number", "contender__number", "preference"):
        said.setdefault(prompt, []).append((model, text))
    same: list[tuple[int, int, int]] = []
    askable = np.zeros((models, models), np.int64)
    for prompt, texts in said.items():
        for place, (one, text) in enumerate(texts):
            for other, another in texts[:place]:
                if text == another:
                    same.append((prompt, other, one))
                else:
                    askable[one, other] += 1
                    askable[other, one] += 1
    return np.array(same, np.int64).reshape(-1, 3), askable


def _rows(contenders: list[Contender], found: Results) -> list[Row]:
    order = [one.model for one in found.standings]
    models = [contenders[model] for model in order]
    return [
        Row(contenders[one.model], one, [found.rates[one.model][other] for other in order], models)
        for one in found.standings
    ]
