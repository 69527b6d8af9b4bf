"""The panel on sampling: a project's runs beside those of its sisters, by page and by API."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import PopDataset
from tests.annotation.frozen import decide, fill, frozen
from tests.cast import Cast, make_project
from tests.frontend.conftest import make_run, signed_in
from tests.frontend.test_project_pages import text
from training.engine.spec import RunSpec
from training.models import Run

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def trained(dataset: PopDataset, value: float, seed: int = 0, **fields: Any) -> Run:
    spec = RunSpec().model_dump(mode="json")
    spec["training"]["seed"] = seed
    run = make_run(dataset, **({"state": "finished", "spec": spec} | fields))
    for name, measure in (("pair_accuracy", "accuracy"), ("win_rate", "win_rate")):
        result = {"n": 8, measure: value, "interval": [value - 0.05, value + 0.05]}
        run.evaluations.create(
            name=name, result=result, dataset_sha256=dataset.sha256, created_at=run.created_at
        )
    kl = {"contexts": {"n": 8, "kl_token": 0.25}}
    run.evaluations.create(
        name="divergence", result=kl, dataset_sha256=dataset.sha256, created_at=run.created_at
    )
    return run


@pytest.fixture
def sisters(cast: Cast) -> tuple[PopDataset, PopDataset]:
    """Frozen datasets of two projects over the same preferences, by random and by iterative sampling."""
    sister = make_project(cast.owner, "Sister", strategy="iterative")
    for project in (cast.project, sister):
        decide(project, fill(project, cast.owner))
    return frozen(cast.project, cast.owner), frozen(sister, cast.owner)


def board(client: Client, dataset: PopDataset) -> str:
    return text(client.get(reverse("leaderboard", args=[dataset.project.slug])))


def test_runs_of_a_sister_project_stand_beside_ones_own(
    sisters: tuple[PopDataset, PopDataset], owner_client: Client, cast: Cast
) -> None:
    own, other = sisters
    first = trained(own, 0.4)
    page = board(owner_client, own)
    assert "there is only one sampling" in page
    assert f"No run on “{other}” (iterative, k 2)" in page
    assert f"?like={first.pk}&amp;dataset={other.pk}" in page
    with CaptureQueriesContext(connection) as before:
        board(owner_client, own)
    second = trained(other, 0.8)
    trained(other, 0.9, method="dpo")  # it reads no rows
    with CaptureQueriesContext(connection) as after:
        page = board(owner_client, own)
    assert len(after) <= len(before)
    assert "As far as these runs tell: iterative, for both." in page
    assert "in Sister" in page
    answer = owner_client.get(f"/api/v1/projects/{own.project.slug}/sampling").json()
    assert answer["conclusion"] == "As far as these runs tell: iterative, for both."
    assert {row["run"]: row["sampling"]["strategy"] for row in answer["runs"]} == {
        first.pk: "random",
        second.pk: "iterative",
    }
    labels = own.manifest["labels"]["train"]
    mine = next(row for row in answer["runs"] if row["run"] == first.pk)
    assert (mine["labels"], mine["rows"]) == (labels, own.row_count - own.heldout_row_count)
    assert mine["win_rate"]["low"] == pytest.approx(0.35)
    assert mine["kl_token"]["value"] == 0.25
    own.project.preferences.filter(split="heldout").earliest("pk").delete()
    frozen(own.project, own.created_by)  # it holds out others, and has no run yet
    assert "in Sister" in board(owner_client, own)
    # Whoever does not manage the sister sees nothing of it.
    page = board(signed_in(cast.admin), own)
    assert "Sister" not in page
    assert "No run on an iterative dataset of these preferences" in page


def test_a_project_that_holds_nothing_out_is_told_so(
    sisters: tuple[PopDataset, PopDataset], owner_client: Client
) -> None:
    own, _ = sisters
    trained(own, 0.5)
    counts = own.manifest["counts"] | {"heldout_preferences": 0}
    PopDataset.objects.filter(pk=own.pk).update(manifest=own.manifest | {"counts": counts})
    page = board(owner_client, own)
    assert "No dataset here holds anything out" in page
    assert "No finished run" not in page


def test_a_dataset_of_an_older_version_stands_alone(
    sisters: tuple[PopDataset, PopDataset], owner_client: Client
) -> None:
    own, other = sisters
    for one in sisters:
        kept = {key: value for key, value in one.manifest.items() if key not in ("heldout_sha256", "labels")}
        PopDataset.objects.filter(pk=one.pk).update(manifest=kept)
        trained(one, 0.5)
    page = board(owner_client, own)
    assert "older version do not say how many labels" in page
    assert f"in {other.project}" not in page
