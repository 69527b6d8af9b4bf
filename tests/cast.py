"""The fixed cast of every test, and helpers that make projects and preferences for it."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from annotation.models import Membership, Pool, Preference, Project, Role, Split, User

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSWORD = "a long enough passphrase"
_numbers = count(1)


@dataclass(frozen=True)
class Cast:
    """An owner, an admin, two annotators and an outsider; `project` is the owner's, with no preferences."""

    owner: User
    admin: User
    ann_one: User
    ann_two: User
    outsider: User
    project: Project


def make_user(username: str, **fields: Any) -> User:
    """A user whose password is `PASSWORD` (hashed fast: tests are not the place for scrypt)."""
    user = User(username=username, **fields)
    user.password = _hashed()
    user.save()
    return user


_hash_made: list[str] = []


def _hashed() -> str:
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    if not _hash_made:
        hasher = PBKDF2PasswordHasher()
        _hash_made.append(hasher.encode(PASSWORD, hasher.salt()))
    return _hash_made[0]


def join(project: Project, user: User, role: str = Role.ANNOTATOR) -> Membership:
    return Membership.objects.create(project=project, user=user, role=role, joined_at=NOW)


def make_project(owner: User, name: str = "Tone", **options: Any) -> Project:
    """A project as `services.projects.create` makes it: both pools, the owner's membership."""
    number = next(_numbers)
    options.setdefault("slug", f"tone-{number}")
    options.setdefault("seed", number)
    project = Project.objects.create(name=name, created_by=owner, created_at=NOW, **options)
    Pool.objects.bulk_create(Pool(project=project, split=split) for split in Split.values)
    join(project, owner, Role.OWNER)
    return project


def make_cast(**options: Any) -> Cast:
    owner = make_user("owner", can_create_projects=True)
    admin, ann_one, ann_two, outsider = map(make_user, ("admin", "ann_one", "ann_two", "outsider"))
    project = make_project(owner, **options)
    join(project, admin, Role.ADMIN)
    join(project, ann_one)
    join(project, ann_two)
    return Cast(owner, admin, ann_one, ann_two, outsider, project)


def reviewer_of(project: Project) -> User:
    """A reviewer of the project, made when asked for: most tests need none."""
    reviewer = User.objects.filter(username="reviewer").first() or make_user("reviewer")
    Membership.objects.get_or_create(
        project=project, user=reviewer, defaults={"role": Role.REVIEWER, "joined_at": NOW}
    )
    return reviewer


def _preference(project: Project, split: str, number: int, margin: float | None) -> Preference:
    texts = f"{project.pk}/{split}/{number}"
    return Preference(
        project=project,
        split=split,
        number=number,
        content_hash=hashlib.sha256(texts.encode()).hexdigest(),
        prompt=[{"role": "user", "content": f"Question {texts}?"}],
        chosen=[{"role": "assistant", "content": f"Good answer to {texts}."}],
        rejected=[{"role": "assistant", "content": f"Bad answer to {texts}."}],
        score_chosen=None if margin is None else 3.0 + margin,
        score_rejected=None if margin is None else 3.0,
        external_id=f"secret-{texts}",
        source="secret-source",
    )


def add_preferences(
    project: Project, count: int, *, split: str = Split.TRAIN, scored: bool = True
) -> list[Preference]:
    """`count` more preferences with margins drawn from 0 … 4 in quarters, numbered on without gaps."""
    pool = Pool.objects.get(project=project, split=split)
    draw = random.Random(pool.size + 1)  # noqa: S311 - test data
    made = Preference.objects.bulk_create(
        _preference(project, split, pool.size + index, draw.randint(0, 16) / 4 if scored else None)
        for index in range(count)
    )
    Pool.objects.filter(pk=pool.pk).update(size=pool.size + count)
    return made
