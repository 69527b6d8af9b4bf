"""What a run tells by API: events, curves, log, evaluations, the model."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.callers import by_token, signed_in
from tests.cast import Cast
from training.models import Evaluation, Run, RunEvent

pytestmark = pytest.mark.either
MakeRun = Callable[..., Run]


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    """A run with three steps behind it."""
    run = make_run(state="running", slot="w:0")
    at = timezone.now()
    RunEvent.objects.create(run=run, seq=0, kind="started", at=at, data={})
    for step in (1, 2, 3):
        data = {"loss": 0.7 - step / 10, "note": "text"}
        RunEvent.objects.create(run=run, seq=step * 100, kind="metrics", step=step, at=at, data=data)
    return run


def read(cast: Cast, run: Run, part: str, **query: Any) -> Any:
    answer = signed_in(cast.admin).get(f"/api/v1/runs/{run.pk}/{part}/", query)
    return answer.json()


def test_events_are_read_in_order_and_on_from_where_one_was(cast: Cast, run: Run) -> None:
    first = read(cast, run, "events", limit=1)
    assert [event["kind"] for event in first["events"]] == ["started"]
    assert first["last_seq"] == 0
    rest = read(cast, run, "events", after_seq=first["last_seq"])
    assert [event["step"] for event in rest["events"]] == [1, 2, 3]
    assert rest["state"] == "running"
    none = read(cast, run, "events", after_seq=rest["last_seq"])
    assert (none["events"], none["last_seq"]) == ([], 300)


def test_events_are_narrowed_by_kind(cast: Cast, run: Run) -> None:
    url = f"/api/v1/runs/{run.pk}/events/?kinds=started&kinds=failed"
    assert [event["kind"] for event in signed_in(cast.owner).get(url).json()["events"]] == ["started"]
    assert read(cast, run, "events", kinds="gossip")["code"] == "invalid"
    assert read(cast, run, "events", after_seq="x")["fields"]["after_seq"]


def test_curves_are_lists_of_step_and_value(cast: Cast, run: Run) -> None:
    curves = read(cast, run, "curves")["curves"]
    assert list(curves) == ["loss"]
    assert [step for step, _ in curves["loss"]] == [1, 2, 3]
    assert curves["loss"][0][1] == pytest.approx(0.6)


def test_the_log_is_its_tail(cast: Cast, run: Run, settings: Any) -> None:
    folder = settings.RUNS_DIR / str(run.pk)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("".join(f"line {n}\n" for n in range(50)))
    assert read(cast, run, "log", lines=2)["log"].split("\n")[:2] == ["line 48", "line 49"]
    assert read(cast, run, "log", lines=0)["code"] == "invalid"


def test_evaluations_come_as_the_engine_wrote_them(cast: Cast, run: Run) -> None:
    Evaluation.objects.create(
        run=run,
        name="pair_accuracy",
        result={"accuracy": 0.75},
        dataset_sha256="ab" * 32,
        created_at=timezone.now(),
    )
    found = read(cast, run, "evaluations")
    assert [(item["name"], item["result"]) for item in found] == [("pair_accuracy", {"accuracy": 0.75})]


def test_the_responses_are_the_engines_file(cast: Cast, run: Run, settings: Any) -> None:
    assert by_token(cast.admin, "read").get(f"/api/v1/runs/{run.pk}/responses").status_code == 404
    folder: Path = settings.RUNS_DIR / str(run.pk)
    folder.mkdir(parents=True)
    (folder / "generations.jsonl").write_text('{"response": "é"}\n')
    answer = by_token(cast.admin, "read").get(f"/api/v1/runs/{run.pk}/responses")
    assert answer["Content-Type"] == "application/x-ndjson"
    body = answer.getvalue()
    assert body == (folder / "generations.jsonl").read_bytes()
    assert int(answer["Content-Length"]) == len(body)


def test_the_model_is_a_tar_of_its_files(cast: Cast, make_run: MakeRun, settings: Any) -> None:
    run = make_run(has_model=True)
    folder: Path = settings.RUNS_DIR / str(run.pk) / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    (folder / "README.md").write_text("# Card\n")
    answer = by_token(cast.admin, "read").get(f"/api/v1/runs/{run.pk}/model")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/x-tar"
    assert "attachment" in answer["Content-Disposition"]
    body = answer.getvalue()
    assert int(answer["Content-Length"]) == len(body)
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        names = {Path(name).name for name in tar.getnames()}
    assert {"model.safetensors", "README.md"} <= names


def test_a_run_without_a_model_says_so(cast: Cast, make_run: MakeRun) -> None:
    answer = signed_in(cast.owner).get(f"/api/v1/runs/{make_run().pk}/model")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_model")
