"""Asking for more in the middle of the work: a higher k, attempt cap, or number of labels a comparison.

New draws use the new value at once. What exists already is brought up to it: anchors in the transaction of
the raise, comparisons by a worker, in batches by id. A batch and how far it came are one transaction, so that
a killed worker loses and repeats nothing. Locks: the job's row, comparisons by id, anchors by id, tallies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Case, Count, Q, Value, When
from django.utils import timezone

from annotation.errors import Conflict
from annotation.models import Analysis, Anchor, Membership, Pool, Project, User
from annotation.services import anchors, audit, doorbell, frozen_labels, raising_batch, tallying
from annotation.services.transactions import exact

KIND = "raising"
TASK = "annotation.tasks.run_raising"
STALE = timedelta(minutes=2)  # without a heartbeat for so long, another worker may go on
RING_AFTER = timedelta(seconds=20)
RAISABLE = frozenset({"k", "attempt_cap", "labels_per_comparison"})
State = Analysis.State
Values = Mapping[str, int]


def check(old: Values, new: Values) -> None:
    """Raises Conflict when a value would be lower than what was drawn under it."""
    lower = sorted(name for name, value in new.items() if value < old[name])
    if lower:
        raise Conflict(
            "cannot_lower",
            f"{', '.join(lower)} can only be raised now: comparisons were drawn and labels given under the "
            "old value, and they are kept.",
        )


def begin(*, project: Project, old: Values, new: Values, by: User, at: datetime) -> None:
    """Raise what exists to the project's new values. The caller has locked the pools and the project."""
    bring_in_line(project=project, by=by, at=at)
    if {"k", "attempt_cap"} & new.keys():
        for pool in Pool.objects.filter(project=project).order_by("pk"):
            _raise_anchors(project, pool, by)
    changed: dict[str, object] = {name: [old[name], value] for name, value in new.items()}
    audit.record(
        by=by, at=at, verb=frozen_labels.RAISED, project=project, target=project.slug, details=changed
    )


def bring_in_line(*, project: Project, by: User, at: datetime) -> None:
    """Have a worker bring the project's comparisons up to its settings, from the first one on."""
    fresh = {
        "state": State.QUEUED,
        "result": {"after": 0, "done": 0},
        "requested_by": by,
        "requested_at": at,
        "heartbeat_at": None,
        "error": "",
    }
    Analysis.objects.update_or_create(project=project, kind=KIND, defaults=fresh)
    doorbell.ring_on_commit(TASK, project.pk)


def run(project_id: int) -> None:
    """Bring the project's comparisons up to its settings; nothing happens while another worker is at it."""
    now = timezone.now()
    mine = Analysis.objects.filter(project=project_id, kind=KIND)
    waiting = Q(state=State.QUEUED) | Q(state=State.RUNNING, heartbeat_at__lt=now - STALE)
    if not mine.filter(waiting).update(state=State.RUNNING, heartbeat_at=now):
        return
    project = Project.objects.get(pk=project_id)
    _wait_for_draws(project)
    while _next_batch(project_id):
        pass


def ring_waiting(at: datetime) -> int:
    """Ring for raises whose bell was lost or whose worker died; how many bells."""
    lost = Q(state=State.QUEUED, requested_at__lt=at - RING_AFTER)
    died = Q(state=State.RUNNING, heartbeat_at__lt=at - STALE)
    rows = Analysis.objects.filter(lost | died, kind=KIND)
    return doorbell.ring_all(TASK, rows.values_list("project", flat=True))


def _raise_anchors(project: Project, pool: Pool, by: User) -> None:
    """One UPDATE. Full and exhausted anchors with room are open again, and the tally says so."""
    mine = Anchor.objects.filter(pool=pool)
    locked = mine.select_for_update(no_key=True).order_by("pk").values_list("state", flat=True)
    before = Counter(locked.iterator())
    if not before:
        return
    limit = project.k * project.attempt_cap
    spent = Q(in_flight=0, attempts__gte=limit)
    mine.update(
        quota=project.k,
        attempt_limit=limit,
        state=Case(
            When(wins__gte=project.k, then=Value(Anchor.State.FULL.value)),
            When(spent, then=Value(Anchor.State.EXHAUSTED.value)),
            default=Value(Anchor.State.OPEN.value),
        ),
    )
    anchors.close_excluded(pool)
    after = dict(mine.order_by().values_list("state").annotate(count=Count("pk")))
    changes = {f"{state}_anchors": after.get(state, 0) - before[state] for state in anchors.COUNTED}
    tallying.add(pool_id=pool.pk, annotator_id=by.pk, changes=changes)


@exact
def _wait_for_draws(project: Project) -> None:
    """Whoever was drawing under the old value holds their membership: once we had each, all are through."""
    members = Membership.objects.select_for_update(no_key=True).filter(project=project).order_by("pk")
    list(members.values_list("pk", flat=True))


@exact
def _next_batch(project_id: int) -> bool:
    """One batch, and how far it came; False when there is none left."""
    rows = Analysis.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    job = rows.get(project=project_id, kind=KIND)
    if job.state != State.RUNNING:
        return False  # raised again meanwhile: another bell was rung for that
    now = timezone.now()
    by = job.requested_by_id or job.project.created_by_id
    last, count = raising_batch.run(project=job.project, after=job.result["after"], by_id=by, at=now)
    job.heartbeat_at = now
    if count:
        job.result = {"after": last, "done": job.result["done"] + count}
    else:
        job.state, job.computed_at = State.DONE, now
    job.save(update_fields=["state", "result", "heartbeat_at", "computed_at"])
    return count > 0
