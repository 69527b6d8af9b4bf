"""Evaluation runs: what their specs leave open is as the evaluated run had it."""

from __future__ import annotations

from typing import Any

from annotation import rules as project_rules
from annotation.models import PopDataset, Project, User
from training import benchmark_files, lineage
from training.engine import catalog
from training.errors import Invalid
from training.models import Run

Spec = dict[str, Any]
MAX_NAME = 200


def own_dataset(spec: Spec, by: User) -> PopDataset:
    """The dataset of the run that is to be evaluated, for whoever names none.

    Raises:
        Invalid: the spec is of another kind, or there is no such run.
    """
    run_id = _subject(spec)
    if run_id is None and spec.get("kind") == "evaluation":
        message = "Name the run that is evaluated, like `run:7`."
        raise Invalid("invalid_subject", message, {"subject.run": [message]})
    if run_id is None:
        message = "Name a dataset: only an evaluation can do with that of the run it is of."
        raise Invalid("dataset_required", message, {"dataset": [message]})
    run = Run.objects.select_related("dataset__project").filter(pk=run_id).first()
    if run is None or not project_rules.can_view(by, run.dataset.project):
        message = f"There is no run with the id {run_id}."
        raise Invalid("invalid_source", message, {"subject.run": [message]})
    return run.dataset


def completed(spec: Spec, project: Project) -> Spec:
    """The spec with the evaluation section and the name that it leaves open.

    What is no spec of an evaluation is given back as it is: others refuse it, in words.

    Raises:
        Invalid: it asks for what says nothing of a model of that kind.
    """
    run = Run.objects.filter(project=project, pk=_subject(spec) or 0).first()
    given = spec.get("evaluation") or {}
    if run is None or not isinstance(given, dict):
        return spec
    section = _section(run.spec.get("evaluation", {}), given)
    known = [one.name for one in catalog.EVALUATIONS.values() if run.kind in one.kinds]
    if "names" in given:
        _check_names(section, known, run)
    else:
        section["names"] = [name for name in section.get("names", []) if name in known]
    _check_benchmark(section, run)
    if run.kind == Run.Kind.REWARD_MODEL and _prompts(section):
        message = f"“{run}” is a reward model, which writes no responses: leave their number at 0."
        raise Invalid("invalid_spec", message, {"evaluation.generation.prompts": [message]})
    return {**spec, "evaluation": section, "name": spec.get("name") or _name(run, spec["subject"])}


def _subject(spec: Spec) -> int | None:
    """The id of the run that a spec says it evaluates."""
    section = spec.get("subject")
    named = section.get("run") if spec.get("kind") == "evaluation" and isinstance(section, dict) else None
    return lineage.named(named) if isinstance(named, str) else None


def _section(before: Spec, given: Spec) -> Spec:
    """The run's own section with what is given in its place. Who writes nothing keeps no judge."""
    section = {**before, **given}
    for name in ("generation", "rewardbench", "alpaca_eval"):
        if isinstance(given.get(name), dict):
            section[name] = {**before.get(name, {}), **given[name]}
    if "judge" not in given and not _prompts(section):
        section["judge"] = None
    if "against" not in given and section.get("judge") is None:
        section["against"] = None
    return section


def _prompts(section: Spec) -> Any:
    """How many prompts are answered, as somebody wrote it."""
    asked = section.get("generation")
    return asked.get("prompts") if isinstance(asked, dict) else 0


def _check_names(section: Spec, known: list[str], run: Run) -> None:
    names = section["names"] if isinstance(section["names"], list) else []
    others = catalog.EVALUATIONS.keys() - set(known)
    strange = [name for name in names if isinstance(name, str) and name in others]
    if strange:
        kind = run.get_kind_display()
        message = (
            f"{', '.join(strange)} says nothing of a model of the kind {kind}. There are {', '.join(known)}."
        )
        raise Invalid("invalid_spec", message, {"evaluation.names": [message]})


def _check_benchmark(section: Spec, run: Run) -> None:
    """Raises Invalid where a benchmark, or RewardBench's way to tokenise, says nothing of such a model."""
    alpaca = section.get("alpaca_eval")
    if run.kind == Run.Kind.REWARD_MODEL and isinstance(alpaca, dict) and alpaca.get("baseline") is not None:
        message = f"“{run}” is a reward model, which writes nothing that AlpacaEval could judge."
        raise Invalid("invalid_spec", message, {"evaluation.alpaca_eval.baseline": [message]})
    asked = section.get("rewardbench")
    if not isinstance(asked, dict) or asked.get("data") is None:
        return
    if run.kind == Run.Kind.SFT:
        message = f"“{run}” is an SFT run: RewardBench compares a policy with its reference, and it has none."
        raise Invalid("invalid_spec", message, {benchmark_files.DATA: [message]})
    if run.kind == Run.Kind.REWARD_MODEL and asked.get("compat") is True:
        message = f"“{run}” is a reward model: the package tokenises in its own way for policies only."
        raise Invalid("invalid_spec", message, {"evaluation.rewardbench.compat": [message]})


def _name(run: Run, subject: Spec) -> str:
    """How lists call an evaluation that nobody has named: by the run that it is of."""
    of = run.name or f"Run {run.number}"
    step = subject.get("checkpoint")
    tail = ", evaluated again" if step is None else f" at step {step}, evaluated again"
    return of[: MAX_NAME - len(tail)] + tail
