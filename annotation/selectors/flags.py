"""Preferences that annotators flagged as swapped, and those that were excluded. Managers only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, QuerySet

from annotation import rules
from annotation.errors import NotFound
from annotation.models import Label, Membership, Preference, PreferenceFlag, Project, User

LABELS_SHOWN = 3


@dataclass(frozen=True)
class Flagged:
    """A preference and how many current labels say that it looks swapped; the newest few of them."""

    preference: Preference
    flags: int
    latest_at: datetime
    labels: list[Label]


def flagged(user: User, project: Project) -> QuerySet[PreferenceFlag, Any]:
    """Flagged preferences that are in the project, the most often flagged first: ids and counts."""
    rules.check_manage(user, project)
    rows = PreferenceFlag.objects.filter(
        project=project, label__is_current=True, preference__excluded_at__isnull=True
    )
    counted = rows.order_by().values("preference").annotate(flags=Count("pk"), latest_at=Max("at"))
    return counted.order_by("-flags", "preference")


def with_texts(rows: Iterable[Mapping[str, Any]]) -> list[Flagged]:
    """One page of `flagged` with its preferences and labels. Two queries."""
    page = list(rows)
    ids = [row["preference"] for row in page]
    known, labels = Preference.objects.in_bulk(ids), _newest(ids)
    return [
        Flagged(known[pk], row["flags"], row["latest_at"], labels.get(pk, []))
        for pk, row in zip(ids, page, strict=True)
    ]


def _newest(preferences: list[int]) -> dict[int, list[Label]]:
    """The labels whose flag each of these preferences bears, `LABELS_SHOWN` at most."""
    rows = PreferenceFlag.objects.filter(preference__in=preferences, label__is_current=True)
    found: dict[int, list[Label]] = {}
    for flag in rows.select_related("label__annotator").order_by("-pk"):
        mine = found.setdefault(flag.preference_id, [])
        if len(mine) < LABELS_SHOWN:
            mine.append(flag.label)
    return found


def excluded(user: User, project: Project) -> QuerySet[Preference]:
    """Preferences that were taken out, the latest first, with what stands in their place."""
    rules.check_manage(user, project)
    rows = Preference.objects.filter(project=project, excluded_at__isnull=False)
    return rows.select_related("replaced_by").order_by("-excluded_at", "-pk")


def get(user: User, preference_id: int) -> Preference:
    """One preference of a project that this person manages.

    Raises:
        NotFound: there is none in a project of theirs.
        NotAllowed: a member, but no manager.
    """
    found = Preference.objects.filter(pk=preference_id).select_related("project")
    if not user.is_superuser:
        mine = Membership.objects.filter(user=user).values("project")
        found = found.filter(project__in=mine)
    preference = found.first()
    if preference is None:
        raise NotFound("preference_not_found", "There is no such preference.")
    rules.check_manage(user, preference.project)
    return preference
