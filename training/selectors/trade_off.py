"""The runs and datasets that say something of sampling in a project: its own, and those of its sisters.

A project has one strategy for good, so that samplings are compared between projects. A sister is one that the
user manages and that holds out the very same preferences: what its runs were measured on is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    datasets = {one.pk: one for one in _datasets(user, project)}
    runs = {run.pk: run for run in _runs(user, datasets)}
    results: dict[int, list[Result]] = {pk: [] for pk in runs}
    for item in Evaluation.objects.filter(run__in=list(runs), name__in=MEASURED):
        results[item.run_id].append(Result(item.name, item.result, item.dataset_sha256))
    trained = [_trained(run, results[pk]) for pk, run in runs.items()]
    offered = [Offered(pk, str(one), samplings.sampling_of(one.manifest)) for pk, one in datasets.items()]
    return Advised(trade_off.advise(trained, offered), runs, datasets)


def _datasets(user: Person, project: Project) -> list[PopDataset]:
    """Frozen datasets that hold out what the project's newest one with a run does, the newest first."""
    frozen = PopDataset.objects.filter(state=PopDataset.State.FROZEN).select_related("project")
    own = frozen.filter(project=project)
    newest = own.filter(runs__state=Run.State.FINISHED).first() or own.first()
    heldout = newest.manifest.get("heldout_sha256") if newest is not None else None
    if newest is None or not newest.manifest.get("counts", {}).get("heldout_preferences"):
        return []
    if heldout is None:  # of an older version: nothing tells what it held out
        return [newest]
    mine = projects.managed_by(user).values("pk")
    return list(frozen.filter(project__in=mine, manifest__heldout_sha256=heldout)[:MAX_LOOKED_AT])


def _runs(user: Person, datasets: Iterable[int]) -> list[Run]:
    """Finished runs of policies by methods that read rows: to others sampling is nothing."""
    on_rows = [slug for slug, one in catalog.POLICY_METHODS.items() if one.pop_rows or one.needs_rows]
    found = selectors.visible_to(user).filter(
        dataset__in=list(datasets), state=Run.State.FINISHED, kind=Run.Kind.PREFERENCE, method__in=on_rows
    )
    return list(found.select_related("project", "dataset__project")[:MAX_LOOKED_AT])


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
