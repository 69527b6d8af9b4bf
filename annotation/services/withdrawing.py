"""Comparisons out of the work because a preference was excluded, and back in when it is included again.

Labels stay as they were given. What an outcome counted for is taken back: the win it was credited as, the
slot it held, its place in the tallies. The attempts it cost an anchor stay spent. The caller holds the locks
of the memberships and the pools; here follow comparisons by id, assignments, anchors by id, the tally.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from annotation import sampling
from annotation.models import Anchor, Assignment, Comparison, Pool, Preference, Project, Split, User
from annotation.services import anchors, leases, resolving, tallying
from annotation.services.anchors import Changes

State = Comparison.State
SAVED = ("needed", "free_slots", "queue_position", "needs_fold", *resolving.FIELDS)


def withdraw_all(*, preference: Preference, by: User) -> int:
    """Withdraw every comparison with this preference and give the leases on them back; how many that were."""
    rows = list(_with(preference).exclude(state=State.WITHDRAWN))
    held = Assignment.objects.filter(comparison__in=rows, state=Assignment.State.LEASED)
    held.update(state=Assignment.State.RELEASED)
    own = _own_anchor(preference)
    anchors.lock_around(rows, own)
    changes: Changes = {}
    for comparison in rows:
        changes = resolving.merged(changes, _withdraw(comparison))
    Anchor.objects.filter(pk__in=own).update(attempt_limit=0)  # nothing is drawn for it any more
    changes = resolving.merged(changes, anchors.settle(own))
    _count(preference, by, changes)
    return len(rows)


def restore_all(*, preference: Preference, project: Project, by: User, at: datetime) -> int:
    """Put back those whose other side is not excluded: decided by their labels, or waiting for more."""
    rows = list(
        _with(preference).filter(state=State.WITHDRAWN, low__excluded_at=None, high__excluded_at=None)
    )
    own = _anchor_of(preference)
    anchors.lock_around(rows, own)
    limit = project.k * project.attempt_cap
    Anchor.objects.filter(pk__in=own).update(attempt_limit=limit, quota=project.k)
    changes = anchors.settle(own)
    for comparison in rows:
        changes = resolving.merged(changes, _restore(comparison, project, at))
    _count(preference, by, changes)
    return len(rows)


def _with(preference: Preference) -> QuerySet[Comparison]:
    rows = Comparison.objects.select_for_update(no_key=True, of=("self",)).select_related("anchor")
    return rows.filter(Q(low=preference) | Q(high=preference)).order_by("pk")


def _withdraw(comparison: Comparison) -> Changes:
    changes: Changes = {}
    if comparison.needed:  # else it was only ever gold
        if comparison.state == State.RESOLVED:
            changes = resolving.reopen(comparison=comparison)
        if comparison.holds_slot and comparison.anchor_id:
            anchors.release(comparison.anchor_id)
            comparison.holds_slot = False
            changes = resolving.merged(changes, anchors.settle([comparison.anchor_id]))
        changes = resolving.merged(changes, {"drawn": -1})
    comparison.state = State.WITHDRAWN
    comparison.disputed = False
    comparison.free_slots = 0
    comparison.needs_fold = True
    comparison.save(update_fields=SAVED)
    return changes


def _restore(comparison: Comparison, project: Project, at: datetime) -> Changes:
    changes: Changes = {}
    if not comparison.needed:
        comparison.state = State.RESOLVED
    else:
        changes = _reopen(comparison, project, at)
    comparison.needs_fold = True
    comparison.save(update_fields=SAVED)
    return changes


def _reopen(comparison: Comparison, project: Project, at: datetime) -> Changes:
    """As many labels are wanted as of any other now: a raise of that passed withdrawn comparisons by."""
    comparison.state = State.OPEN
    if not comparison.adjudicated:
        comparison.needed = max(comparison.needed, project.labels_per_comparison)
    comparison.free_slots = comparison.needed - comparison.label_count
    comparison.queue_position = leases.position(at)
    changes: Changes = {"drawn": 1}
    if comparison.anchor_id:
        comparison.holds_slot = anchors.retake(comparison.anchor_id)
        changes = resolving.merged(changes, anchors.settle([comparison.anchor_id]))
    if comparison.adjudicated or not comparison.free_slots:
        votes = resolving.votes_of(comparison)
        after = resolving.resolve(comparison=comparison, votes=votes, project=project, at=at)
        changes = resolving.merged(changes, after)
    return changes


def _own_anchor(preference: Preference) -> list[int]:
    """Made where an anchored strategy had not come to it: given up, and in turn again when it is back."""
    project = preference.project
    if preference.split == Split.TRAIN and sampling.strategy(project.strategy).anchored:
        return [anchors.get_or_make(preference.pk, project, _pool_of(preference).pk)]
    return _anchor_of(preference)


def _anchor_of(preference: Preference) -> list[int]:
    return list(Anchor.objects.filter(preference=preference).values_list("pk", flat=True))


def _count(preference: Preference, by: User, changes: Changes) -> None:
    tallying.add(pool_id=_pool_of(preference).pk, annotator_id=by.pk, changes=changes)


def _pool_of(preference: Preference) -> Pool:
    return preference.project.pools.get(split=preference.split)
