"""Runs by API: launched, watched, cancelled, resumed, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import PopDataset
from tests.callers import by_token, post, signed_in
from tests.cast import Cast, make_user
from training.engine.presets import PRESETS
from training.models import Run

pytestmark = pytest.mark.either
RUNS = "/api/v1/runs/"
MakeRun = Callable[..., Run]


def launch(cast: Cast, dataset: PopDataset, spec: dict[str, Any]) -> Any:
    body = {"dataset": dataset.pk, "spec": spec, "name": "First try"}
    return post(by_token(cast.admin, "train"), RUNS, body)


def test_a_preset_launches_as_it_is(cast: Cast, dataset: PopDataset) -> None:
    made = launch(cast, dataset, PRESETS["tiny-cpu"].spec)
    assert made.status_code == 201
    run = made.json()
    assert (run["state"], run["method"], run["name"]) == ("queued", "dpo_pop", "First try")
    assert run["spec"]["dataset"]["sha256"] == dataset.sha256
    assert run["spec"]["method"]["params"]["beta"] == 0.5


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"method": {"slug": "dpo_pop", "params": {"beta": -1}}}, "method.params.beta"),
        ({"method": {"slug": "telepathy"}}, "method.slug"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate"),
        ({"trianing": {}}, "trianing"),
        ({"model": {"base": "/etc/passwd"}}, "model.base"),
        ({"name": "a\0b"}, "spec"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_spec_is_refused_by_its_place(
    cast: Cast, dataset: PopDataset, spec: dict[str, Any], field: str
) -> None:
    answer = launch(cast, dataset, spec)
    assert answer.status_code == 422
    assert field in answer.json()["fields"]
    assert not Run.objects.exists()


def test_a_dataset_still_freezing_is_409(cast: Cast, dataset: PopDataset) -> None:
    PopDataset.objects.update(state="freezing")
    assert launch(cast, dataset, {}).status_code == 409


@pytest.mark.parametrize("spec", ['{"training": {"epochs": 1e999}}', r'{"name": "\ud800"}', r'{"\ud800": 1}'])
def test_what_json_cannot_keep_is_refused(cast: Cast, dataset: PopDataset, spec: str) -> None:
    body = f'{{"dataset": {dataset.pk}, "spec": {spec}}}'
    answer = signed_in(cast.owner).post(RUNS, body, content_type="application/json")
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["spec"])


def test_the_spec_must_be_an_object(cast: Cast, dataset: PopDataset) -> None:
    answer = post(signed_in(cast.owner), RUNS, {"dataset": dataset.pk, "spec": "dpo"})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["spec"])


@pytest.mark.parametrize("dataset_id", [999_999, 2**70])
def test_an_unknown_dataset_is_404(cast: Cast, dataset_id: int) -> None:
    assert post(signed_in(cast.owner), RUNS, {"dataset": dataset_id, "spec": {}}).status_code == 404


def test_a_queued_run_is_cancelled_and_an_ended_one_is_not(cast: Cast, make_run: MakeRun) -> None:
    client = by_token(cast.owner, "train")
    run = make_run(state="queued")
    assert post(client, f"{RUNS}{run.pk}/cancel").json()["state"] == "cancelled"
    ended = make_run(state="finished")
    assert post(client, f"{RUNS}{ended.pk}/cancel").status_code == 409


def test_a_cancelled_run_is_resumed_from_its_checkpoint(cast: Cast, make_run: MakeRun) -> None:
    client = by_token(cast.owner, "train")
    kept = make_run(state="cancelled", has_checkpoint=True)
    assert post(client, f"{RUNS}{kept.pk}/resume").json()["state"] == "queued"
    bare = make_run(state="cancelled")
    assert (post(client, f"{RUNS}{bare.pk}/resume").json()["code"]) == "no_checkpoint"


def test_an_ended_run_is_deleted_and_a_going_one_is_not(cast: Cast, make_run: MakeRun) -> None:
    client = signed_in(cast.owner)
    going = make_run(state="queued")
    assert client.delete(f"{RUNS}{going.pk}/").status_code == 409
    ended = make_run(state="failed")
    assert client.delete(f"{RUNS}{ended.pk}/").status_code == 204
    assert list(Run.objects.all()) == [going]


def test_the_list_costs_the_same_for_two_and_twenty(cast: Cast, make_run: MakeRun) -> None:
    client, counts = signed_in(cast.owner), {}
    url = f"/api/v1/projects/{cast.project.slug}/runs/"
    for rows in (2, 20):
        while Run.objects.count() < rows:
            make_run(created_by=make_user(f"trainer{Run.objects.count()}"))
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get(url).json()["results"]) == rows
        counts[rows] = len(queries)
    assert counts[2] == counts[20]


def test_the_list_is_filtered_by_state_and_method(cast: Cast, make_run: MakeRun) -> None:
    make_run(state="queued")
    make_run(state="failed", method="dpo")
    url = f"/api/v1/projects/{cast.project.slug}/runs/"
    client = signed_in(cast.owner)
    assert [run["state"] for run in client.get(url, {"state": "queued"}).json()["results"]] == ["queued"]
    assert [run["method"] for run in client.get(url, {"method": "dpo"}).json()["results"]] == ["dpo"]
    assert client.get(url, {"dataset": 2**50}).json()["results"] == []
    assert client.get(url, {"dataset": 2**70}).status_code == 422
    assert client.get(url, {"state": "resting"}).status_code == 422
