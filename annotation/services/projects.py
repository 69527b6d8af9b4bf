"""Projects: create, change, pause, reopen, archive."""

from __future__ import annotations

import secrets
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
from annotation.services import audit

ALWAYS = frozenset({"name", "guidelines", "question", "lease_minutes"})
BEFORE_DRAWING = frozenset({"strategy", "k", "attempt_cap", "reuse", "labels_per_comparison", "seed"})
BEFORE_IMPORTING = frozenset({"holdout_percent"})


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
    seed: int | None = None,
) -> Project:
    """Make a project with its two empty pools; whoever makes it owns it."""
    rules.check_create_project(by)
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
        seed=secrets.randbits(62) if seed is None else seed,
        created_by=by,
        created_at=at,
    )
    _check(project)
    _save_under_free_slug(project)
    Pool.objects.bulk_create([Pool(project=project, split=split) for split in Split])
    Membership.objects.create(project=project, user=by, role=Role.OWNER, joined_at=at)
    audit.record(by=by, at=at, verb="project.created", project=project, target=project.slug)
    return project


@transaction.atomic
def update(*, project: Project, by: User, at: datetime, **changes: Any) -> Project:
    """Change settings. What shapes the drawing or the split is fixed once drawing or importing began.

    Raises:
        Invalid: a field that cannot be changed, or a value out of range.
        Conflict: a field that can no longer be changed.
    """
    rules.check_manage(by, project)
    unknown = changes.keys() - ALWAYS - BEFORE_DRAWING - BEFORE_IMPORTING
    if unknown:
        raise Invalid(
            "unknown_field", "Some fields cannot be changed.", {f: ["Cannot be changed."] for f in unknown}
        )
    # no_key: labels and leases that point to the project need not wait, so that no deadlock can arise.
    fresh = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if isinstance(changes.get("name"), str):
        changes["name"] = changes["name"].strip()
    changed = {name: value for name, value in changes.items() if getattr(fresh, name) != value}
    _check_still_free(fresh, changed.keys())
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
            details={"fields": sorted(changed)},
        )
    return fresh


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
    sources = [state for state, targets in transitions.PROJECT.items() if to in targets]
    if Project.objects.filter(pk=project.pk, state__in=sources).update(state=to):
        audit.record(by=by, at=at, verb=verb, project=project, target=project.slug)
    fresh = Project.objects.get(pk=project.pk)
    if fresh.state != to:
        transitions.check_move("project", fresh.state, to)
    return fresh


def _check_still_free(project: Project, fields: Any) -> None:
    fields = set(fields)
    pools = list(Pool.objects.select_for_update(no_key=True).filter(project=project).order_by("id"))
    late = fields & BEFORE_DRAWING if any(pool.drawn or pool.counter for pool in pools) else set()
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
    if project.strategy not in STRATEGIES:
        errors["strategy"] = [f"Choose one of: {', '.join(sorted(STRATEGIES))}."]
    if errors:
        raise Invalid("invalid_project", "Some settings of the project are not valid.", errors)


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
