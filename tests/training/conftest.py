"""A frozen dataset of the cast's project, and runs on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from annotation.models import PopDataset
from tests.cast import NOW, Cast, add_preferences
from training.models import Run
from training.services import runs

Launch = Callable[..., Run]


def make_dataset(cast: Cast, **changes: Any) -> PopDataset:
    """A dataset's row as freezing leaves it; its files are not there."""
    number = PopDataset.objects.filter(project=cast.project).count() + 1
    given = {
        "number": number,
        "state": PopDataset.State.FROZEN,
        "sha256": "ab" * 32,
        "folder": f"datasets/none-{number}",
        "row_count": 12,
        "preference_count": 8,
        "frozen_at": NOW,
    }
    return PopDataset.objects.create(
        project=cast.project, created_by=cast.owner, created_at=NOW, **(given | changes)
    )


@pytest.fixture
def dataset(cast: Cast) -> PopDataset:
    add_preferences(cast.project, 8)
    return make_dataset(cast)


@pytest.fixture
def launch(cast: Cast, dataset: PopDataset) -> Launch:
    def launch_one(**changes: Any) -> Run:
        given: dict[str, Any] = {"dataset": dataset, "spec": {}, "by": cast.owner, "at": NOW}
        return runs.launch(**(given | changes))

    return launch_one
