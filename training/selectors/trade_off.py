"""The runs and datasets that say something of sampling in a project: its own, and those of its sisters.

A project has one strategy for good, so that samplings are compared between projects. A sister is one that the
user manages and that holds out the very same preferences: what its runs were measured on is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from annotation import rules as project_rules
from annotation.models import PopDataset, Project
from annotation.selectors import projects
from training import samplings, trade_off
from training.comparing import Result
from training.engine import catalog
from training.models import Evaluation, Run
from training.samplings import Trained
from training.selectors import runs as selectors
from training.trade_off import Advice, Offered

if TYPE_CHECKING:
    from annotation.rules import Person

MAX_LOOKED_AT = 200  # runs, the newest; and as many datasets
MEASURED = {measure[0] for measure in (*samplings.COLUMNS, *samplings.KL)}


@dataclass(frozen=True)
class Advised:
    """The advice, and the runs and datasets that it names, by id."""

    advice: Advice
    runs: dict[int, Run]
    datasets: dict[int, PopDataset]


def of_project(user: Person, project: Project) -> Advised:
    """Which sampling to use, as far as runs tell.

    Raises:
        NotFound, NotAllowed: the user does not manage the project.
    """
    project_rules.check_manage(user, project)
    if _holds_nothing_out(project):
        return Advised(trade_off.NOTHING_HELD_OUT, {}, {})
    datasets = {one.pk: one for one in _datasets(user, project)}
    runs = {run.pk: run for run in _runs(user, datasets)}
    results: dict[int, list[Result]] = {pk: [] for pk in runs}
    for item in Evaluation.objects.filter(run__in=list(runs), name__in=MEASURED):
        results[item.run_id].append(Result(item.name, item.result, item.dataset_sha256))
    trained = [_trained(run, results[pk]) for pk, run in runs.items()]
    offered = [Offered(pk, str(one), samplings.sampling_of(one.manifest)) for pk, one in datasets.items()]
    return Advised(trade_off.advise(trained, offered), runs, datasets)


def _frozen() -> QuerySet[PopDataset]:
    return PopDataset.objects.filter(state=PopDataset.State.FROZEN).select_related("project")


def _holding_out(project: Project) -> QuerySet[PopDataset]:
    return _frozen().filter(project=project, manifest__counts__heldout_preferences__gt=0)


def _holds_nothing_out(project: Project) -> bool:
    """Whether the project has frozen datasets, and none of them holds anything out."""
    return _frozen().filter(project=project).exists() and not _holding_out(project).exists()


def _datasets(user: Person, project: Project) -> list[PopDataset]:
    """Frozen datasets that hold out what the project's newest one with such a run does, the newest first."""
    frozen, own = _frozen(), _holding_out(project)
    told = {f"runs__{name}": value for name, value in _on_rows().items()}
    newest = own.filter(**told).first() or own.first()
    if newest is None:
        return []
    heldout = newest.manifest.get("heldout_sha256")
    if heldout is None:  # of an older version: nothing tells what it held out
        return [newest]
    mine = projects.managed_by(user).values("pk")
    return list(frozen.filter(project__in=mine, manifest__heldout_sha256=heldout)[:MAX_LOOKED_AT])


def _runs(user: Person, datasets: Iterable[int]) -> list[Run]:
    """Finished runs of policies by methods that read rows: to others sampling is nothing."""
    found = selectors.visible_to(user).filter(dataset__in=list(datasets), **_on_rows())
    return list(found.select_related("project", "dataset__project")[:MAX_LOOKED_AT])


def _on_rows() -> dict[str, Any]:
    """What runs are filtered by."""
    methods = [slug for slug, one in catalog.POLICY_METHODS.items() if one.pop_rows or one.needs_rows]
    return {"state": Run.State.FINISHED, "kind": Run.Kind.PREFERENCE, "method__in": methods}


def _trained(run: Run, results: list[Result]) -> Trained:
    manifest = run.dataset.manifest
    labels, rows = samplings.labels_and_rows(manifest)
    return Trained(
        run=run.pk,
        sampling=samplings.sampling_of(manifest),
        labels=labels,
        rows=rows,
        spec=run.spec,
        options=manifest.get("options", {}),
        results=tuple(results),
    )
