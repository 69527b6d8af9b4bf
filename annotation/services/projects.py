"""Projects: create, change, pause, reopen, archive."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from annotation import rules, transitions
from annotation.errors import Conflict, Invalid
from annotation.models import Membership, Pool, Project, Role, Split, User
from annotation.models.project import DEFAULT_QUESTION
from annotation.sampling import STRATEGIES
from annotation.services import audit, raising
from annotation.services.transactions import exact

CHECKS = ("gold_percent", "retest_percent", "practice_size")
BRIEF = 200  # characters of a long text in the trail
ALWAYS = frozenset({"name", "guidelines", "question", "lease_minutes", "dispute_below", "battles", *CHECKS})
MOST_CHECKED = 50  # percent of what is handed out: the rest is work
BEFORE_IMPORTING = frozenset({"holdout_percent"})
NOT_IN_ARENAS = frozenset({"strategy", "k", "attempt_cap", "reuse", *BEFORE_IMPORTING})
ARENAS_ONLY = frozenset({"battles", "names_told"})
BEFORE_DRAWING = frozenset(
    {"strategy", "k", "attempt_cap", "reuse", "labels_per_comparison", "seed", "names_told"}
)


@transaction.atomic
def create(
    *,
    name: str,
    by: User,
    at: datetime,
    guidelines: str = "",
    question: str = DEFAULT_QUESTION,
    strategy: str = "random",
    k: int = 2,
    attempt_cap: int = 3,
    reuse: bool = True,
    labels_per_comparison: int = 1,
    lease_minutes: int = 15,
    holdout_percent: int = 10,
    gold_percent: int = 0,
    retest_percent: int = 0,
    practice_size: int = 0,
    dispute_below: float = 0.0,
    seed: int | None = None,
) -> Project:
    """Make a project with its two empty pools; whoever makes it owns it."""
    project = Project(
        name=name.strip(),
        guidelines=guidelines,
        question=question.strip() or DEFAULT_QUESTION,
        strategy=strategy,
        k=k,
        attempt_cap=attempt_cap,
        reuse=reuse,
        labels_per_comparison=labels_per_comparison,
        lease_minutes=lease_minutes,
        holdout_percent=holdout_percent,
        gold_percent=gold_percent,
        retest_percent=retest_percent,
        practice_size=practice_size,
        dispute_below=dispute_below,
        seed=secrets.randbits(62) if seed is None else seed,
    )
    return begin(project, by=by, at=at)


def begin(project: Project, *, by: User, at: datetime, details: dict[str, object] | None = None) -> Project:
    """Save a new project with its two empty pools and its owner. The caller's transaction."""
    rules.check_create_project(by)
    project.created_by, project.created_at = by, at
    _check(project)
    _save_under_free_slug(project)
    Pool.objects.bulk_create([Pool(project=project, split=split) for split in Split])
    Membership.objects.create(project=project, user=by, role=Role.OWNER, joined_at=at)
    audit.record(by=by, at=at, verb="project.created", project=project, target=project.slug, details=details)
    return project


def update(*, project: Project, by: User, at: datetime, **changes: Any) -> Project:
    """Change settings. What shapes the drawing or the split is fixed once drawing or importing began.

    k, the attempt cap and the labels per comparison may still be raised then: see `raising`.

    Raises:
        Invalid: a field that cannot be changed, or a value out of range.
        Conflict: a field that can no longer be changed, or only be raised.
    """
    rules.check_manage(by, project)
    unknown = changes.keys() - ALWAYS - BEFORE_DRAWING - BEFORE_IMPORTING
    if unknown:
        raise _unknown(unknown, "Cannot be changed.")
    return _update(project, changes, by, at)


@exact
def _update(project: Project, changes: dict[str, Any], by: User, at: datetime) -> Project:
    # no_key: labels and leases that point to the project need not wait, so that no deadlock can arise.
    pools = list(Pool.objects.select_for_update(no_key=True).filter(project=project).order_by("id"))
    fresh = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if isinstance(changes.get("name"), str):
        changes["name"] = changes["name"].strip()
    changed = {name: value for name, value in changes.items() if getattr(fresh, name) != value}
    _check_kind(fresh, changed.keys())
    if changed and fresh.state == Project.State.ARCHIVED:
        raise Conflict("archived", "This project is archived: reopen it before changing its settings.")
    raised = changed.keys() & raising.RAISABLE if any(pool.counter for pool in pools) else set()
    before = {name: getattr(fresh, name) for name in changed}
    old = {name: before[name] for name in raised}
    raising.check(old, {name: changed[name] for name in raised})
    _check_still_free(fresh, pools, changed.keys() - raised)
    for name, value in changed.items():
        setattr(fresh, name, value)
    if changed:
        _check(fresh)
        fresh.save(update_fields=list(changed))
        audit.record(
            by=by,
            at=at,
            verb="project.changed",
            project=fresh,
            target=fresh.slug,
            details={name: [_brief(before[name]), _brief(changed[name])] for name in sorted(changed)},
        )
    if raised:
        raising.begin(project=fresh, old=old, new={name: changed[name] for name in raised}, by=by, at=at)
    elif "dispute_below" in changed:
        raising.bring_in_line(project=fresh, by=by, at=at)
    return fresh


def _check_kind(project: Project, fields: Iterable[str]) -> None:
    other = NOT_IN_ARENAS if project.is_arena else ARENAS_ONLY
    if found := other & set(fields):
        raise _unknown(found, "An arena has no such setting." if project.is_arena else "For arenas only.")


def _unknown(fields: Iterable[str], why: str) -> Invalid:
    return Invalid("unknown_field", "Some fields cannot be changed.", {name: [why] for name in fields})


def _brief(value: Any) -> Any:
    """A setting as the trail keeps it: guidelines may be pages long."""
    return f"{value[:BRIEF]}…" if isinstance(value, str) and len(value) > BRIEF else value


def pause(*, project: Project, by: User, at: datetime) -> Project:
    """Hand out no more comparisons; answers already leased are still taken."""
    return _move(project, by, at, to=Project.State.PAUSED, verb="project.paused")


def reopen(*, project: Project, by: User, at: datetime) -> Project:
    return _move(project, by, at, to=Project.State.OPEN, verb="project.reopened")


def archive(*, project: Project, by: User, at: datetime) -> Project:
    return _move(project, by, at, to=Project.State.ARCHIVED, verb="project.archived")


@transaction.atomic
def _move(project: Project, by: User, at: datetime, *, to: Project.State, verb: str) -> Project:
    """Moving to the state it is in changes nothing and is no error: a second click is harmless."""
    rules.check_manage(by, project)
    if to == Project.State.OPEN:
        _check_names_kept(project)
    sources = [state for state, targets in transitions.PROJECT.items() if to in targets]
    if Project.objects.filter(pk=project.pk, state__in=sources).update(state=to):
        audit.record(by=by, at=at, verb=verb, project=project, target=project.slug)
    fresh = Project.objects.get(pk=project.pk)
    if fresh.state != to:
        transitions.check_move("project", fresh.state, to)
    return fresh


def _check_names_kept(project: Project) -> None:
    """Whoever read the names when it was archived would answer, or change answers, by them."""
    told = Project.objects.filter(
        pk=project.pk,
        kind=Project.Kind.ARENA,
        state=Project.State.ARCHIVED,
        names_told=Project.NamesTold.CLOSED,
    )
    if told.exists():
        raise Conflict(
            "names_told",
            "When this arena was archived its annotators were told which model wrote what: it cannot be "
            "opened again. Make a new arena of the same models.",
        )


def _check_still_free(project: Project, pools: list[Pool], fields: Any) -> None:
    fields = set(fields)
    late = fields & BEFORE_DRAWING if any(pool.counter for pool in pools) else set()
    if any(pool.size for pool in pools) or project.imports.filter(state="running").exists():
        late |= fields & BEFORE_IMPORTING
    if late:
        raise Conflict(
            "too_late",
            f"{', '.join(sorted(late))} can no longer be changed: "
            "comparisons were drawn or preferences imported under the old value.",
        )


def _check(project: Project) -> None:
    errors: dict[str, list[str]] = {}
    try:
        project.clean_fields(exclude=["slug", "created_by"])
    except ValidationError as error:
        errors = {field: list(messages) for field, messages in error.message_dict.items()}
    if not math.isfinite(project.dispute_below):
        errors["dispute_below"] = ["A number between 0 and 1."]
    if project.strategy not in STRATEGIES:
        errors["strategy"] = [f"Choose one of: {', '.join(sorted(STRATEGIES))}."]
    errors |= _arena_errors(project)
    if not errors and project.gold_percent + project.retest_percent > MOST_CHECKED:
        errors["retest_percent"] = [f"Gold and retests together are at most {MOST_CHECKED} percent."]
    if errors:
        raise Invalid("invalid_project", "Some settings of the project are not valid.", errors)


def _arena_errors(project: Project) -> dict[str, list[str]]:
    if not project.is_arena:
        return {}
    errors: dict[str, list[str]] = {}
    if not 1 <= project.battles <= project.battles_possible:
        errors["battles"] = [f"Between 1 and {project.battles_possible:,}: so many battles can be asked for."]
    if project.retest_percent and project.names_told == Project.NamesTold.ANSWERED:
        errors["retest_percent"] = [
            "Not where names are told after each answer: a retest would not be blind."
        ]
    return errors


def _save_under_free_slug(project: Project) -> None:
    base = slugify(project.name)[:60].strip("-") or "project"
    for suffix in ["", *(f"-{n}" for n in range(2, 50)), f"-{secrets.token_hex(4)}"]:
        project.slug = f"{base}{suffix}"
        if Project.objects.filter(slug=project.slug).exists():
            continue
        try:
            with transaction.atomic():
                project.save(force_insert=True)
        except IntegrityError:
            project.pk = None  # somebody took the slug in between
        else:
            return
    raise Conflict("slug_taken", "No free address was found for this name. Choose another name.")
