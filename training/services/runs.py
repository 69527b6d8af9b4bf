"""What managers do with runs: launch, cancel, resume, delete. What workers do is in `custody`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from annotation import rules as project_rules
from annotation.models import PopDataset, User
from annotation.services import audit
from training import artifacts, doorbell, lineage, rules, specs, transitions
from training.engine.spec import DatasetRef, RunSpec
from training.errors import Conflict, NotFound
from training.models import Run
from training.services import evaluating, opposing, sources, telling
from training.services.custody import (
    claim,
    fail,
    finish,
    hand_back,
    heartbeat,
    lose,
    requeue_stale,
    stop,
)

__all__ = [
    "cancel",
    "claim",
    "delete",
    "fail",
    "finish",
    "hand_back",
    "heartbeat",
    "launch",
    "lose",
    "requeue_stale",
    "resume",
    "stop",
]
_NUMBERING_TRIES = 5


def launch(
    *,
    dataset: PopDataset | None = None,
    spec: dict[str, Any],
    by: User,
    at: datetime,
    name: str = "",
    base_run: int | None = None,
    reward_model_run: int | None = None,
    subject_run: int | None = None,
) -> Run:
    """Queue a run on a frozen dataset and ring for a worker.

    Args:
        dataset: an evaluation can do without: it is then that of the run it is of.
        base_run, reward_model_run: ids of runs whose models it is made from; they go before the spec's own.
        subject_run: id of the run that an evaluation is of, likewise.

    Raises:
        Invalid: the spec is not valid, a model that it names may not be used or is of a run that there is not
            for `by`, or the dataset lacks what it needs.
        Conflict: the dataset is not frozen.
        NotFound, NotAllowed: the user does not manage the project.
    """
    named = {"base": base_run, "reward_model": reward_model_run, "subject": subject_run}
    whole = {**lineage.with_sources(spec, named), "name": name or spec.get("name", "")}
    if subject_run is not None:
        whole.setdefault("kind", "evaluation")
    if dataset is None:
        dataset = evaluating.own_dataset(whole, by)
    _check_launch(dataset, by)
    checked = specs.checked(evaluating.completed(whole, dataset.project))
    specs.check_models(checked)
    specs.check_dataset_serves(dataset, checked)
    opposing.check(dataset, checked, by)
    checked.dataset = DatasetRef(path="dataset", sha256=dataset.sha256)
    with transaction.atomic():
        made_from = sources.found(dataset.project, checked.model_dump(mode="json"), by)
        run = _numbered(dataset, checked, by, at)
        sources.link(run, made_from)
        audit.record(
            by=by, at=at, verb="run.launched", project=dataset.project, target=run, details={"run": run.pk}
        )
        _ring_after(run)
    return run


def _check_launch(dataset: PopDataset, by: User) -> None:
    if not project_rules.can_view(by, dataset.project):
        raise NotFound("dataset_not_found", "There is no such dataset.")
    project_rules.check_manage(by, dataset.project)
    if dataset.state != PopDataset.State.FROZEN:
        raise Conflict(
            "dataset_not_frozen", f"Only a frozen dataset can be trained on; this one is {dataset.state}."
        )


def _numbered(dataset: PopDataset, spec: RunSpec, by: User, at: datetime) -> Run:
    """Create the row under the project's next number; two launches at once get two numbers."""
    for tries_left in reversed(range(_NUMBERING_TRIES)):
        highest = Run.objects.filter(project_id=dataset.project_id).aggregate(top=Max("number"))["top"]
        try:
            with transaction.atomic():
                return Run.objects.create(
                    project_id=dataset.project_id,
                    dataset=dataset,
                    number=(highest or 0) + 1,
                    name=spec.name,
                    kind=spec.kind,
                    method=spec.method.slug if spec.kind == "preference" else "",
                    spec=spec.model_dump(mode="json"),
                    created_by=by,
                    created_at=at,
                )
        except IntegrityError:
            if not tries_left:
                raise
    raise AssertionError("unreachable")


def cancel(*, run: Run, by: User, at: datetime) -> Run:
    """Cancel a queued run at once, a running one after its next checkpoint. Cancelling twice changes nothing.

    Raises:
        Conflict: the run has ended.
        NotFound, NotAllowed: the user does not manage the project.
    """
    run.refresh_from_db()
    if run.state == Run.State.CANCELLING:
        rules.check_see(by, run)
        return run
    rules.check_cancel(by, run)
    with transaction.atomic():
        if not (_move(run, "withdraw", finished_at=at) or _move(run, "cancel")):
            run.refresh_from_db()
            rules.check_cancel(by, run)
        audit.record(
            by=by, at=at, verb="run.cancelled", project=run.project, target=run, details={"run": run.pk}
        )
        telling.run_ended(run.pk, at)
    run.refresh_from_db()
    return run


def resume(*, run: Run, by: User, at: datetime) -> Run:
    """Queue a cancelled or failed run again; it goes on from its last checkpoint.

    Raises:
        Conflict: the run has not stopped, or has no checkpoint.
        NotFound, NotAllowed: the user does not manage the project.
    """
    run.refresh_from_db()
    rules.check_resume(by, run)
    with transaction.atomic():
        if not _move(run, "resume", error="", hint="", finished_at=None, slot="", losses=0):
            run.refresh_from_db()
            rules.check_resume(by, run)
        audit.record(
            by=by, at=at, verb="run.resumed", project=run.project, target=run, details={"run": run.pk}
        )
        _ring_after(run)
    run.refresh_from_db()
    return run


def delete(*, run: Run, by: User, at: datetime) -> None:
    """Delete an ended run with its events, evaluations and files.

    Raises:
        Conflict: the run is queued or running, or others were made from its model.
        NotFound, NotAllowed: the user does not manage the project.
    """
    run.refresh_from_db()
    rules.check_delete(by, run)
    pk, number = run.pk, run.number
    with transaction.atomic():
        Run.objects.select_for_update().filter(pk=pk).first()  # a launch from its model waits, or came before
        sources.check_unused(run, by)
        audit.record(
            by=by, at=at, verb="run.deleted", project=run.project, target=run, details={"number": number}
        )
        gone, _ = Run.objects.filter(pk=pk, state__in=transitions.ENDED).delete()
        if not gone:
            raise Conflict("run_active", "Cancel the run before deleting it.")
        transaction.on_commit(lambda: artifacts.remove(pk))


def _move(run: Run, verb: str, **changes: Any) -> bool:
    """Move the run along an edge by one conditional UPDATE; False when it is not in a state for it."""
    edge = transitions.edge(verb)
    found = Run.objects.filter(pk=run.pk, state__in=edge.sources)
    return bool(found.update(state=edge.target, **changes))


def _ring_after(run: Run) -> None:
    pk = run.pk
    transaction.on_commit(lambda: doorbell.ring(pk))
