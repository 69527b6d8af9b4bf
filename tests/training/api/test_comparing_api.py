"""Runs side by side and the leaderboard, by API."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest

from tests.callers import signed_in
from tests.cast import Cast, make_project
from training.models import Run, RunLink

pytestmark = pytest.mark.either
MakeRun = Callable[..., Run]


@pytest.fixture
def pair(make_run: MakeRun) -> list[Run]:
    """Two finished runs that differ in β, the second made from the first."""
    runs = [make_run(name=f"β {beta}", spec={"method": {"params": {"beta": beta}}}) for beta in (0.1, 0.5)]
    for run, (value, low, high) in zip(runs, ((0.7, 0.6, 0.8), (0.65, 0.55, 0.75)), strict=True):
        run.evaluations.create(
            name="pair_accuracy",
            result={"n": 40, "accuracy": value, "interval": [low, high]},
            dataset_sha256="ab" * 32,
            created_at=run.created_at,
        )
    RunLink.objects.create(run=runs[1], source=runs[0], role="base")
    return runs


def read(cast: Cast, part: str, **query: Any) -> Any:
    return signed_in(cast.admin).get(f"/api/v1/projects/{cast.project.slug}/{part}", query)


def test_measures_settings_and_sources_are_told(cast: Cast, pair: list[Run]) -> None:
    found = read(cast, "compare", run=[pair[1].pk, pair[0].pk]).json()
    assert [run["id"] for run in found["runs"]] == [pair[1].pk, pair[0].pk]
    assert found["runs"][0]["sources"][0]["run"] == pair[0].pk
    (measure,) = found["measures"]
    assert (measure["key"], measure["better"]) == ("pair_accuracy.accuracy", "higher")
    assert [value["standing"] for value in measure["values"]] == ["not_distinguishable", "best"]
    assert (measure["values"][1]["low"], measure["values"][1]["n"]) == (0.6, 40)
    assert found["config"] == [{"field": "method.params.beta", "values": [0.5, 0.1]}]
    assert [one["sha256"] for one in found["datasets"]] == ["ab" * 32]
    assert found["warnings"] == []


def test_a_run_without_evaluations_has_no_values(cast: Cast, pair: list[Run], make_run: MakeRun) -> None:
    other = make_run(state="failed")
    (measure,) = read(cast, "compare", run=[other.pk, pair[0].pk]).json()["measures"]
    assert [(value["run"], value["standing"]) for value in measure["values"]] == [
        (pair[0].pk, "not_compared")
    ]


def test_the_table_comes_as_a_file(cast: Cast, pair: list[Run]) -> None:
    ids = [run.pk for run in pair]
    answer = read(cast, "compare/download", run=ids, format="csv")
    rows = list(csv.DictReader(answer.getvalue().decode().splitlines()))
    assert [(row["name"], row["standing"]) for row in rows] == [
        ("β 0.1", "best"),
        ("β 0.5", "not_distinguishable"),
    ]
    assert answer["Content-Type"].startswith("text/csv")
    assert read(cast, "compare/download", run=ids, format="tex").getvalue().startswith(b"% \\usepackage")
    assert read(cast, "compare/download", run=ids, format="xlsx").status_code == 422


def test_other_runs_are_unknown_and_too_many_are_refused(
    cast: Cast, pair: list[Run], make_run: MakeRun
) -> None:
    other = make_project(cast.admin, "Other")
    url = f"/api/v1/projects/{other.slug}/compare"
    assert signed_in(cast.admin).get(url, {"run": pair[0].pk}).status_code == 404
    many = [make_run().pk for _ in range(9)]
    refused = read(cast, "compare", run=many)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_many_runs")
    assert read(cast, "compare", run="x").status_code == 422


def test_the_leaderboard_has_finished_runs_the_best_first(
    cast: Cast, pair: list[Run], make_run: MakeRun
) -> None:
    make_run()
    found = read(cast, "leaderboard/", measure="pair_accuracy.accuracy").json()
    assert found["count"] == 2
    assert [(row["rank"], row["run"], row["standing"]) for row in found["results"]] == [
        (1, pair[0].pk, "best"),
        (2, pair[1].pk, "not_distinguishable"),
    ]
    assert read(cast, "leaderboard/", dataset=10**9).json()["results"] == []
    assert read(cast, "leaderboard/", measure="divergence.kl").status_code == 422
