"""RewardBench in evaluation runs: files by name, refusals in words, a row like every other, comparisons."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from annotation.models import PopDataset, User
from tests import world
from tests.cast import NOW, Cast
from tests.engine import judge
from tests.engine.judge import Answer
from tests.engine.test_rewardbench import ROWS
from tests.training.conftest import Launch, make_dataset
from tests.training.test_evaluation_runs import SPEC, engine, told
from training import artifacts, benchmark_files, comparing, engine_process
from training.comparing import Result, Standing
from training.errors import Invalid, NotFound, NotPrepared
from training.models import Evaluation, Run
from training.selectors import alpaca
from training.selectors import comparing as compared
from training.services import runs

__all__ = ["engine"]  # a fixture
pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """The benchmark folder, with a file in it and one beside it."""
    settings.BENCHMARK_DIR = tmp_path / "benchmarks"
    settings.BENCHMARK_DIR.mkdir()
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    (settings.BENCHMARK_DIR / "bench.jsonl").write_text(text)
    (tmp_path / "secret.jsonl").write_text(text)
    found: Path = settings.BENCHMARK_DIR
    return found


@pytest.fixture
def trained(launch: Launch) -> Run:
    """A finished preference run, as its row stands."""
    run = launch(name="Mine")
    Run.objects.filter(pk=run.pk).update(state=Run.State.FINISHED, has_model=True)
    run.refresh_from_db()
    return run


def again(run: Run, cast: Cast, data: str, **section: Any) -> Run:
    evaluation = {"names": [], "rewardbench": {"data": data, **section}}
    return runs.launch(subject_run=run.pk, spec={"evaluation": evaluation}, by=cast.owner, at=NOW)


def test_a_model_is_scored_by_a_file_of_the_folder(engine: Callable[..., Run], folder: Path) -> None:
    made = world.build(preferences=24, wanted=30)
    dataset, owner = PopDataset.objects.get(pk=made["dataset"]), User.objects.get(pk=made["owner"])
    trained = engine(dataset=dataset, spec=SPEC, by=owner)
    run = engine(
        subject_run=trained.pk,
        spec={"evaluation": {"names": ["pair_accuracy"], "rewardbench": {"data": "bench.jsonl"}}},
        by=owner,
    )
    found = told(run)
    rows = {row.name: row for row in Evaluation.objects.filter(run=run)}
    assert {name: row.result for name, row in rows.items()} == found["results"]
    bench = rows["rewardbench"]
    assert (bench.result["n"], bench.result["ties"]) == (4, 1)
    assert bench.result["sections"]["Chat"]["interval"][0] < 1
    assert bench.dataset_sha256 == bench.result["data_sha256"] != dataset.sha256
    assert rows["pair_accuracy"].dataset_sha256 == dataset.sha256
    assert bench.seed == rows["pair_accuracy"].seed
    assert bench.duration_seconds > 0
    assert (folder / "bench.jsonl").is_file()  # what led there from the run's folder is gone, and it is not
    assert not (artifacts.folder(run.pk) / "sources").exists()

    # What is wrong with a file is told without the folder that it lies in.
    (folder / "broken.jsonl").write_text('{"prompt": 1}\n')
    broken = {"names": [], "rewardbench": {"data": "broken.jsonl"}}
    with pytest.raises(AssertionError):  # the fixture's, of a run that did not finish
        engine(subject_run=trained.pk, spec={"evaluation": broken}, by=owner)
    failed = Run.objects.latest("pk")
    assert failed.error == "sources/benchmarks/broken.jsonl, row 1: chosen is missing."
    assert (folder / "broken.jsonl").is_file()


def test_a_model_answers_and_a_judge_is_asked_by_the_settings(
    engine: Callable[..., Run], folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("POP_JUDGE_URL", "POP_JUDGE_KEY"):
        monkeypatch.delenv(name, raising=False)
    texts = [{"instruction": f"What is {n}?", "output": f"It is {n}.", "generator": "base"} for n in range(3)]
    (folder / "baseline.json").write_text(json.dumps(texts))
    made = world.build(preferences=24, wanted=30)
    dataset, owner = PopDataset.objects.get(pk=made["dataset"]), User.objects.get(pk=made["owner"])
    trained = engine(dataset=dataset, spec=SPEC, by=owner)
    asked = {"baseline": "baseline.json", "judge": "tester", "max_new_tokens": 4}
    with judge.judge(lambda *_: Answer(body=judge.completion(0.3))) as served:
        settings.JUDGE_URL, settings.JUDGE_KEY = served.url, "sk-secret"
        run = engine(
            subject_run=trained.pk,
            spec={"evaluation": {"names": [], "generation": {"prompts": 0}, "alpaca_eval": asked}},
            by=owner,
        )
        assert {one["authorization"] for one in served.headers} == {"Bearer sk-secret"}
    (row,) = Evaluation.objects.filter(run=run)
    assert (row.name, row.result) == ("alpaca_eval", told(run)["results"]["alpaca_eval"])
    assert (row.result["n"], row.result["annotator"], row.result["baseline"]) == (3, "tester", "base")
    assert [one["code"] for one in run.warnings if one["code"] == "judge_asked"]
    assert alpaca.there(owner, run) == ["outputs", "annotations"]
    written = json.loads(b"".join(alpaca.file(owner, run, "outputs").chunks()))
    assert [one["instruction"] for one in written] == [one["instruction"] for one in texts]
    assert {one["generator"] for one in written} == {f"run {trained.number}"} == {row.result["generator"]}
    with pytest.raises(NotFound):
        alpaca.file(owner, trained, "outputs")
    kept = [one.read_bytes() for one in artifacts.folder(run.pk).rglob("*") if one.is_file()]
    assert not [one for one in kept if b"sk-secret" in one]


def test_only_an_engine_that_asks_a_judge_gets_its_key(settings: Any) -> None:
    settings.JUDGE_URL, settings.JUDGE_KEY = "http://127.0.0.1:1/v1", "sk-secret"
    assert "sk-secret" not in engine_process.environment(asks_judge=False).values()
    assert engine_process.environment(asks_judge=True)["POP_JUDGE_KEY"] == "sk-secret"


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"baseline": "../b.json", "judge": "x"}, "baseline", "is not the name of a file"),
        ({"baseline": "org/name", "judge": "x"}, "baseline", "is not the name of a file"),
        ({"baseline": "gone.json", "judge": "x"}, "baseline", "no file gone.json"),
        ({"baseline": "gone.json", "judge": "x", "prompt": "/etc/passwd"}, "baseline", "no file gone.json"),
        ({"baseline": "gone.json"}, "", "needs both"),
    ],
)
def test_alpaca_eval_takes_files_of_the_folder_only(
    trained: Run, cast: Cast, asked: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        runs.launch(
            subject_run=trained.pk, spec={"evaluation": {"alpaca_eval": asked}}, by=cast.owner, at=NOW
        )
    place = f"evaluation.alpaca_eval{'.' * bool(field)}{field}"
    assert words in refusal.value.fields[place][0]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("../secret.jsonl", "neither the name of a file"),
        ("/etc/passwd", "neither the name of a file"),
        ("dataset/rows.parquet", "neither the name of a file"),
        (".hidden.jsonl", "neither the name of a file"),
        ("bench.csv", "neither the name of a file"),
        ("a\0b.jsonl", "neither the name of a file"),
        (f"{'a' * 300}.jsonl", "neither the name of a file"),
        ("other.jsonl", "no file other.jsonl in the benchmark folder. There are bench.jsonl."),
    ],
)
def test_nothing_but_a_file_of_the_folder_or_a_hub_id_is_named(
    trained: Run, cast: Cast, data: str, words: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        again(trained, cast, data)
    assert words in refusal.value.fields["evaluation.rewardbench.data"][0]


def test_hub_ids_and_files_of_another_machine_are_left_to_the_worker(
    trained: Run, cast: Cast, folder: Path, tmp_path: Path
) -> None:
    for named in ("allenai/reward-bench", "allenai/reward-bench:raw"):
        made = again(trained, cast, named)
        assert benchmark_files.with_paths(made.spec, tmp_path / "run") == made.spec
    assert not (tmp_path / "run").exists()
    made = again(trained, cast, "bench.jsonl")
    for _ in range(2):  # as for a second attempt
        put = benchmark_files.with_paths(made.spec, tmp_path / "run")["evaluation"]["rewardbench"]["data"]
    assert put == "sources/benchmarks/bench.jsonl"
    assert (tmp_path / "run" / put).samefile(folder / "bench.jsonl")
    with override_settings(BENCHMARK_DIR=folder / "nowhere"):
        assert again(trained, cast, "bench.jsonl").state == Run.State.QUEUED
        with pytest.raises(NotPrepared, match=r"The benchmark's file bench\.jsonl is not on this worker"):
            benchmark_files.with_paths(made.spec, tmp_path / "other")


@pytest.mark.parametrize(
    ("kind", "section", "refused"),
    [
        ("sft", {}, ("evaluation.rewardbench.data", "is an SFT run")),
        ("reward_model", {"compat": True}, ("evaluation.rewardbench.compat", "for policies only")),
    ],
)
def test_models_of_which_it_says_nothing_are_refused(
    trained: Run, cast: Cast, kind: str, section: dict[str, Any], refused: tuple[str, str]
) -> None:
    Run.objects.filter(pk=trained.pk).update(kind=kind)
    with pytest.raises(Invalid) as refusal:
        again(trained, cast, "bench.jsonl", **section)
    field, words = refused
    assert words in refusal.value.fields[field][0]


def test_it_needs_no_heldout_preferences_and_comes_after_training(
    trained: Run, cast: Cast, launch: Launch
) -> None:
    PopDataset.objects.filter(pk=trained.dataset_id).update(manifest={"counts": {"heldout_preferences": 0}})
    assert again(trained, cast, "bench.jsonl").state == Run.State.QUEUED
    with pytest.raises(Invalid, match="is for evaluation runs"):
        launch(spec={"evaluation": {"rewardbench": {"data": "bench.jsonl"}}})


def bench(accuracy: float, sha: str = "ab", tokenised: str = "chat template") -> Result:
    around = [accuracy - 0.02, accuracy + 0.02]
    section = {"n": 358, "accuracy": accuracy, "interval": around}
    result = {
        "n": 2985,
        "leaderboard": accuracy,
        "leaderboard_interval": around,
        "sections": {"Chat Hard": section},
    }
    return Result("rewardbench", result | {"tokenised": tokenised}, sha)


def test_models_are_compared_by_overall_and_section_on_the_same_prompts_and_tokens() -> None:
    lines = comparing.lines([[bench(0.7)], [bench(0.73)], [bench(0.8)]])
    assert [line.full_title for line in lines] == [
        "RewardBench: Leaderboard",
        "RewardBench: Chat Hard accuracy",
    ]
    for line in lines:
        assert [cell.standing for cell in line.cells if cell] == [
            Standing.WORSE,
            Standing.WORSE,
            Standing.BEST,
        ]
    assert {comparing.lines([[bench(0.7)], [bench(0.8, sha="cd")]])[0].why} == {comparing.OTHER_DATA}
    other = comparing.lines([[bench(0.7)], [bench(0.8, tokenised="rewardbench 0.1.4")]])
    assert {line.why for line in other} == {comparing.OTHER_TOKENS}


def test_the_leaderboard_ranks_policies_and_reward_models_whatever_split_was_evaluated(
    trained: Run, cast: Cast
) -> None:
    reward = runs.launch(dataset=make_dataset(cast), spec={"kind": "reward_model"}, by=cast.owner, at=NOW)
    Run.objects.filter(pk=reward.pk).update(state=Run.State.FINISHED, has_model=True)
    found = []
    for run, accuracy in ((trained, 0.7), (reward, 0.9)):
        section = {"names": [], "rewardbench": {"data": "bench.jsonl"}}
        spec = {"subject": {"split": "all"}, "evaluation": section}
        made = runs.launch(subject_run=run.pk, spec=spec, by=cast.owner, at=NOW)
        Run.objects.filter(pk=made.pk).update(state=Run.State.FINISHED)
        result = bench(accuracy).result
        Evaluation.objects.create(
            run=made, name="rewardbench", result=result, dataset_sha256="ab", created_at=NOW
        )
        found.append(made)
    places = compared.leaderboard(cast.owner, cast.project, "rewardbench", "leaderboard")
    assert [(run, place.rank, place.why) for place, run in places] == [(found[1], 1, ""), (found[0], 2, "")]
    assert places[1][0].cell.standing == Standing.WORSE
    assert ("rewardbench", "leaderboard") in compared.measured(cast.owner, cast.project)
