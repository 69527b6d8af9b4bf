"""The studies' pages and API: what is there, what is half there, and what cannot be read."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.cast import Cast
from tests.frontend.conftest import signed_in
from tests.frontend.test_project_pages import text
from training.selectors import studies
from training.study import reports
from training.study import settings as cells
from training.study.figures import over_seeds
from training.study.studies import STUDIES

pytestmark = [pytest.mark.either, pytest.mark.django_db]
MEASURES = ("accuracy", "spearman", "win_vs_dpo", "kl")


@pytest.fixture
def shipped(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that comes with no figures yet; none are computed here either."""
    settings.STUDY_DIR = tmp_path / "study"
    monkeypatch.setattr(reports, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    return tmp_path / "shipped"


@pytest.fixture
def root(shipped: Path, settings: Any) -> Path:
    return Path(settings.STUDY_DIR)


@pytest.fixture
def client(cast: Cast) -> Client:
    """An annotator: studies are for anybody who is signed in."""
    return signed_in(cast.ann_one)


def computed(root: Path, name: str, seeds: int = 5, upto: int | None = None) -> dict[str, Any]:
    """A results.json as the study writes it; `upto`: only so many of its settings."""
    found = {}
    for number, setting in enumerate(STUDIES[name].settings[:upto]):
        lines = {}
        for place, line in enumerate(setting.lines):
            values = [0.5 + place / 100 + number / 10 + seed / 1000 for seed in range(seeds)]
            lines[line] = {name: asdict(over_seeds(values)) for name in MEASURES}
        found[setting.title] = {"settings": {}, "lines": lines}
    document = {
        "study": name,
        "seeds": list(range(1000, 1000 + seeds)),
        "command": f"python -m training.study {name}",
        "at": "2026-11-22T05:00:00+00:00",
        "commit": "abc123",
        "settings": found,
    }
    put(root, name, json.dumps(document))
    return dict(json.loads(json.dumps(document)))


def put(root: Path, name: str, results: str) -> None:
    folder = root / "reports" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(results)


def show(client: Client, name: str, **query: Any) -> str:
    return text(client.get(reverse("study", args=[name]), query))


def state(client: Client, name: str) -> str:
    return str({one["name"]: one for one in client.get("/api/v1/studies/").json()}[name]["state"])


def test_a_study_that_was_not_computed_tells_the_command(root: Path, client: Client) -> None:
    page = text(client.get(reverse("studies")))
    assert page.count(">not computed<") == len(STUDIES)
    assert "What do wrong labels cost?" in page
    assert "python -m training.study noise" in page
    assert "Not computed here" in show(client, "noise")
    assert client.get(reverse("study-data", args=["noise"])).json() == {"plots": []}
    assert client.get(reverse("study-file", args=["noise", "results.json"])).status_code == 404
    assert client.get(reverse("study", args=["gossip"])).status_code == 404
    assert client.get("/api/v1/studies/gossip/").status_code == 404
    answer = client.get("/api/v1/studies/noise/").json()
    assert (answer["state"], answer["results"], answer["computed_at"]) == ("absent", [], None)


def test_what_was_trained_without_a_report_is_counted(root: Path, client: Client) -> None:
    one = next(iter(STUDIES["sanity"].settings[0].cells([5000]).values()))
    file = cells.place(root, one) / cells.RESULT
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert "1 of 6 trainings are done; the command goes on" in show(client, "sanity")
    assert state(client, "sanity") == "partial"


def test_a_computed_study_has_tables_plots_and_how_it_was_made(root: Path, client: Client) -> None:
    document = computed(root, "k")
    page = show(client, "k", setting=1)
    assert ">computed<" in text(client.get(reverse("studies")))
    assert "0.622 ± 0.002" in page  # DPO-PoP at the second setting: .5 + .02 + .1 + .002
    assert "<em>DPO, as many steps</em>" in page
    assert "<strong>+0.020 [+0.020, +0.020]</strong>" in page
    assert "abc123" in page
    assert "1000, 1001, 1002, 1003, 1004" in page
    plots = client.get(reverse("study-data", args=["k"]), {"setting": 1}).json()["plots"]
    assert [one["id"] for one in plots][:4] == [
        "study-win_vs_dpo",
        "study-accuracy",
        "study-spearman",
        "study-across",
    ]
    methods, controls = plots[1]["series"]
    assert [controls["control"], methods["points"][0][1]] == [True, "DPO"]
    assert methods["points"][0][0] == pytest.approx(0.602)
    over = plots[-1]
    assert [point[0] for point in over["series"][0]["points"]] == ["k 1", "k 2", "k 4", "k 8"]
    got = client.get(reverse("study-file", args=["k", "results.json"]))
    assert json.loads(got.getvalue()) == document
    answer = client.get("/api/v1/studies/k/").json()
    lines = answer["results"][1]["lines"]
    assert (answer["state"], lines[1]["control"], answer["seeds"][0]) == ("complete", True, 1000)
    assert lines[0]["figures"]["accuracy"]["mean"] == pytest.approx(0.602)


def test_a_report_with_fewer_seeds_or_settings_is_a_part(root: Path, client: Client) -> None:
    computed(root, "k", seeds=1, upto=2)
    page = show(client, "k")
    assert "Part of it: 1 seed of 5; no figures for k 4, k 8." in page
    assert "0.500</td>" in page  # one seed has no interval
    assert state(client, "k") == "partial"


def test_a_setting_that_was_made_apart_says_how(root: Path, client: Client) -> None:
    document = computed(root, "k")
    apart = {"seeds": [7, 8], "command": "the other", "at": "2026-11-01T00:00:00+00:00", "commit": "def456"}
    document["settings"]["k 4"]["made"] = apart
    put(root, "k", json.dumps(document))
    assert "Part of it: 2 seeds of 5 for k 4." in show(client, "k")
    assert "abc123" in show(client, "k", setting=1)
    page = show(client, "k", setting=2)
    assert "def456" in page
    assert "abc123" not in page
    assert ">7, 8<" in page
    found = client.get("/api/v1/studies/k/").json()
    assert [one["commit"] for one in found["results"]] == ["abc123", "abc123", "def456", "abc123"]
    assert found["commit"] == "abc123"


def test_a_report_by_other_settings_is_not_taken_for_the_study(
    root: Path, cast: Cast, client: Client
) -> None:
    document = computed(root, "tables")
    setting = STUDIES["tables"].settings[0]
    document["settings"]["k 2"]["settings"] = asdict(setting)
    put(root, "tables", json.dumps(document))
    assert state(client, "tables") == "complete"
    assert studies.on_sampling(cast.owner)
    document["settings"]["k 2"]["settings"] = asdict(replace(setting, training={"beta": 0.1}))
    del document["settings"]["k 2"]["lines"]["ipo"]
    put(root, "tables", json.dumps(document))
    page = show(client, "tables")
    assert "Part of it: k 2 lacks IPO. By other settings than the study&#x27;s: k 2 (training)." in page
    assert state(client, "tables") == "partial"
    assert studies.on_sampling(cast.owner) == ""


@pytest.mark.parametrize(
    "results",
    ["{", "[]", "{}", '{"seeds": ["x"], "command": "", "at": "", "settings": {}}', '{"seeds": 1}', "null"],
)
def test_a_broken_file_is_told_in_a_sentence(root: Path, client: Client, results: str) -> None:
    put(root, "noise", results)
    page = show(client, "noise")
    assert "results.json cannot be read" in page
    assert "Compute it again" in page
    assert state(client, "noise") == "broken"


def test_lines_and_figures_that_are_not_known_here_are_left_out(root: Path, client: Client) -> None:
    document = computed(root, "sanity")
    lines = document["settings"]["k 2"]["lines"]
    lines["of_the_future"] = lines["dpo"]
    lines["dpo"]["kl"]["mean"] = float("nan")
    put(root, "sanity-quick", json.dumps(document))
    assert "quick trial in a small world" in show(client, "sanity-quick")
    answer = client.get("/api/v1/studies/sanity-quick/").json()
    assert [one["name"] for one in answer["results"][0]["lines"]] == ["dpo", "dpo_pop", "reversed"]
    assert "kl" not in answer["results"][0]["lines"][0]["figures"]


def test_the_panel_on_sampling_has_the_studys_own_finding(root: Path, cast: Cast) -> None:
    assert studies.on_sampling(cast.owner) == ""
    computed(root, "tables")
    page = text(signed_in(cast.owner).get(reverse("leaderboard", args=[cast.project.slug])))
    assert "In our own study (5 seeds) iterative less random: pair accuracy -0.010 [-0.010, -0.010]" in page
    assert "Against the paper" in show(signed_in(cast.owner), "tables")


def test_figures_that_come_with_the_program_are_shown_until_some_are_computed(
    root: Path, shipped: Path, client: Client
) -> None:
    document = computed(root, "k", seeds=3)
    (root / "reports" / "k" / "results.json").rename(shipped / "k.json")
    page = show(client, "k")
    assert "These figures come with the program: they were not computed here." in page
    assert "3 seeds of 5" in page
    assert "report.md" not in page
    assert client.get(reverse("study-file", args=["k", "report.md"])).status_code == 404
    got = client.get(reverse("study-file", args=["k", "results.json"]))
    assert json.loads(got.getvalue()) == document
    answer = client.get("/api/v1/studies/k/").json()
    assert (answer["shipped"], answer["state"], answer["commit"]) == (True, "partial", "abc123")
    computed(root, "k")
    assert "come with the program" not in show(client, "k")
    assert client.get("/api/v1/studies/k/").json()["shipped"] is False


def test_which_sampling_is_told_by_what_comes_with_the_program(root: Path, shipped: Path, cast: Cast) -> None:
    assert not studies.on_sampling(cast.ann_one)
    computed(root, "tables")
    (root / "reports" / "tables" / "results.json").rename(shipped / "tables.json")
    assert "In our own study (5 seeds)" in studies.on_sampling(cast.ann_one)
