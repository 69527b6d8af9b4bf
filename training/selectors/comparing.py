"""Runs of a project side by side, and in order of a measure. Queries do not grow with the runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet, prefetch_related_objects

from annotation.models import PopDataset, Project
from training import comparing
from training.comparing import Difference, Line, Place, Result
from training.comparison_files import Column
from training.engine import catalog
from training.errors import Invalid
from training.models import Evaluation, Run, RunEvent
from training.rules import run_not_found
from training.selectors import lineage as family
from training.selectors import runs as selectors
from training.transitions import ENDED

if TYPE_CHECKING:
    from annotation.rules import Person

MAX_RUNS = 8  # side by side
HELD_OUT = "heldout"
MAX_RANKED = 1000  # on a leaderboard, the newest


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison says but the curves; columns are in the order of `runs`.

    The runs come with their `sources`.
    """

    runs: list[Run]
    lines: list[Line]
    differences: list[Difference]
    warnings: list[str]

    @property
    def datasets(self) -> list[PopDataset]:
        """Those the runs were trained on, each once."""
        return list({run.dataset_id: run.dataset for run in self.runs}.values())


def chosen(user: Person, project: Project, ids: Sequence[int]) -> list[Run]:
    """The project's runs with these ids, in this order, each once.

    Raises:
        NotFound: the user is no member, or one of the runs is not of this project.
        NotAllowed: the user is an annotator.
        Invalid: more than `MAX_RUNS`.
    """
    known = {run.pk: run for run in _runs(user, project).filter(pk__in=_few(ids))}
    if len(known) < len(set(ids)):
        raise run_not_found()
    return [known[one] for one in dict.fromkeys(ids)]


def compared(user: Person, project: Project, ids: Sequence[int]) -> Comparison:
    """Measures, differences in the specs, and what the runs were made from. Raises like `chosen`."""
    runs = chosen(user, project, ids)
    by_id = {run.pk: run for run in runs}
    prefetch_related_objects(runs, family.prefetched(user))
    results: dict[int, list[Result]] = {run.pk: [] for run in runs}
    for item in Evaluation.objects.filter(run__in=runs):
        results[item.run_id].append(_result(item, by_id[item.run_id]))
    lines = comparing.lines(list(results.values()))
    return Comparison(
        runs=runs,
        lines=lines,
        differences=comparing.differences([_settings(run) for run in runs]),
        warnings=list(_warnings(runs, lines)),
    )


def curves(
    user: Person, project: Project, ids: Sequence[int], names: Collection[str]
) -> list[tuple[Run, dict[str, list[list[float]]]]]:
    """Each run with its curves of these metrics, as `runs.curves` has them. Raises like `chosen`."""
    found = chosen(user, project, ids)
    events = (
        RunEvent.objects.filter(run__in=found, kind="metrics").exclude(step=None).order_by("run_id", "seq")
    )
    lines: dict[int, list[tuple[int | None, dict[str, object]]]] = {run.pk: [] for run in found}
    for run_id, step, data in events.values_list("run_id", "step", "data").iterator():
        lines[run_id].append((step, {name: data[name] for name in names if name in data}))
    return [(run, selectors.series(lines[run.pk])) for run in found]


def columns(runs: Iterable[Run]) -> list[Column]:
    """The runs as files and plots name them."""
    return [Column(run.number, run.name, run.dataset.sha256) for run in runs]


def measured(user: Person, project: Project) -> list[tuple[str, str]]:
    """(evaluation, measure) that runs can be ranked by: those with a direction, of evaluations there are."""
    found = Evaluation.objects.filter(run__in=_finished(user, project)).order_by()
    names = set(found.values_list("name", flat=True).distinct())
    return [key for key in comparing.DIRECTIONS if key[0] in names]


def datasets(user: Person, project: Project) -> QuerySet[PopDataset]:
    """Datasets that a leaderboard may be narrowed to: those of finished runs."""
    trained_on = _finished(user, project).order_by().values("dataset")
    return PopDataset.objects.filter(pk__in=trained_on).select_related("project")


def leaderboard(
    user: Person, project: Project, evaluation: str, measure: str, dataset: int | None = None
) -> list[tuple[Place, Run]]:
    """Finished runs by the measure, the best first, with their `sources`; of one dataset, or of all.

    Beside what a judge says stands the KL. What was measured on data that models are trained on has no
    place here; a benchmark has data of its own.

    Raises:
        NotFound, NotAllowed: the user does not manage the project.
    """
    finished = _finished(user, project)
    rows = finished if dataset is None else finished.filter(dataset=dataset)
    newest = rows.prefetch_related(family.prefetched(user))[:MAX_RANKED]
    own = evaluation in catalog.BENCHMARKS
    runs = {run.pk: run for run in newest if own or _split(run) == HELD_OUT}

    def results(name: str) -> dict[int, Result]:
        """Those of an evaluation, the newest run's first."""
        items = {one.run_id: one for one in Evaluation.objects.filter(run__in=rows.values("pk"), name=name)}
        return {pk: _result(items[pk], run) for pk, run in runs.items() if pk in items}

    places = comparing.ranking(results(evaluation), evaluation, measure)
    if evaluation in comparing.WON:
        places = comparing.with_kl(places, results(comparing.KL[0][0]))
    return [(place, runs[place.run]) for place in places]


def _runs(user: Person, project: Project) -> QuerySet[Run]:
    return selectors.of_project(user, project).select_related("dataset__project", "created_by")


def _finished(user: Person, project: Project) -> QuerySet[Run]:
    return _runs(user, project).filter(state=Run.State.FINISHED)


def _few(ids: Sequence[int]) -> set[int]:
    distinct = set(ids)
    if len(distinct) > MAX_RUNS:
        words = f"At most {MAX_RUNS} runs are compared at once; these are {len(distinct)}. Choose fewer."
        raise Invalid("too_many_runs", words, {"run": [words]})
    return distinct


def _settings(run: Run) -> dict[str, Any]:
    """The spec that a run is compared by: of an evaluation, that of its run with what it asked for itself."""
    of, own = family.evaluated(run), dict(run.spec)
    if of is None:
        return own
    asked = {name: value for name, value in own["subject"].items() if name != "run" and value is not None}
    return {**of.spec, "evaluation": own["evaluation"], "evaluated again": asked}


def _result(item: Evaluation, run: Run) -> Result:
    """`run` has its `sources`."""
    of = family.evaluated(run) or run
    if item.name in catalog.BENCHMARKS:
        return Result(item.name, item.result, item.dataset_sha256)
    rewards = of.kind == Run.Kind.REWARD_MODEL
    return Result(item.name, item.result, item.dataset_sha256, _split(run), rewards)


def _split(run: Run) -> str:
    return str(run.spec.get("subject", {}).get("split", HELD_OUT))


def _warnings(runs: Sequence[Run], lines: Iterable[Line]) -> Iterator[str]:
    """What keeps the runs from being compared line by line, in words."""
    trained = [family.evaluated(run) or run for run in runs]
    if len({run.pk for run in trained}) < len(runs):
        yield "One model is here more than once: it was evaluated again, by the settings below."
    if len({run.dataset.sha256 for run in trained}) > 1:
        yield (
            "The runs were trained on different datasets: a difference may come from the data as well as "
            "from the settings. Where they were measured on different held-out data, no best value is marked."
        )
    if len({run.kind == Run.Kind.REWARD_MODEL for run in trained}) > 1:
        yield (
            "The runs are of different kinds: a reward model's measures are of its rewards, a policy's of "
            "its implicit rewards. Where both have a measure, no best value is marked; RewardBench is the "
            "same for both."
        )
    if any(run.state not in ENDED for run in runs):
        yield "Some runs have not finished: their curves end early, and evaluations come last."
    if any(run.state in ENDED and run.state != Run.State.FINISHED for run in runs):
        yield (
            "Some runs failed or were cancelled: their curves end early, and the evaluations that they lack "
            "will not come, unless they are resumed."
        )
    bases = {run.spec.get("model", {}).get("base") for run in trained}
    if len(bases) > 1 and any(line.evaluation == "heldout_loss" for line in lines):
        yield (
            "The runs have different base models: the held-out loss, in nats a token, compares them only if "
            "they have the same tokenizer."
        )
