"""AlpacaEval's annotations of a run: its own figures, in words what is refused, and nothing lost by that."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotation.models import AuditEntry
from tests.callers import by_token
from tests.cast import NOW, Cast
from tests.engine.test_alpaca_eval import COUNT, gamed, published
from tests.training.conftest import Launch
from training import comparing
from training.comparing import Result, Standing
from training.engine.evaluations import alpaca_eval
from training.errors import Conflict, Invalid, NotAllowed, NotFound
from training.models import Evaluation, Run
from training.selectors.runs import generator_name
from training.services import alpaca

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.BENCHMARK_DIR = tmp_path
    return tmp_path


@pytest.fixture
def run(launch: Launch) -> Run:
    """A finished policy."""
    made = launch(spec={"method": {"slug": "dpo"}})
    Run.objects.filter(pk=made.pk).update(state=Run.State.FINISHED, has_model=True)
    made.refresh_from_db()
    return made


def judged(run: Run, **changes: Any) -> list[dict[str, Any]]:
    """What the package was given for its published figures, as of this run."""
    return [one | {"generator_2": generator_name(run), "annotator": "gpt"} | changes for one in published()]


def file(rows: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile("annotations.json", json.dumps(rows).encode())


def take(run: Run, cast: Cast, rows: Any) -> Evaluation:
    return alpaca.take(run=run, file=file(rows), by=cast.owner, at=NOW)


def test_a_file_becomes_an_evaluation_with_the_packages_figures(run: Run, cast: Cast) -> None:
    rows = judged(run)
    row = take(run, cast, rows)
    expected = alpaca_eval.summary(rows)
    assert row.result == expected | {
        "annotations_sha256": hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    }
    assert row.result["win_rate"] == pytest.approx(46.01416440677966)
    low, high = row.result["win_rate_interval"]
    assert high - low == pytest.approx(2 * 1.96 * row.result["standard_error"])
    assert (row.run_id, row.name, row.duration_seconds > 0) == (run.pk, "alpaca_eval", True)
    (entry,) = AuditEntry.objects.filter(verb="run.annotated")
    assert entry.details["win_rate"] == row.result["win_rate"]


def test_missing_rows_are_told_and_another_file_takes_the_place(run: Run, cast: Cast) -> None:
    first = take(run, cast, judged(run))
    fewer = take(run, cast, judged(run)[2:])
    assert Evaluation.objects.get(run=run) == first == fewer
    assert f"{COUNT - 2} annotations: the benchmark has 805 prompts." in fewer.result["remarks"]
    assert fewer.dataset_sha256 != first.dataset_sha256


def test_the_folders_difficulties_give_the_length_controlled_rate(run: Run, cast: Cast, folder: Path) -> None:
    gamed(folder / "df_gamed.csv")
    found = take(run, cast, judged(run)).result
    assert found["length_controlled_win_rate"] == pytest.approx(42.734141029125325, abs=1e-6)
    assert "went by the order of the annotations" in found["remarks"][-1]
    (folder / "alpaca_eval.json").write_text(
        json.dumps([{"instruction": one["instruction"]} for one in published()])
    )
    backwards = take(run, cast, judged(run)[::-1]).result
    assert backwards["length_controlled_win_rate"] == pytest.approx(42.734141029125325, abs=0.01)
    assert not [one for one in backwards["remarks"] if "by the order" in one]


def test_without_it_the_other_rates_stand_and_it_is_said_why(run: Run, cast: Cast, folder: Path) -> None:
    gamed(folder / "df_gamed.csv")
    found = take(run, cast, judged(run)[2:]).result
    assert "length_controlled_win_rate" not in found
    assert (
        f"No length-controlled win rate: There are {COUNT} instruction difficulties" in found["remarks"][-1]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"generator_2": "gpt-4"}, "The annotations are of gpt-4, not of run-"),
        ({"preference": "first"}, "which is no number"),
        ({"preference": None}, "No annotation has a preference from 1 to 2"),
        ({"preference": 10**400}, "which is no number"),
        ({"output_2": 3}, "has no text output_2"),
        ({"annotator": ["x"]}, "Annotation 1 has an annotator that is no text"),
        ({"annotator": {"a": "\0"}}, "Annotation 1 has an annotator that is no text"),
        ({"annotator": float("nan")}, "Annotation 1 has an annotator that is no text"),
        ({"generator_2": "a\0\ud800"}, "The annotations are of a\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_is_refused_changes_nothing(run: Run, cast: Cast, change: dict[str, Any], words: str) -> None:
    kept = take(run, cast, judged(run)).result
    with pytest.raises(Invalid) as refusal:
        take(run, cast, judged(run, **change))
    assert words in refusal.value.fields["file"][0]
    refusal.value.message.encode()
    assert Evaluation.objects.get(run=run).result == kept


def test_several_models_in_a_file_are_told_and_not_mixed(run: Run, cast: Cast) -> None:
    with pytest.raises(Invalid, match=r"of more than one model: other, run-\d+-dpo"):
        take(run, cast, [*judged(run), *judged(run, generator_2="other")])


@pytest.mark.parametrize(
    "text", [b"", b"[{", b"\xff", b"{}", b"[1]", b"[" * 100_000, b'[{"instruction": 1}]']
)
def test_what_is_no_list_of_annotations_is_refused(run: Run, cast: Cast, text: bytes) -> None:
    with pytest.raises(Invalid):
        alpaca.take(run=run, file=SimpleUploadedFile("a.json", text), by=cast.owner, at=NOW)
    assert not Evaluation.objects.filter(run=run).exists()


def test_a_small_file_of_many_empty_objects_is_refused_before_it_takes_memory(run: Run, cast: Cast) -> None:
    for text in (b"[" + b"{}," * 1_000_000 + b"{}]", b"[" * 3_000_000, b"[" + b"[]," * 1_000_000 + b"[]]"):
        sent = SimpleUploadedFile("a.json", text)
        tracemalloc.start()
        with pytest.raises(Invalid, match="far more than 10,000 annotations"):
            alpaca.take(run=run, file=sent, by=cast.owner, at=NOW)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 10e6


def test_braces_in_texts_are_no_objects_and_quotes_end_no_texts(run: Run, cast: Cast) -> None:
    rows = judged(run, orders=[{"switched": True}, {"switched": False}])
    rows[0]["output_2"] = 'x = "{[,\\"' * 100_000
    assert take(run, cast, rows).result["orders"] == "both"
    quotes = SimpleUploadedFile("a.json", b'["' + b'\\"' * 1_000_000 + b"\\")
    with pytest.raises(Invalid, match="not JSON"):  # and that in a moment
        alpaca.take(run=run, file=quotes, by=cast.owner, at=NOW)


def test_names_that_no_database_keeps_are_kept_as_far_as_they_can_be(run: Run, cast: Cast) -> None:
    row = take(run, cast, judged(run, generator_1="b\0\ud800" + "x" * 500))
    row.refresh_from_db()
    assert row.result["baseline"].startswith("b\N{REPLACEMENT CHARACTER}?xx")
    assert len(row.result["baseline"]) == 200


def test_only_managers_and_only_runs_that_write(run: Run, cast: Cast) -> None:
    for person, refusal in ((cast.ann_one, NotAllowed), (cast.outsider, NotFound)):
        with pytest.raises(refusal):
            alpaca.take(run=run, file=file(judged(run)), by=person, at=NOW)
    for change in ({"kind": "reward_model"}, {"kind": "sft", "has_model": False}):
        Run.objects.filter(pk=run.pk).update(**change)
        with pytest.raises(Conflict, match="no model that writes"):
            take(run, cast, judged(run))


def test_the_api_takes_a_file_and_lists_its_figures(run: Run, cast: Cast) -> None:
    caller = by_token(cast.admin, "train")
    url = f"/api/v1/runs/{run.pk}/alpaca-eval"
    made = caller.post(url, {"file": file(judged(run))})
    assert made.status_code == 201, made.json()
    assert (
        made.json()["result"]["discrete_win_rate"]
        == Evaluation.objects.get(run=run).result["discrete_win_rate"]
    )
    refused = caller.post(url, {"file": file(judged(run, generator_2="you"))})
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["file"])
    listed = by_token(cast.admin, "read").get(f"/api/v1/runs/{run.pk}/evaluations/").json()
    assert [one["name"] for one in listed] == ["alpaca_eval"]


def rated(win_rate: float, **changes: Any) -> Result:
    result = {"n": 805, "win_rate": win_rate, "win_rate_interval": [win_rate - 1, win_rate + 1]}
    result |= {"length_controlled_win_rate": win_rate, "glm": "length_controlled_v1", "annotator": "gpt"}
    return Result("alpaca_eval", result | changes, "ab")


def test_models_are_compared_under_one_judge_against_one_baseline() -> None:
    won, controlled = comparing.lines([[rated(40)], [rated(45)]])[:2]
    assert [cell.standing for cell in won.cells if cell] == [Standing.WORSE, Standing.BEST]
    assert [cell.standing for cell in controlled.cells if cell] == [Standing.UNKNOWN, Standing.BEST]
    other = comparing.lines([[rated(40)], [rated(45, annotator="other")]])
    assert {line.why for line in other[:2]} == {comparing.OTHER_SETTING}
    asked = comparing.lines([[rated(40)], [rated(45, request='{"temperature": 0}')]])
    assert asked[0].why == comparing.OTHER_SETTING
    fits = comparing.lines([[rated(40)], [rated(45, glm="length_controlled_noreg")]])
    assert [line.why for line in fits[:2]] == ["", comparing.OTHER_FIT]


def test_figures_of_one_order_are_not_ranked_against_those_of_both() -> None:
    one, both = rated(40, orders="one"), rated(45, orders="both")
    assert comparing.lines([[one], [both]])[0].why == comparing.OTHER_ORDERS
    assert [comparing.lines([[older], [both]])[0].why for older in (rated(40), both)] == ["", ""]
    ranked = comparing.ranking({1: one, 2: both}, "alpaca_eval", "win_rate")
    assert [place.why for place in ranked] == ["", comparing.OTHER_ORDERS]


@pytest.mark.parametrize("strange", [["x"], {"a": 1}, [{"a": None}]])
def test_results_that_hold_anything_are_compared_all_the_same(strange: Any) -> None:
    for name in ("annotator", "glm", "tokenised", "sampling", "orders"):
        same, other = rated(40, **{name: strange}), rated(45, **{name: [strange]})
        assert comparing.lines([[same], [same]])[1].why == ""
        assert comparing.lines([[same], [other]])[1].why != ""
