"""A small project whose labels, and so whose frozen dataset, are the same on every database."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import combinations
from typing import Any

from django.core.files.base import ContentFile

from annotation.models import Comparison, Pool, PopDataset, Preference, Project, User
from annotation.services import datasets, imports
from tests.cast import NOW


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def rows(count: int) -> list[dict[str, Any]]:
    """Text and multi-turn prompts mixed, scores on some, scripts and line ends that are easily spoilt."""
    made: list[dict[str, Any]] = []
    for n in range(count):
        row: dict[str, Any] = {
            "prompt": f"Question {n}:\r\n好\u2028?",
            "chosen": f"Good {n} \U0001f600",
            "rejected": f"bad {n}",
        }
        if n % 3 == 0:
            talk = [message("user", f"Hello {n}"), message("assistant", "Hello!"), message("user", "And?")]
            row["prompt"] = [message("system", "Be kind."), *talk]
        if n % 4:
            row |= {"score_chosen": n / 7, "score_rejected": -1}
        made.append(row)
    return made


def fill(project: Project, by: User, count: int = 24, order: int = 1) -> list[Preference]:
    """Import the rows, three in ten of them held out; the last row first where `order` is −1."""
    project.holdout_percent = 30
    project.save(update_fields=["holdout_percent"])
    data = "\n".join(json.dumps(row) for row in rows(count)[::order]).encode()
    job = imports.start_file(project=project, upload=ContentFile(data, name="set.jsonl"), by=by, at=NOW)
    imports.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done", job.error
    return list(Preference.objects.filter(project=project).order_by("pk"))


def decide(project: Project, preferences: list[Preference]) -> None:
    """Compare all pairs of each split: three in four have a winner, some of them by two votes of three."""
    made = []
    for pool in Pool.objects.filter(project=project):
        members = [one for one in preferences if one.split == pool.split]
        for number, (low, high) in enumerate(combinations(members, 2)):
            made.append(
                Comparison(
                    pool=pool,
                    low=low,
                    high=high,
                    state="resolved",
                    needed=1,
                    free_slots=0,
                    label_count=1,
                    outcome=("low", "high", "none", "high")[number % 4],
                    confidence=(1.0, 2 / 3, None, 0.6)[number % 4],
                    queue_position=number,
                    created_at=NOW,
                    resolved_at=NOW,
                )
            )
    Comparison.objects.bulk_create(made)


def frozen(project: Project, by: User, at: datetime = NOW, **options: Any) -> PopDataset:
    dataset = datasets.freeze(project=project, by=by, at=at, options=options)
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    return dataset
