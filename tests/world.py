"""A small world made through the real services: a project, scored preferences, labels, a dataset, runs.

Live-stack tests call it in a process of the stack:
`stack.code("from tests import world; world.say(world.build())")`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from annotation.models import PopDataset, Preference, PreferenceImport, Project, User
from annotation.services import assignments, datasets, imports, labels, projects
from training.models import Run
from training.services import runs

# About a second a hundred steps on one core, once torch is loaded.
TINY: dict[str, Any] = {
    "model": {"base": "tiny", "tiny": {"hidden_size": 32, "layers": 2, "heads": 2, "sft_steps": 3}},
    "method": {"slug": "dpo_pop", "params": {"beta": 0.5}},
    "training": {
        "epochs": 1,
        "learning_rate": 5e-4,
        "rows_per_step": 4,
        "micro_batch": 4,
        "max_length": 128,
        "save_steps": 10,
    },
}


def spec(**training: Any) -> dict[str, Any]:
    """The tiny spec with changes to its training section."""
    return {**TINY, "training": {**TINY["training"], **training}}


def build(preferences: int = 32, wanted: int = 40) -> dict[str, int]:
    """An owner, a project and a dataset of about `wanted` labels; their ids."""
    now = timezone.now()
    owner, _ = User.objects.get_or_create(username="owner", defaults={"can_create_projects": True})
    project = projects.create(name="World", by=owner, at=now, holdout_percent=25, seed=7)
    bring(project, owner, preferences)
    label(project, owner, wanted)
    dataset = datasets.freeze(project=project, by=owner, at=now)
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    if dataset.state != PopDataset.State.FROZEN:
        raise AssertionError(dataset.error)
    return {"owner": owner.pk, "project": project.pk, "dataset": dataset.pk}


def bring(project: Project, by: User, count: int) -> PreferenceImport:
    """Import `count` preferences with scores, here and now."""
    started = _upload(project, by, range(count))
    imports.run(started.pk)
    started.refresh_from_db()
    if started.state != PreferenceImport.State.DONE:
        raise AssertionError(started.error)
    return started


def start_import(project_id: int) -> int:
    """Upload ten more preferences and leave the rest to a worker; the import's id."""
    project = Project.objects.get(pk=project_id)
    return _upload(project, project.created_by, range(1000, 1010)).pk


def _upload(project: Project, by: User, numbers: Iterable[int]) -> PreferenceImport:
    lines = (
        json.dumps(
            {
                "prompt": f"What is {number} plus {number}?",
                "chosen": f"It is {2 * number}.",
                "rejected": f"Perhaps {number}{'!' * (number % 5)}",
                "score_chosen": 5.0,
                "score_rejected": 5.0 - number % 5,
            }
        )
        for number in numbers
    )
    upload = SimpleUploadedFile("world.jsonl", "\n".join(lines).encode() + b"\n")
    return imports.start_file(project=project, upload=upload, by=by, at=timezone.now())


def label(project: Project, by: User, wanted: int) -> None:
    """Answer comparisons by the secret scores, until there are enough or none is left."""
    for _ in range(wanted):
        given = assignments.next_for(project=project, by=by, at=timezone.now())
        if given is None:
            return
        low, high = _margin(given.comparison.low), _margin(given.comparison.high)
        first_wins = (low >= high) == given.low_first
        verdict = "first" if first_wins else "second"
        labels.submit(assignment_id=given.pk, verdict=verdict, by=by, at=timezone.now(), key=uuid.uuid4())


def _margin(preference: Preference) -> float:
    return (preference.score_chosen or 0.0) - (preference.score_rejected or 0.0)


def launch(dataset: int, run_spec: dict[str, Any] | None = None) -> int:
    """Launch a run as the owner; its id."""
    found = PopDataset.objects.get(pk=dataset)
    run = runs.launch(dataset=found, spec=run_spec or TINY, by=found.created_by, at=timezone.now())
    return run.pk


def cancel(run_id: int) -> str:
    run = Run.objects.get(pk=run_id)
    return runs.cancel(run=run, by=run.created_by, at=timezone.now()).state


def resume(run_id: int) -> str:
    run = Run.objects.get(pk=run_id)
    return runs.resume(run=run, by=run.created_by, at=timezone.now()).state


def say(value: Any) -> None:
    """Hand a value to the test that started this process."""
    print(json.dumps(value))  # noqa: T201 - standard output is the way back
