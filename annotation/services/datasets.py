"""Frozen PoP datasets: asked for by an admin, frozen by whichever worker claims the row, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Max, ProtectedError, Q

from annotation import kinds, rules
from annotation.errors import Conflict, Invalid
from annotation.models import PopDataset, Project, User
from annotation.services import audit, doorbell, freezing, frozen_rows
from annotation.services.freeze_options import FreezeOptions, resolve

__all__ = ["FreezeOptions", "cancel", "delete", "freeze", "ring_waiting", "run_freeze"]

TASK = "annotation.tasks.run_freeze"
State = PopDataset.State


@transaction.atomic
def freeze(
    *,
    project: Project,
    by: User,
    at: datetime,
    name: str = "",
    options: FreezeOptions | Mapping[str, object] | None = None,
) -> PopDataset:
    """Queue the freezing of the labels there are when a worker takes it up.

    Raises:
        Invalid: nothing is decided yet, or the options are wrong.
    """
    rules.check_manage(by, project)
    kinds.check_preferences(project, kinds.NO_FREEZING)
    chosen = resolve(options, project)
    known = frozen_rows.decided(project) if chosen.streams else frozen_rows.complete(project)
    if not known.exists():
        raise Invalid("nothing_to_freeze", "There is nothing to freeze yet: no comparison has a winner.")
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # one number after the other
    newest = PopDataset.objects.filter(project=project).aggregate(newest=Max("number"))["newest"] or 0
    dataset = PopDataset.objects.create(
        project=project,
        number=newest + 1,
        name=name.strip()[:200],
        options=chosen.as_json(),
        created_by=by,
        created_at=at,
    )
    audit.record(
        by=by, at=at, verb="dataset.freeze_asked", project=project, target=dataset, details={"id": dataset.pk}
    )
    doorbell.ring_on_commit(TASK, dataset.pk)
    return dataset


def run_freeze(dataset_id: int) -> None:
    """Freeze, if the row can be claimed; safe to call twice and after a crash."""
    freezing.run(dataset_id)


def cancel(*, dataset: PopDataset, by: User, at: datetime) -> PopDataset:
    """Stop a freeze: at once while it waits, within about a second while it runs. Its files are discarded.

    Raises:
        Conflict: it has ended already.
    """
    rules.check_manage(by, dataset.project)
    with transaction.atomic():
        one = PopDataset.objects.filter(pk=dataset.pk)
        ended = {"state": State.CANCELLED, "error": freezing.CANCELLED}
        if not one.filter(state=State.QUEUED).update(cancel_requested=True, **ended) and not one.filter(
            state=State.FREEZING
        ).update(cancel_requested=True):
            raise Conflict("ended", "This dataset is not being frozen any more.")
        audit.record(by=by, at=at, verb="dataset.cancelled", project=dataset.project, target=dataset)
    dataset.refresh_from_db()
    return dataset


def end_cancelled(dataset_id: int) -> None:
    """Close a freeze that was broken off in this very process, as Ctrl-C does."""
    freezing_now = PopDataset.objects.filter(pk=dataset_id, state=State.FREEZING)
    freezing_now.update(state=State.CANCELLED, error=freezing.CANCELLED)


@transaction.atomic
def delete(*, dataset: PopDataset, by: User, at: datetime) -> None:
    """Delete a dataset and its files.

    Raises:
        Conflict: it is being frozen, or a run was made from it.
    """
    rules.check_manage(by, dataset.project)
    fresh = PopDataset.objects.select_for_update().filter(pk=dataset.pk).first()
    if fresh is None:
        return
    if fresh.state == State.FREEZING:
        raise Conflict("freezing", "This dataset is being frozen just now. Try again when it is done.")
    try:
        fresh.delete()
    except ProtectedError as error:
        raise Conflict("in_use", "Training runs use this dataset: delete them first.") from error
    audit.record(by=by, at=at, verb="dataset.deleted", project=dataset.project, target=dataset)
    if fresh.folder:
        transaction.on_commit(lambda: freezing.discard(fresh.folder))


def ring_waiting(at: datetime) -> int:
    """Ring for freezes that nobody took up: queued for a while, or left behind by a dead worker."""
    waiting = Q(state=State.QUEUED, created_at__lt=at - freezing.RING_AFTER) | freezing.stale(at)
    ids = list(PopDataset.objects.filter(waiting).order_by("id").values_list("pk", flat=True)[:100])
    return doorbell.ring_all(TASK, ids)
