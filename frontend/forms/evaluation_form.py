"""The form that evaluates a run's model again: the run form, as short as that kind is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import QueryDict

from frontend.forms.run_form import RunForm
from training import lineage
from training.engine import catalog
from training.models import Run

# What says nothing of a model of that kind: a reward model writes nothing, SFT has no reference.
NOT_OF: dict[str, tuple[str, ...]] = {
    Run.Kind.REWARD_MODEL: (
        "evaluation.generation",
        "evaluation.judge",
        "evaluation.against",
        "evaluation.rewardbench.compat",
        "evaluation.alpaca_eval",
    ),
    Run.Kind.SFT: ("evaluation.rewardbench",),
}
SPLITS = {"heldout": "Held-out split", "train": "Training split", "all": "All preferences"}
PICKED = ("subject.run", "subject.checkpoint")  # by the address, and by a list of those there are


def opened(run: Run, earlier: Run | None = None, checkpoint: str = "") -> RunForm:
    """The settings that the run was evaluated by, or those of an earlier evaluation of it."""
    spec = (earlier or run).spec
    section = spec.get("evaluation", {})
    names = [name for name in section.get("names", []) if run.kind in catalog.evaluation(name).kinds]
    dataset = (earlier or run).dataset_id
    form = RunForm.from_spec(
        {"kind": "evaluation", "subject": spec.get("subject", {}), "evaluation": section | {"names": names}},
        dataset=str(dataset),
    )
    form.values["subject.run"] = lineage.reference(run.pk)
    if checkpoint:
        form.values["subject.checkpoint"] = checkpoint
    return form


def posted(run: Run, data: QueryDict) -> RunForm:
    """What was typed. Which run it is of, and that it is an evaluation, is not for the page to say."""
    given = data.copy()
    given["kind"], given["subject.run"] = "evaluation", lineage.reference(run.pk)
    return RunForm.from_post(given)


def rendered(form: RunForm, run: Run) -> list[dict[str, Any]]:
    """The form's sections, `subject` first, with the fields that say something of this kind of model."""
    found = []
    for part in form.rendered():
        rows = [_fitting(row, run) for row in part["fields"] if _says_something(row["field"].path, run)]
        if rows:
            found.append(part | {"fields": rows})
    return found


def _says_something(path: str, run: Run) -> bool:
    return path not in PICKED and not path.startswith(NOT_OF.get(run.kind, ()))


def _fitting(row: dict[str, Any], run: Run) -> dict[str, Any]:
    item = row["field"]
    choices = list(item.choices)
    if item.path == "evaluation.names":
        choices = [one for one in choices if run.kind in catalog.evaluation(one[0]).kinds]
    elif item.path == "subject.split":
        choices = [(value, SPLITS[value], "") for value, _, _ in choices]
    return row | {"field": replace(item, choices=tuple(choices))}
