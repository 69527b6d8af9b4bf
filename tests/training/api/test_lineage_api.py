"""Kinds of runs and their family by API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import PopDataset, User
from tests.callers import by_token, post, signed_in
from tests.cast import Cast, add_preferences, make_project
from training.engine.presets import PRESETS
from training.models import Run, RunLink

pytestmark = pytest.mark.either
RUNS = "/api/v1/runs/"
MakeRun = Callable[..., Run]


def launch(cast: Cast, dataset: PopDataset, **body: Any) -> Any:
    return post(by_token(cast.admin, "train"), RUNS, {"dataset": dataset.pk, **body})


def test_a_run_tells_what_it_was_made_from_and_what_from_it(
    cast: Cast, dataset: PopDataset, make_run: MakeRun
) -> None:
    base = make_run(kind="sft", method="", has_model=True, name="Base")
    reward = make_run(kind="reward_model", method="", has_model=True)
    spec = {"method": {"slug": "mmpo"}}
    add_preferences(cast.project, 4)
    made = launch(cast, dataset, spec=spec, base_run=base.pk, reward_model_run=reward.pk)
    assert made.status_code == 201, made.json()
    run = made.json()
    assert (run["kind"], run["method"], run["used_by"]) == ("preference", "mmpo", [])
    here = {"project_id": cast.project.pk}
    assert run["sources"] == [
        here | {"role": "base", "run": base.pk, "number": base.number, "name": "Base", "kind": "sft"},
        here
        | {
            "role": "reward_model",
            "run": reward.pk,
            "number": reward.number,
            "name": "",
            "kind": "reward_model",
        },
    ]
    assert run["spec"]["model"]["base"] == f"run:{base.pk}"
    client = signed_in(cast.owner)
    (use,) = client.get(f"{RUNS}{reward.pk}/").json()["used_by"]
    assert (use["run"], use["role"], use["kind"]) == (run["id"], "reward_model", "preference")
    refused = by_token(cast.admin, "train").delete(f"{RUNS}{base.pk}/")
    assert (refused.status_code, refused.json()["code"]) == (409, "run_in_use")


@pytest.mark.parametrize("name", ["tiny-cpu-sft", "tiny-cpu-reward", "paper-sft"])
def test_presets_of_the_first_step_are_launched(cast: Cast, dataset: PopDataset, name: str) -> None:
    made = launch(cast, dataset, spec=PRESETS[name].spec)
    assert made.status_code == 201, made.json()
    assert (made.json()["kind"], made.json()["method"]) == (PRESETS[name].spec["kind"], "")


def test_a_source_that_is_not_there_names_its_field(cast: Cast, dataset: PopDataset) -> None:
    refused = launch(cast, dataset, base_run=77)
    assert refused.status_code == 422
    assert refused.json()["fields"] == {
        "model.base": ["There is no run with the id 77 in this project."],
    }


def test_a_section_of_another_kind_is_refused(cast: Cast, dataset: PopDataset) -> None:
    refused = launch(cast, dataset, spec={"kind": "sft", "method": {"slug": "dpo"}})
    assert refused.status_code == 422
    assert "sft runs have no section 'method'" in refused.json()["detail"]


def test_runs_are_listed_by_kind(cast: Cast, make_run: MakeRun) -> None:
    make_run()
    sft = make_run(kind="sft", method="")
    url = f"/api/v1/projects/{cast.project.slug}/runs/"
    found = signed_in(cast.owner).get(url, {"kind": "sft"}).json()["results"]
    assert [(run["id"], run["kind"]) for run in found] == [(sft.pk, "sft")]


def test_a_large_family_asks_no_more_queries(cast: Cast, make_run: MakeRun) -> None:
    base = make_run(kind="sft", has_model=True)
    client = signed_in(cast.owner)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get(f"{RUNS}{base.pk}/").status_code == 200
        return len(seen)

    RunLink.objects.create(run=make_run(), source=base, role="base")
    before = queries()
    for _ in range(4):
        RunLink.objects.create(run=make_run(), source=base, role="base")
    assert queries() == before


def test_a_judge_of_another_project_is_told_to_whoever_manages_it(cast: Cast, make_run: MakeRun) -> None:
    elsewhere = make_project(cast.owner, "Elsewhere")
    judge = make_run(kind="reward_model", method="", has_model=True, name="Theirs")
    made = make_run(name="Ours")
    Run.objects.filter(pk=judge.pk).update(project=elsewhere)
    RunLink.objects.create(run=made, source=judge, role="judge")

    def sources(user: User) -> list[tuple[int, str]]:
        found = signed_in(user).get(f"{RUNS}{made.pk}/").json()["sources"]
        return [(one["project_id"], one["name"]) for one in found]

    assert sources(cast.owner) == [(elsewhere.pk, "Theirs")]
    assert sources(cast.admin) == []
    compared = f"/api/v1/projects/{cast.project.slug}/compare?run={made.pk}"
    for user, count in ((cast.owner, 1), (cast.admin, 0)):
        assert len(signed_in(user).get(compared).json()["runs"][0]["sources"]) == count
    used = signed_in(cast.owner).get(f"{RUNS}{judge.pk}/").json()["used_by"]
    assert [(one["run"], one["project_id"]) for one in used] == [(made.pk, cast.project.pk)]
