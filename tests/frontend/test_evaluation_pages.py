"""A run's model evaluated again from its page: the form, the way back, and what lists of runs say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from tests.callers import by_token, post
from tests.frontend.conftest import Desk, make_run
from tests.frontend.test_project_pages import text
from training import artifacts
from training.engine.evaluations import rewardbench
from training.models import Evaluation, Run

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture
def trained(desk: Desk) -> Run:
    """The finished run of the desk, with a model and a kept checkpoint."""
    Run.objects.filter(pk=desk.run.pk).update(has_model=True, name="Mine")
    kept = artifacts.folder(desk.run.pk) / "checkpoints" / "checkpoint-1500"
    kept.mkdir(parents=True)
    (kept / "COMPLETE").touch()
    desk.run.refresh_from_db()
    return desk.run


def form(desk: Desk, **changes: Any) -> dict[str, Any]:
    return {
        "dataset": str(desk.dataset.pk),
        "subject.split": "all",
        "evaluation.names": ["pair_accuracy"],
        "evaluation.batch_size": "8",
        "evaluation.generation.prompts": "0",
        **changes,
    }


def finish(run: Run, accuracy: float) -> None:
    Run.objects.filter(pk=run.pk).update(state="finished")
    result = {"n": 40, "accuracy": accuracy, "interval": [accuracy - 0.1, accuracy + 0.1]}
    Evaluation.objects.create(
        run=run,
        name="pair_accuracy",
        result=result,
        dataset_sha256=run.dataset.sha256,
        created_at=run.created_at,
    )


def test_a_model_is_evaluated_again_from_its_page(owner_client: Client, desk: Desk, trained: Run) -> None:
    page, ask = reverse("run", args=[trained.pk]), reverse("run-evaluate", args=[trained.pk])
    assert f'href="{ask}"' in text(owner_client.get(page))
    shown = text(owner_client.get(ask))
    assert '<option value="1500" >Checkpoint of step 1,500</option>' in shown
    assert "(the run's own)" in shown
    assert "training.epochs" not in shown
    answer = owner_client.post(ask, form(desk, **{"subject.checkpoint": "1500"}))
    made = Run.objects.latest("pk")
    assert answer["Location"] == reverse("run", args=[made.pk])
    assert (made.kind, made.dataset) == ("evaluation", desk.dataset)
    assert made.spec["subject"] == {
        "run": f"run:{trained.pk}",
        "checkpoint": 1500,
        "split": "all",
        "seed": None,
    }
    assert "checkpoint of step 1,500" in text(owner_client.get(answer["Location"]))

    finish(made, 0.625)
    listed = text(owner_client.get(page))
    assert "Evaluated again" in listed
    assert "0.625" in listed
    own = text(owner_client.get(answer["Location"]))
    assert "Mine at step 1,500, evaluated again" not in own  # names are plain text
    assert "Mine at step 1500, evaluated again" in own
    assert "all preferences, 95% intervals" in own
    assert "run-model" not in own
    again = owner_client.get(reverse("run-new", args=[desk.project.slug]), {"like": made.pk})
    assert again["Location"] == f"{ask}?like={made.pk}"
    assert '<option value="1500" selected>' in text(owner_client.get(again["Location"]))


def test_no_list_shows_a_model_twice_without_a_word(owner_client: Client, desk: Desk, trained: Run) -> None:
    def launch(**changes: str) -> Run:
        owner_client.post(reverse("run-evaluate", args=[trained.pk]), form(desk, **changes))
        return Run.objects.latest("pk")

    later, everything = launch(name="Later", **{"subject.split": "heldout"}), launch(name="Everything")
    finish(later, 0.9)
    finish(everything, 0.95)
    assert "model of</span>" in text(owner_client.get(reverse("runs", args=[desk.project.slug])))
    board = text(owner_client.get(reverse("leaderboard", args=[desk.project.slug])))
    assert f"evaluates Mine #{trained.number}</span>" in board
    assert "Everything" not in board  # training data are in it
    chosen = [trained.pk, later.pk, everything.pk]
    both = text(owner_client.get(reverse("compare", args=[desk.project.slug]), {"run": chosen}))
    assert "One model is here more than once" in both
    assert f"evaluates Mine #{trained.number}, all preferences" in both
    assert "Another split of the data: no best marked" in both
    assert "trained on different datasets" not in both
    url = f"/api/v1/projects/{desk.project.slug}"
    told = owner_client.get(f"{url}/compare", {"run": chosen}).json()
    fields = [one["field"] for one in told["config"]]
    assert "evaluated again.split" in fields
    assert not [one for one in fields if one.startswith(("training.", "method.", "model."))]
    found = owner_client.get(f"{url}/leaderboard/?measure=pair_accuracy.accuracy").json()["results"]
    assert [(one["run"], one["subject"]) for one in found] == [(later.pk, trained.pk), (trained.pk, None)]


def test_what_cannot_be_evaluated_is_said_where_it_was_asked(
    owner_client: Client, desk: Desk, trained: Run
) -> None:
    ask = reverse("run-evaluate", args=[trained.pk])
    answer = owner_client.post(ask, form(desk, **{"subject.checkpoint": "7", "evaluation.judge": "x"}))
    assert answer.status_code == 422
    assert "A judge needs responses" in text(answer)
    answer = owner_client.post(ask, form(desk, **{"subject.checkpoint": "7"}))
    assert "has no checkpoint of step 7, or not any more" in text(answer)
    going = make_run(desk.dataset, state="running")
    answer = owner_client.post(reverse("run-evaluate", args=[going.pk]), form(desk))
    assert "can be evaluated when it has ended" in text(answer)
    assert reverse("run-evaluate", args=[going.pk]) not in text(
        owner_client.get(reverse("run", args=[going.pk]))
    )
    reward = make_run(desk.dataset, state="finished", kind="reward_model", has_model=True)
    shown = text(owner_client.get(reverse("run-evaluate", args=[reward.pk])))
    assert "evaluation.judge" not in shown
    assert "heldout_loss" not in shown
    assert not Run.objects.filter(kind="evaluation").exists()


def test_rewardbench_is_asked_for_and_read_on_the_pages(
    owner_client: Client, desk: Desk, trained: Run, settings: Any, tmp_path: Path
) -> None:
    settings.BENCHMARK_DIR = tmp_path
    for name in ("reward-bench.parquet", "base.json", "clf.txt", ".hidden.json"):
        (tmp_path / name).touch()
    ask = reverse("run-evaluate", args=[trained.pk])
    shown = text(owner_client.get(ask))
    assert '<option value="reward-bench.parquet">' in shown
    assert 'list="benchmark-files"' in shown
    assert '<datalist id="baseline-files"><option value="base.json"></option></datalist>' in shown
    assert '<datalist id="prompt-files"><option value="clf.txt"></option></datalist>' in shown
    assert "evaluation.rewardbench" not in text(
        owner_client.get(reverse("run-new", args=[desk.project.slug]))
    )
    wanted = {"evaluation.names": [], "evaluation.rewardbench.data": "../x.json"}
    refused = owner_client.post(ask, form(desk, **wanted))
    assert refused.status_code == 422
    assert "neither the name of a file of the benchmark folder" in text(refused)
    wanted |= {"evaluation.rewardbench.data": "reward-bench.parquet", "evaluation.rewardbench.compat": "on"}
    owner_client.post(ask, form(desk, **wanted))
    made = Run.objects.latest("pk")
    assert made.spec["evaluation"]["rewardbench"] == {"data": "reward-bench.parquet", "compat": True}
    result = rewardbench.summary(["math-prm", "math-prm", "hep-go"], [1, 0, 1], [0, 1, 0])
    Run.objects.filter(pk=made.pk).update(state="finished")
    Evaluation.objects.create(run=made, name="rewardbench", result=result, created_at=made.created_at)
    page = text(owner_client.get(reverse("run", args=[made.pk])))
    for words in (
        "RewardBench",
        "Reasoning accuracy",
        "Subsets, 2 rows",
        "so there is no leaderboard",
    ):
        assert words in page
    sft = make_run(desk.dataset, state="finished", kind="sft", has_model=True)
    assert 'name="evaluation.rewardbench' not in text(
        owner_client.get(reverse("run-evaluate", args=[sft.pk]))
    )


def test_a_judges_annotations_are_given_on_the_runs_page(
    owner_client: Client, desk: Desk, trained: Run, settings: Any, tmp_path: Path
) -> None:
    settings.BENCHMARK_DIR = tmp_path
    page, url = reverse("run", args=[trained.pk]), reverse("run-annotations", args=[trained.pk])
    name = f"run-{trained.pk}-{trained.method}"
    shown = text(owner_client.get(page))
    assert f'hx-post="{url}"' in shown
    assert f'<span class="mono">{name}</span>' in shown
    both = {"instruction": "q", "output_1": "a", "generator_1": "base", "output_2": "b"}
    rows = [both | {"generator_2": name, "preference": 1.75}, both | {"generator_2": name, "preference": 1}]

    def give(rows: Any, **headers: str) -> Any:
        sent = SimpleUploadedFile("annotations.json", json.dumps(rows).encode())
        return owner_client.post(url, {"file": sent}, headers=headers)

    refused = give([both | {"generator_2": "other", "preference": 1}], **{"HX-Request": "true"})
    assert refused.status_code == 422
    assert f"The annotations are of other, not of {name}." in text(refused)
    assert "<html" not in text(refused)
    assert "entry 1: instruction" in text(owner_client.get(give([{}])["Location"]))
    assert give(rows, **{"HX-Request": "true"})["HX-Redirect"] == page
    told = text(owner_client.get(page))
    for words in (
        "AlpacaEval",
        "37.500",
        "2 annotations: the benchmark has 805 prompts.",
        "Another file takes",
    ):
        assert words in told
    board = reverse("leaderboard", args=[desk.project.slug])
    assert "37.5" in text(owner_client.get(board, {"measure": "alpaca_eval.win_rate"}))
    Run.objects.filter(pk=trained.pk).update(kind="reward_model")
    assert url not in text(owner_client.get(page))


def test_what_was_written_and_judged_is_downloaded_from_the_page(
    owner_client: Client, desk: Desk, trained: Run
) -> None:
    asked = {"evaluation.alpaca_eval.baseline": "base.json", "evaluation.alpaca_eval.judge": "tester"}
    here, request = reverse("run-evaluate", args=[trained.pk]), "evaluation.alpaca_eval.request"
    wrong = [
        ("{", "Must be a JSON object"),
        ('{"n": 2}', "cannot set n"),
        ('{"a": ["\\u0000"]}', "A NUL character"),
    ]
    for typed, words in wrong:
        assert words in text(owner_client.post(here, form(desk, **asked, **{request: typed})))
    owner_client.post(here, form(desk, **asked, **{request: ' {"max_tokens": null, "stop": "ü\\\\u0000"} '}))
    made = Run.objects.latest("pk")
    section = made.spec["evaluation"]["alpaca_eval"]
    assert (section["judge"], section["request"]) == ("tester", {"max_tokens": None, "stop": "ü\\u0000"})
    assert "&quot;max_tokens&quot;: null" in owner_client.get(here, {"like": made.pk}).content.decode()
    Run.objects.filter(pk=made.pk).update(state="failed")
    page, link = reverse("run", args=[made.pk]), reverse("run-alpaca-file", args=[made.pk, "outputs"])
    assert link not in text(owner_client.get(page))
    artifacts.folder(made.pk).mkdir(parents=True, exist_ok=True)
    (artifacts.folder(made.pk) / "alpaca-outputs.json").write_text("[1]")
    shown = text(owner_client.get(page))
    assert f'href="{link}"' in shown
    assert reverse("run-alpaca-file", args=[made.pk, "annotations"]) not in shown
    answer = owner_client.get(link)
    assert answer.getvalue() == b"[1]"
    assert f'filename="run-{made.pk}-alpaca-outputs.json"' in answer["Content-Disposition"]


def test_the_api_evaluates_by_the_runs_id_alone(desk: Desk, trained: Run) -> None:
    caller = by_token(desk.cast.admin, "train")
    made = post(caller, "/api/v1/runs/", {"subject_run": trained.pk})
    assert made.status_code == 201, made.json()
    run = made.json()
    assert (run["kind"], run["dataset_id"], run["has_model"]) == ("evaluation", desk.dataset.pk, False)
    assert [(one["role"], one["run"]) for one in run["sources"]] == [("subject", trained.pk)]
    finish(Run.objects.get(pk=run["id"]), 0.8)
    (row,) = by_token(desk.cast.admin, "read").get(f"/api/v1/runs/{run['id']}/evaluations/").json()
    assert row["spec"] == {name: run["spec"][name] for name in ("subject", "evaluation")}
    assert json.dumps(row["result"]) == json.dumps(Evaluation.objects.latest("pk").result)
    refused = post(caller, "/api/v1/runs/", {"spec": {}})
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["dataset"])
    assert post(by_token(desk.cast.outsider, "train"), "/api/v1/runs/", {"subject_run": trained.pk}).json()[
        "fields"
    ] == {"subject.run": [f"There is no run with the id {trained.pk}."]}
