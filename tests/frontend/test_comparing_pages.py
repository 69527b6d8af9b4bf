"""Runs side by side and the leaderboard: what is marked, what is warned of, what can be taken along."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.cast import make_project
from tests.frontend.conftest import Desk, make_run, signed_in
from tests.frontend.test_project_pages import text
from training.models import Run, RunEvent, RunLink

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def measured(desk: Desk, value: float, low: float, high: float, sha256: str = "", **fields: Any) -> Run:
    run = make_run(desk.dataset, **({"state": "finished"} | fields))
    run.evaluations.create(
        name="pair_accuracy",
        result={"n": 40, "accuracy": value, "interval": [low, high]},
        dataset_sha256=sha256 or desk.dataset.sha256,
        created_at=run.created_at,
    )
    return run


def ask(client: Client, name: str, desk: Desk, *rest: str, **query: Any) -> Any:
    return client.get(reverse(name, args=[desk.project.slug, *rest]), query)


def compare(client: Client, desk: Desk, *runs: Run, **query: Any) -> str:
    return text(ask(client, "compare", desk, run=[run.pk for run in runs], **query))


def test_the_best_is_marked_and_what_overlaps_with_it_is_said_in_words(
    owner_client: Client, desk: Desk
) -> None:
    others = [measured(desk, 0.55, 0.4, 0.599), measured(desk, 0.7, 0.55, 0.8)]
    page = compare(owner_client, desk, desk.run, *others)
    assert "higher is better" in page
    for shown in ("0.600 to 0.850", ">best<", "0.550 to 0.800", ">not distinguishable<", "0.400 to 0.599"):
        assert page.count(shown) == 1
    assert "coarse test" in page


def test_other_held_out_data_are_warned_of_and_have_no_best(owner_client: Client, desk: Desk) -> None:
    page = compare(owner_client, desk, desk.run, measured(desk, 0.1, 0.05, 0.2, sha256="cd" * 32))
    assert "Other held-out data: no best marked" in page
    assert ">best<" not in page


def test_a_reward_model_and_a_policy_have_no_best_between_them(owner_client: Client, desk: Desk) -> None:
    judge = measured(desk, 0.95, 0.9, 0.99, kind="reward_model", method="")
    asks = judge.spec | {"subject": {"run": f"run:{judge.pk}", "split": "heldout"}}
    again = measured(desk, 0.9, 0.85, 0.95, kind="evaluation", method="", spec=asks)
    RunLink.objects.create(run=again, source=judge, role="subject")
    for other in (judge, again):
        page = compare(owner_client, desk, desk.run, other)
        assert "no best value is marked" in page
        assert ">best<" not in page
    assert ">best<" in compare(owner_client, desk, judge, again)


def test_only_settings_that_differ_are_shown_with_what_the_runs_were_made_from(
    owner_client: Client, desk: Desk
) -> None:
    changed = make_run(desk.dataset, name="Warm <b>", state="failed")
    changed.spec["training"]["epochs"] = 7.5
    changed.save()
    RunLink.objects.create(run=changed, source=desk.run, role="base")
    page = compare(owner_client, desk, desk.run, changed)
    assert "training.epochs" in page
    assert "7.5" in page
    assert "training.seed" not in page
    assert "Warm &lt;b&gt;" in page
    assert f"{desk.dataset.sha256[:12]}…" in page
    assert "Base model: <a" in page
    assert "Some runs failed or were cancelled" in page
    assert "Some runs have not finished" not in page


def test_curves_have_a_line_a_run_in_its_colour_and_start_with_loss_and_margins(
    owner_client: Client, desk: Desk
) -> None:
    other = make_run(desk.dataset, name="Other", latest={"rewards/margins": 1.0, "grad_norm": 2.0})
    RunEvent.objects.create(
        run=other,
        seq=1,
        kind="metrics",
        step=4,
        at=other.created_at,
        data={"rewards/margins": 1.0, "loss": 0.5},
    )
    query = {"run": [desk.run.pk, other.pk]}
    plots = ask(owner_client, "compare-data", desk, **query).json()["plots"]
    assert [(plot["id"], len(plot["series"])) for plot in plots] == [("loss", 2), ("rewards-margins", 1)]
    assert plots[0]["series"][0]["points"] == [[1, 0.7], [2, 0.35]]
    assert plots[1]["series"][0]["place"] == 1
    asked = ask(owner_client, "compare-data", desk, **query, metric="rewards/margins").json()["plots"]
    assert [plot["id"] for plot in asked] == ["rewards-margins"]
    page = compare(owner_client, desk, desk.run, other, metric="grad_norm")
    assert 'value="grad_norm" checked' in page
    assert 'value="loss" >' in page


def test_the_table_is_taken_along_in_three_formats(owner_client: Client, desk: Desk) -> None:
    other = measured(desk, 0.7, 0.55, 0.8, name="=50% & more")
    found = {
        kind: ask(owner_client, "compare-file", desk, kind, run=[desk.run.pk, other.pk])
        for kind in ("csv", "md", "tex")
    }
    assert [row["name"] for row in csv.DictReader(found["csv"].content.decode().splitlines())] == [
        "",
        "'=50% & more",
    ]
    assert "not distinguishable" in text(found["md"])
    assert r"=50\% \& more (\#2)" in text(found["tex"])
    for kind, answer in found.items():
        assert f'filename="{desk.project.slug}-runs.{kind}"' in answer["Content-Disposition"]
    assert ask(owner_client, "compare-file", desk, "xlsx").status_code == 404


def test_runs_of_another_project_are_unknown_even_to_somebody_who_manages_both(desk: Desk) -> None:
    other = make_project(desk.cast.owner, "Other")
    client = signed_in(desk.cast.owner)
    for name, rest in (("compare", []), ("compare-data", []), ("compare-file", ["csv"])):
        answer = client.get(reverse(name, args=[other.slug, *rest]), {"run": desk.run.pk})
        assert answer.status_code == 404, name
    assert client.get(reverse("compare", args=[other.slug]), {"run": "x"}).status_code == 404


def test_too_many_runs_are_refused_in_words_and_one_named_twice_counts_once(
    owner_client: Client, desk: Desk
) -> None:
    runs = [desk.run, *(make_run(desk.dataset) for _ in range(8))]
    answer = ask(owner_client, "compare", desk, run=[run.pk for run in runs])
    assert answer.status_code == 422
    assert "At most 8 runs" in answer.content.decode()
    page = compare(owner_client, desk, *runs[:8], runs[0])
    assert "8 runs compared" in page
    assert "Choose 2 to 8 runs" in compare(owner_client, desk)


def test_the_leaderboard_ranks_finished_runs_and_says_who_is_not_distinguishable(
    owner_client: Client, desk: Desk
) -> None:
    measured(desk, 0.9, 0.84, 0.95, name="Top")
    measured(desk, 0.99, 0.9, 1.0, name="Unfinished", state="running", slot="a/0")
    measured(desk, 0.5, 0.4, 0.6, name="Last")
    page = text(ask(owner_client, "leaderboard", desk))
    assert "Unfinished" not in page
    assert page.index("Top") < page.index("0.725") < page.index("Last")
    assert page.count(">not distinguishable<") == 1
    assert ">apart<" in page
    assert ">apart<" in text(ask(owner_client, "leaderboard", desk, measure="nonsense", dataset="x"))


def test_the_leaderboard_warns_of_other_data_and_can_be_narrowed(owner_client: Client, desk: Desk) -> None:
    measured(desk, 0.9, 0.85, 0.95, sha256="cd" * 32)
    assert "Other held-out data" in text(ask(owner_client, "leaderboard", desk))
    empty = text(ask(owner_client, "leaderboard", desk, dataset=desk.dataset.pk + 1))
    assert "Nothing to rank" in empty


def test_kl_stands_beside_win_rates_and_nowhere_else(owner_client: Client, desk: Desk) -> None:
    for name, result in (
        ("win_rate", {"n": 9, "win_rate": 0.6, "win_rate_interval": [0.5, 0.7]}),
        ("divergence", {"n": 9, "contexts": {"n": 40, "kl_token": 0.125}}),
    ):
        desk.run.evaluations.create(
            name=name, result=result, dataset_sha256=desk.dataset.sha256, created_at=desk.run.created_at
        )
    page = text(ask(owner_client, "leaderboard", desk, measure="win_rate.win_rate"))
    board, _, _ = page.partition('id="sampling"')
    assert "KL a token" in board
    assert "0.125" in board
    assert "KL a token" not in text(ask(owner_client, "leaderboard", desk)).partition('id="sampling"')[0]
    url = f"/api/v1/projects/{desk.project.slug}/leaderboard/"
    (row,) = owner_client.get(url, {"measure": "win_rate.win_rate"}).json()["results"]
    assert row["kl_token"]["value"] == 0.125
    (row,) = owner_client.get(url, {"measure": "pair_accuracy.accuracy"}).json()["results"]
    assert row["kl_token"] is None


@pytest.mark.parametrize("name", ["compare", "compare-data", "leaderboard"])
def test_more_runs_ask_no_more_queries(name: str, owner_client: Client, desk: Desk) -> None:
    runs: list[Run] = []
    counts = []
    for many in (1, 6):
        runs += [measured(desk, 0.5, 0.4, 0.6) for _ in range(many)]
        RunLink.objects.bulk_create(RunLink(run=run, source=desk.run, role="base") for run in runs[-many:])
        with CaptureQueriesContext(connection) as seen:
            assert ask(owner_client, name, desk, run=[run.pk for run in runs]).status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_the_list_of_runs_leads_to_the_comparison(owner_client: Client, desk: Desk) -> None:
    page = text(ask(owner_client, "runs", desk))
    assert f'name="run" value="{desk.run.pk}"' in page
    assert f'action="{reverse("compare", args=[desk.project.slug])}"' in page
