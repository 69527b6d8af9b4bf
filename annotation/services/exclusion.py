"""Preferences taken out of a project, put back, or replaced by their corrected form. Nothing is deleted.

An excluded preference is not drawn, and its comparisons are withdrawn: leases on them are given back, what
they filled of anchors' quotas is free again, and the next freeze leaves them out. Frozen datasets stay.

A preference whose chosen and rejected are swapped is corrected by excluding it and adding its corrected form
as a new preference: the labels of the old one stay true to the texts they were given for, and so does every
hash it is frozen under. Correcting that one in turn brings the first one back.

Locks: memberships, pools, then those of `withdrawing`. Who draws holds their membership, and a newcomer the
pools: once both are ours, every comparison there is has been committed and none is being drawn.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from annotation import kinds, rules
from annotation.errors import Conflict, Invalid
from annotation.imports.records import Record, prepared
from annotation.models import Membership, Pool, Preference, Project, User
from annotation.services import audit, draw_pairs, withdrawing
from annotation.services.transactions import exact

REASON_LENGTH = 300
CORRECTED = "Its chosen and rejected were swapped: the corrected form took its place."


def exclude(*, preference: Preference, by: User, at: datetime, reason: str = "") -> Preference:
    """Take it out. A second time changes nothing.

    Raises:
        NotFound, NotAllowed: not a manager.
        Invalid: too long a reason.
        Conflict: the project is archived.
    """
    _check(preference, by, reason)
    return _exclude(preference.pk, reason.strip(), by, at)


def include(*, preference: Preference, by: User, at: datetime) -> Preference:
    """Put it back with its comparisons. A second time changes nothing.

    Raises:
        NotFound, NotAllowed: not a manager.
        Conflict: its corrected form stands in its place, or the project is archived.
    """
    _check(preference, by)
    return _include(preference.pk, by, at)


def correct(*, preference: Preference, by: User, at: datetime) -> Preference:
    """Exclude it and give its form with chosen and rejected swapped, which is new unless there is one.

    Raises:
        NotFound, NotAllowed: not a manager.
        Conflict: it is excluded already, or the project is archived.
    """
    _check(preference, by)
    kinds.check_preferences(preference.project, kinds.NO_SWAPPING)
    return _correct(preference.pk, by, at)


@exact
def _exclude(preference_id: int, reason: str, by: User, at: datetime) -> Preference:
    preference, _ = _locked(preference_id)
    if preference.excluded_at is None:
        count = _take_out(preference, reason, by, at)
        _record("preference.excluded", preference, by, at, {"reason": reason, "comparisons": count})
    return preference


@exact
def _include(preference_id: int, by: User, at: datetime) -> Preference:
    preference, project = _locked(preference_id)
    if preference.excluded_at is not None:
        other = Q(replaces=preference) | Q(pk=preference.replaces_id)  # whichever of them was there first
        if Preference.objects.filter(other, excluded_at=None).exists():
            raise Conflict(
                "corrected", "Its corrected form is in the project. Exclude that one before this comes back."
            )
        count = _put_back(preference, project, by, at)
        _record("preference.included", preference, by, at, {"comparisons": count})
    return preference


@exact
def _correct(preference_id: int, by: User, at: datetime) -> Preference:
    preference, project = _locked(preference_id)
    if preference.excluded_at is not None:
        raise Conflict("excluded", "It is excluded already. Include it again before you correct it.")
    _take_out(preference, CORRECTED, by, at)
    turned, digest = _turned(preference)
    known = Preference.objects.filter(project=project, content_hash=digest).first()
    if known is None:
        known = _add(turned, project)
    elif known.excluded_at is not None:
        _put_back(known, project, by, at)
    _record("preference.corrected", preference, by, at, {"by": known.pk})
    return known


def _check(preference: Preference, by: User, reason: str = "") -> None:
    rules.check_manage(by, preference.project)
    if len(reason.strip()) > REASON_LENGTH:
        words = f"At most {REASON_LENGTH} characters."
        raise Invalid("invalid_reason", "The reason is too long.", {"reason": [words]})


def _locked(preference_id: int) -> tuple[Preference, Project]:
    """Both as they are now; nobody is drawing in the project any more."""
    project_id = Preference.objects.values_list("project", flat=True).get(pk=preference_id)
    members = Membership.objects.select_for_update(no_key=True).filter(project=project_id).order_by("pk")
    list(members.values_list("pk", flat=True))
    draw_pairs.locked(project_id)
    preference = Preference.objects.select_related("project").get(pk=preference_id)
    if preference.project.state == Project.State.ARCHIVED:
        raise Conflict("project_archived", "The project is archived: its preferences can no longer change.")
    return preference, preference.project


def _take_out(preference: Preference, reason: str, by: User, at: datetime) -> int:
    preference.excluded_at, preference.exclusion_reason = at, reason
    preference.save(update_fields=["excluded_at", "exclusion_reason"])
    return withdrawing.withdraw_all(preference=preference, by=by)


def _put_back(preference: Preference, project: Project, by: User, at: datetime) -> int:
    preference.excluded_at, preference.exclusion_reason = None, ""
    preference.save(update_fields=["excluded_at", "exclusion_reason"])
    return withdrawing.restore_all(preference=preference, project=project, by=by, at=at)


def _turned(old: Preference) -> tuple[Preference, str]:
    """The corrected form, not saved yet, and the hash of its content."""
    digest = prepared(Record(0, old.prompt, old.rejected, old.chosen)).content_hash
    made = Preference(
        project=old.project,
        split=old.split,  # not by its own hash: the same texts must not be on both sides
        content_hash=digest,
        prompt=old.prompt,
        chosen=old.rejected,
        rejected=old.chosen,
        score_chosen=old.score_rejected,
        score_rejected=old.score_chosen,
        external_id=old.external_id,
        source=old.source,
        replaces=old,
    )
    return made, digest


def _add(made: Preference, project: Project) -> Preference:
    """At the end of its pool, whose lock is held: the next draw opens a new epoch with it."""
    pool = Pool.objects.get(project=project, split=made.split)
    made.number = pool.size
    made.save(force_insert=True)
    pool.size += 1
    pool.save(update_fields=["size"])
    return made


def _record(verb: str, preference: Preference, by: User, at: datetime, details: dict[str, object]) -> None:
    audit.record(by=by, at=at, verb=verb, project=preference.project, target=preference.pk, details=details)
