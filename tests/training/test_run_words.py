"""What engines and workers say, as people read it: no folders of the worker, runs by their ids or names."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from annotation.models import WebhookDelivery
from annotation.services import webhook_settings
from tests.callers import signed_in
from tests.cast import NOW, Cast
from tests.training.conftest import Launch
from training import artifacts, comparing, run_words
from training.comparing import Result
from training.engine.events import EventWriter
from training.services import custody, run_events


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/var/my runs/9/spec.json is broken.", "spec.json is broken."),
        ("There is no run in /var/my runs/9.", "There is no run in the run's folder."),
        ("/var/my runs/9/sources/run-7-responses/generations.jsonl: line 1", "run:7: line 1"),
        ("No model in /elsewhere/3/sources/run-7, or sources/run-8-whole.", "No model in run:7, or run:8."),
        ("/var/my runs/91/spec.json, /models/judge", "/var/my runs/91/spec.json, /models/judge"),
        ([{"judge": "sources/run-7", "n": 3}, None], [{"judge": "run:7", "n": 3}, None]),
    ],
)
def test_folders_of_the_worker_are_not_told(said: Any, told: Any) -> None:
    assert run_words.told(said, Path("/var/my runs/9")) == told


def test_the_programs_folders_go_by_their_settings(settings: Any) -> None:
    cache, folder = settings.CACHE_DIR, settings.VAR_DIR
    said = f"Permission denied: '{cache}/verdicts/ab.jsonl', {folder}, {folder}x"
    told = f"Permission denied: 'POP_CACHE_DIR/verdicts/ab.jsonl', POP_VAR_DIR, {folder}x"
    assert run_words.told(said) == told


@pytest.mark.parametrize("long", ["a/" * 500_000, "a" * 1_000_000, "sources/run-7/" * 70_000])
def test_long_texts_of_people_who_mean_harm_take_no_longer_than_others(long: str) -> None:
    assert run_words.mentioned([long]) <= {7}  # as the square of the length it would take hours
    assert len(run_words.told(long)) <= len(long)


def test_runs_are_named_where_their_names_may_be_known() -> None:
    text = "run:7 and sources/run-7/model, but run:71 and rerun:7"
    assert run_words.mentioned([text]) == {7, 71}
    assert run_words.named(text, {7: "One"}) == "“One” and “One”, but run:71 and rerun:7"


def test_a_judge_has_one_name_in_older_results_and_in_new_ones() -> None:
    found = [
        Result("win_rate", {"n": 9, "win_rate": 0.5, "judge": name, "against": "x"}, "ab")
        for name in ("sources/run-7", "run:7")
    ]
    assert comparing.unlike(found) == ""


@pytest.mark.either
@pytest.mark.django_db
def test_api_and_webhooks_tell_what_the_page_does(
    launch: Launch, cast: Cast, settings: Any, tmp_path: Path
) -> None:
    settings.RUNS_DIR = tmp_path / "runs"
    webhook_settings.create(
        project=cast.project,
        url="https://hooks.example.org/",
        events=["run.finished"],
        by=cast.owner,
        at=NOW,
    )
    run = custody.claim(launch().pk, "one@test/0", NOW)
    assert run is not None
    folder = artifacts.folder(run.pk)
    folder.mkdir(parents=True)
    source = f"{folder}/sources/run-7"
    with closing(EventWriter(folder / "events.jsonl")) as events:
        events.write("warning", code="judge_unusable", message=f"No judge in {source}.")
        events.write("evaluation", name="win_rate", result={"skipped": f"{source}/x.json is broken"})
    run_events.ingest(run=run, file=folder / "events.jsonl")
    custody.warn(run=run, code="storage", message=f"{folder}/model: no space")
    custody.fail(
        run=run, at=NOW, error=f"{source}-responses/generations.jsonl: line 1", hint=f"See {folder}."
    )
    client = signed_in(cast.owner)
    found = client.get(f"/api/v1/runs/{run.pk}/").json()
    assert (found["error"], found["hint"]) == ("run:7: line 1", "See the run's folder.")
    assert [one["message"] for one in found["warnings"]] == ["No judge in run:7.", "model: no space"]
    (result,) = client.get(f"/api/v1/runs/{run.pk}/evaluations/").json()
    assert result["result"] == {"skipped": "run:7 is broken"}
    told = WebhookDelivery.objects.get().payload
    assert told["data"]["error"] == found["error"]
    everything = [found, told, client.get(f"/api/v1/runs/{run.pk}/events/").json()]
    assert str(tmp_path) not in json.dumps(everything)
