"""A run's page in each of its states, its curves, its results, and what can be done with it."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.services import workers
from tests.frontend.conftest import Desk, make_run
from tests.frontend.test_project_pages import text
from training.models import Run, RunEvent

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def show(client: Client, run: Run, part: str = "run") -> str:
    return text(client.get(reverse(part, args=[run.pk])))


def test_a_queued_run_says_that_it_waits_and_for_whom(owner_client: Client, desk: Desk) -> None:
    run = make_run(desk.dataset)
    assert "No worker is running" in show(owner_client, run)
    assert "gpu" in show(owner_client, run)
    workers.beat(name="one@test", queues=["gpu"], at=timezone.now())
    assert "No worker is running" not in show(owner_client, run)
    assert "Waiting for a worker" in show(owner_client, run)


def test_a_running_run_shows_stage_progress_and_warnings_and_asks_again(
    owner_client: Client, desk: Desk
) -> None:
    warning = {"code": "margin_inert", "message": "The weak margin is still about 0."}
    run = make_run(
        desk.dataset, state="running", slot="a/0", stage="train", eta_seconds=95.0, warnings=[warning]
    )
    RunEvent.objects.create(
        run=run,
        seq=1,
        kind="progress",
        at=run.created_at,
        data={"stage": "train", "done": 5, "total": 20, "rate": 2.0},
    )
    page = show(owner_client, run, "run-live")
    assert f'hx-get="{reverse("run-live", args=[run.pk])}"' in page
    assert "5 of 20" in page
    assert "1 min 35 s" in page
    assert "The weak margin is still about 0." in page


def test_a_run_that_is_being_cancelled_promises_no_time_left(owner_client: Client, desk: Desk) -> None:
    run = make_run(desk.dataset, state="cancelling", slot="a/0", stage="train", eta_seconds=95.0)
    page = show(owner_client, run, "run-live")
    assert "stops after its next checkpoint" in page
    assert "left of this stage" not in page


def test_when_the_run_has_ended_the_live_part_asks_for_the_whole_page(
    owner_client: Client, desk: Desk
) -> None:
    answer = owner_client.get(reverse("run-live", args=[desk.run.pk]))
    assert answer["HX-Refresh"] == "true"
    assert 'hx-trigger="every' not in show(owner_client, desk.run)


def test_a_failed_run_shows_the_real_error_and_what_to_do(owner_client: Client, desk: Desk) -> None:
    run = make_run(desk.dataset, state="failed", error="CUDA out of memory <here>", hint="Lower micro_batch.")
    page = show(owner_client, run)
    assert "CUDA out of memory &lt;here&gt;" in page
    assert "Lower micro_batch." in page


def test_a_finished_run_shows_measures_with_intervals_and_n_and_why_one_was_skipped(
    owner_client: Client, desk: Desk
) -> None:
    page = show(owner_client, desk.run)
    assert "0.725" in page
    assert "0.600 to 0.850" in page
    assert "Skipped: The dataset has no held-out comparisons." in page


def test_the_plots_get_titles_units_and_the_runs_points(owner_client: Client, desk: Desk) -> None:
    plots = owner_client.get(reverse("run-data", args=[desk.run.pk])).json()["plots"]
    assert [plot["id"] for plot in plots] == ["loss"]  # what was not logged is not plotted
    assert plots[0]["series"][0]["points"] == [[1, 0.7], [2, 0.35]]
    assert all(plot["title"] and plot["x"] and plot["y"] for plot in plots)


def test_what_a_run_tells_of_its_work_is_plotted(owner_client: Client, desk: Desk) -> None:
    told = ("policy/log_ratio", "lengths/chosen", "work/tokens_per_second", "memory/peak_gb")
    RunEvent.objects.create(
        run=desk.run, seq=9_999, kind="metrics", step=3, at=timezone.now(), data=dict.fromkeys(told, 2.5)
    )
    plots = owner_client.get(reverse("run-data", args=[desk.run.pk])).json()["plots"]
    units = {plot["id"]: plot["y"] for plot in plots}
    assert {"log-ratio", "lengths", "speed", "memory"} <= units.keys()
    assert (units["speed"], units["memory"]) == ("tokens a second", "GB")


def test_the_margin_accuracy_plot_has_both_curves_and_the_histogram(owner_client: Client, desk: Desk) -> None:
    result: dict[str, Any] = {
        "n": 3,
        "margin": [0.5, 2.0],
        "lower": [0.5, 0.75],
        "lower_n": [1, 3],
        "upper": [0.75, 1.0],
        "upper_n": [3, 1],
        "histogram": {"edges": [0.0, 1.0, 2.0], "counts": [2, 1]},
    }
    desk.run.evaluations.create(
        name="cumulative_accuracy", result=result, dataset_sha256="ab", created_at=desk.run.created_at
    )
    plot = owner_client.get(reverse("run-data", args=[desk.run.pk])).json()["plots"][-1]
    lower, upper, bars = (series["points"] for series in plot["series"])
    assert lower == [[0.5, 0.5], [2.0, 0.75]]
    assert upper == [[0.5, 0.75], [2.0, 1.0]]
    assert bars == [[0.5, 2], [1.5, 1]]
    assert 'id="margin-accuracy"' in show(owner_client, desk.run)


def test_sections_rows_and_remarks_of_a_result_are_shown_and_long_ones_do_not_flood(
    owner_client: Client, desk: Desk
) -> None:
    rows = [{"confidence": 0.5 + one / 1000, "n": 1000 + one} for one in range(200)]
    result = {
        "n": 40,
        "brier": 0.125,
        "brier_interval": [0.1, 0.2],
        "curve": [0.123456789] * 500,
        "comparisons": {"n": 7, "brier": 0.25, "note": "Few <b>votes</b>.", "reliability": rows},
        "nothing": None,
    }
    desk.run.evaluations.create(
        name="calibration", result=result, dataset_sha256="ab", created_at=desk.run.created_at
    )
    page = show(owner_client, desk.run)
    for shown in (
        '<th scope="row">Brier</th>',
        "0.100 to 0.200",
        '<th scope="row">Comparisons Brier</th>',
        "Comparisons note: Few &lt;b&gt;votes&lt;/b&gt;.",
        "Comparisons reliability, 50 rows",
    ):
        assert shown in page, shown
    cells = {
        '<td class="num">0.549</td>',
        '<td class="num">1,049</td>',
    }  # PostgreSQL orders the keys of jsonb
    assert any(cells == set(re.findall(r"<td.*?</td>", row)) for row in page.split("<tr>"))
    assert "1,050" not in page
    assert "0.123" not in page
    assert '<td class="num">7</td>' in page  # comparisons are not counted as preferences


def test_other_runs_have_their_names_in_place_of_folders_and_counts_no_fractions(
    owner_client: Client, desk: Desk
) -> None:
    judge = make_run(desk.dataset, name="Judge <one>", state="finished", kind="reward_model")
    result = {"n": 12, "prompts": 12, "win_rate": 0.5, "judge": f"run:{judge.pk}", "judge_sha256": "cd" * 32}
    desk.run.evaluations.create(
        name="win_rate",
        result=result | {"against": f"sources/run-{desk.run.pk + 99}-responses", "opponent": "ab" * 32},
        dataset_sha256=desk.dataset.sha256,
        created_at=desk.run.created_at,
    )
    page = show(owner_client, desk.run)
    assert "Judge: “Judge &lt;one&gt;”" in page
    assert "Judge: SHA-256 cdcdcdcdcdcd…" in page
    assert f"Against: sources/run-{desk.run.pk + 99}-responses" in page  # of no run here
    assert "Opponent: SHA-256 abababababab…" in page
    assert "<strong>12</strong>" in page
    assert "12.000" not in page
    error = f"/runs/9/sources/run-{judge.pk}-responses/generations.jsonl is no generations.jsonl: 1."
    failed = make_run(desk.dataset, state="failed", error=error, hint=f"See sources/run-{judge.pk}.")
    page = show(owner_client, failed)
    assert ">“Judge &lt;one&gt;” is no generations.jsonl: 1.<" in page
    assert "See “Judge &lt;one&gt;”." in page


def test_the_log_is_asked_for_while_the_run_goes_on_and_no_longer(
    owner_client: Client, desk: Desk, settings: Any
) -> None:
    run = make_run(desk.dataset, state="running", slot="a/0")
    folder = Path(settings.RUNS_DIR) / str(run.pk)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("step 1\n<b>step 2</b>\n")
    answer = owner_client.get(reverse("run-log", args=[run.pk]))
    assert answer.status_code == 200
    assert "&lt;b&gt;step 2" in text(answer)
    Run.objects.filter(pk=run.pk).update(state="finished")
    assert owner_client.get(reverse("run-log", args=[run.pk])).status_code == 286  # htmx stops polling


def test_the_model_is_downloaded_and_its_card_is_shown_clean(
    owner_client: Client, desk: Desk, settings: Any
) -> None:
    folder = Path(settings.RUNS_DIR) / str(desk.run.pk) / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "README.md").write_text(
        "---\nlicense: x\n---\n# A card\n<script>alert(1)</script>\n\n**bold**\n"
    )
    Run.objects.update(has_model=True)
    page = show(owner_client, desk.run)
    assert "A card</h4>" in page
    assert "<strong>bold</strong>" in page
    assert "license: x" not in page
    assert "<script>alert" not in page
    answer = owner_client.get(reverse("run-model", args=[desk.run.pk]))
    body = b"".join(answer)
    assert answer["Content-Length"] == str(len(body))
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        names = archive.getnames()
    assert any(name.endswith("model.safetensors") for name in names)


def test_cancel_resume_and_delete_do_what_they_say(owner_client: Client, desk: Desk) -> None:
    run = make_run(desk.dataset)
    owner_client.post(reverse("run-cancel", args=[run.pk]))
    run.refresh_from_db()
    assert run.state == "cancelled"
    assert "no checkpoint to go on from" in text(
        owner_client.post(reverse("run-resume", args=[run.pk]), follow=True)
    )
    Run.objects.filter(pk=run.pk).update(has_checkpoint=True)
    assert reverse("run-resume", args=[run.pk]) in show(owner_client, run)
    owner_client.post(reverse("run-resume", args=[run.pk]))
    run.refresh_from_db()
    assert run.state == "queued"
    assert "Cancel the run before deleting it" in text(
        owner_client.post(reverse("run-delete", args=[run.pk]), follow=True)
    )
    Run.objects.filter(pk=run.pk).update(state="cancelled")
    assert owner_client.post(reverse("run-delete", args=[run.pk]))["Location"] == reverse(
        "runs", args=[desk.project.slug]
    )
    assert not Run.objects.filter(pk=run.pk).exists()


def test_scripts_and_styles_come_from_here_only(owner_client: Client, desk: Desk) -> None:
    policy = owner_client.get(reverse("run", args=[desk.run.pk]))["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
