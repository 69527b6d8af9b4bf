"""A run's model evaluated again by a run of its own: with its numbers, from what is kept, or a refusal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.models import PopDataset, User
from tests import world
from tests.cast import NOW, Cast
from tests.engine import warm
from tests.training.conftest import Launch, make_dataset
from training import artifacts, kept_checkpoints, supervisor
from training.errors import Conflict, Invalid, NotAllowed, NotFound, NotPrepared
from training.models import Run
from training.selectors import runs as selectors
from training.services import custody, runs, sources

pytestmark = [pytest.mark.either, pytest.mark.django_db]
TINY = {"hidden_size": 32, "layers": 2, "heads": 2, "vocabulary": 300, "sft_steps": 2}
SPEC = {
    "model": {"base": "tiny", "tiny": TINY},
    "method": {"slug": "dpo_pop", "params": {"beta": 0.5}},
    "training": {"learning_rate": 1e-3, "rows_per_step": 8, "max_length": 64, "save_steps": 2},
    "evaluation": {"generation": {"prompts": 3, "max_new_tokens": 4}},
}


@pytest.fixture
def engine(settings: Any, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Launches a run and looks after it to its end, as a worker does; its engine is a warm process."""
    settings.RUNS_DIR, settings.CACHE_DIR = tmp_path / "runs", tmp_path / "cache"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    settings.ENGINE_PYTHON = str(tmp_path / "python")

    def ended(**launched: Any) -> Run:
        run = custody.claim(runs.launch(at=timezone.now(), **launched).pk, "one@test/0", timezone.now())
        assert run is not None
        supervisor.supervise(run)
        run.refresh_from_db()
        assert run.state == Run.State.FINISHED, (run.error, artifacts.log_tail(run.pk, 30))
        return run

    with warm.command(tmp_path / "python"):
        yield ended


def told(run: Run) -> dict[str, Any]:
    """evaluation.json as it lies in the run's folder."""
    text = (artifacts.folder(run.pk) / "evaluation.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_finished_run_is_evaluated_again_with_the_numbers_it_had(engine: Callable[..., Run]) -> None:
    made = world.build(preferences=24, wanted=30)
    dataset, owner = PopDataset.objects.get(pk=made["dataset"]), User.objects.get(pk=made["owner"])
    trained = engine(dataset=dataset, spec=SPEC, by=owner)
    folder = artifacts.folder(trained.pk)
    (kept,) = kept_checkpoints.steps(trained.pk)
    assert kept < trained.step
    assert not list(folder.rglob("optimizer.pt"))
    for part in ("checkpoints", "base", "model"):  # another machine has what is in storage
        shutil.rmtree(folder / part)

    again = engine(subject_run=trained.pk, spec={}, by=owner)
    assert (again.kind, again.dataset, again.has_model) == (Run.Kind.EVALUATION, dataset, False)
    assert again.name == f"Run {trained.number}, evaluated again"
    assert told(again)["results"] == told(trained)["results"]
    assert (artifacts.folder(again.pk) / "generations.jsonl").read_bytes() == (
        folder / "generations.jsonl"
    ).read_bytes()
    assert not (artifacts.folder(again.pk) / "sources").exists()
    rows = {row.name: row for row in selectors.evaluations(owner, again)}
    document = told(again)
    assert {name: row.result for name, row in rows.items()} == document["results"]
    assert {name: row.duration_seconds for name, row in rows.items()} == document["duration_seconds"]
    assert all(row.duration_seconds > 0 for row in rows.values())
    assert {(row.dataset_sha256, row.seed) for row in rows.values()} == {(dataset.sha256, 0)}
    with pytest.raises(NotFound):
        selectors.model_archive(owner, again)

    asked = {
        "subject": {"checkpoint": kept, "split": "all", "seed": 9},
        "evaluation": {"names": ["pop_accuracy"]},
    }
    earlier = engine(subject_run=trained.pk, spec=asked, by=owner)
    assert set(told(earlier)["results"]) == {"pop_accuracy", "generation"}
    assert told(earlier)["seed"] == 9
    assert told(earlier)["results"]["pop_accuracy"]["n"] == dataset.row_count
    with pytest.raises(Conflict, match="Evaluations of this run"):
        runs.delete(run=trained, by=owner, at=NOW)


@pytest.fixture
def trained(launch: Launch) -> Run:
    """A finished preference run, as its row stands."""
    run = launch(
        spec={"evaluation": {"names": ["divergence", "pair_accuracy"], "batch_size": 3}}, name="Mine"
    )
    Run.objects.filter(pk=run.pk).update(state=Run.State.FINISHED, has_model=True)
    run.refresh_from_db()
    return run


def again(run: Run, cast: Cast, *, dataset: PopDataset | None = None, **spec: Any) -> Run:
    return runs.launch(subject_run=run.pk, dataset=dataset, spec=spec, by=cast.owner, at=NOW)


def test_what_is_left_open_is_as_the_run_had_it(trained: Run, cast: Cast) -> None:
    made = again(trained, cast, evaluation={"generation": {"prompts": 5}})
    section = made.spec["evaluation"]
    assert (section["names"], section["batch_size"]) == (["divergence", "pair_accuracy"], 3)
    assert (section["generation"]["prompts"], section["generation"]["temperature"]) == (5, 1.0)
    assert not {"model", "method", "training"} & set(made.spec)
    assert [(link.role, link.source) for link in made.sources.all()] == [("subject", trained)]
    assert made.name == "Mine, evaluated again"
    Run.objects.filter(pk=made.pk).update(state=Run.State.CANCELLED)
    assert runs.resume(run=made, by=cast.owner, at=NOW).state == Run.State.QUEUED  # it begins again


@pytest.mark.parametrize(
    ("changes", "spec", "refused"),
    [
        ({"state": "running"}, {}, ("subject.run", "can be evaluated when it has ended")),
        (
            {"state": "failed", "has_model": False},
            {},
            ("subject.run", "it is failed. There are no checkpoints"),
        ),
        (
            {},
            {"subject": {"checkpoint": 7}},
            ("subject.checkpoint", "no checkpoint of step 7, or not any more"),
        ),
        ({"kind": "evaluation"}, {}, ("subject.run", "this takes SFT or Preference or Reward model")),
        (
            {"kind": "sft"},
            {"evaluation": {"names": ["divergence"]}},
            ("evaluation.names", "divergence says nothing of a model of the kind SFT. There are"),
        ),
        (
            {"kind": "reward_model"},
            {"evaluation": {"generation": {"prompts": 4}}},
            ("evaluation.generation.prompts", "which writes no responses"),
        ),
        ({}, {"evaluation": {"judge": "run:1"}}, ("evaluation", "a judge needs responses")),
        ({}, {"subject": {"split": "test"}}, ("subject.split", "'heldout', 'train' or 'all'")),
        ({}, {"training": {"epochs": 2}}, ("spec", "belongs to runs that train")),
        ({}, {"subject": []}, ("subject.run", "Name the run that is evaluated")),
        ({}, {"evaluation": {"names": [[]], "generation": ["x"]}}, ("evaluation.generation", "valid dict")),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_words(
    trained: Run, cast: Cast, changes: dict[str, Any], spec: dict[str, Any], refused: tuple[str, str]
) -> None:
    Run.objects.filter(pk=trained.pk).update(**changes)
    with pytest.raises(Invalid) as refusal:
        again(trained, cast, **spec)
    field, words = refused
    assert words in refusal.value.fields[field][0]
    assert Run.objects.count() == 1


def test_a_split_without_preferences_is_refused(trained: Run, cast: Cast) -> None:
    empty = make_dataset(cast, manifest={"counts": {"heldout_preferences": 0}})
    with pytest.raises(Invalid, match="has no held-out preferences to evaluate on"):
        again(trained, cast, dataset=empty)
    assert again(trained, cast, dataset=empty, subject={"split": "train"}).dataset == empty


def test_runs_that_are_not_the_askers_cannot_be_evaluated(trained: Run, cast: Cast) -> None:
    def ask(by: User, run: int = trained.pk) -> Run:
        return runs.launch(subject_run=run, spec={}, by=by, at=NOW)

    with pytest.raises(Invalid) as hidden:
        ask(cast.outsider)
    with pytest.raises(Invalid) as missing:
        ask(cast.outsider, 10**9)
    assert hidden.value.message.replace(str(trained.pk), "N") == missing.value.message.replace(
        str(10**9), "N"
    )
    with pytest.raises(NotAllowed):
        ask(cast.ann_one)
    with pytest.raises(Invalid, match="Name a dataset"):
        runs.launch(spec={}, by=cast.owner, at=NOW)
    with pytest.raises(Invalid, match="is no run: name one like"):
        runs.launch(
            dataset=trained.dataset,
            spec={"kind": "evaluation", "subject": {"run": "/etc"}},
            by=cast.owner,
            at=NOW,
        )
    assert ask(cast.admin).created_by == cast.admin


def test_a_worker_gets_all_that_the_run_was_or_hears_what_is_gone(
    trained: Run, launch: Launch, cast: Cast, settings: Any, tmp_path: Path
) -> None:
    settings.RUNS_DIR = tmp_path / "runs"
    base = launch(spec={"kind": "sft"}, name="Before")
    Run.objects.filter(pk=base.pk).update(state=Run.State.FINISHED, has_model=True)
    of = launch(base_run=base.pk, name="After")
    Run.objects.filter(pk=of.pk).update(state=Run.State.FAILED)
    for name in ("config.json", "model.safetensors", "optimizer.pt", "target.safetensors", "COMPLETE"):
        _write(of, f"checkpoints/checkpoint-4/{name}")
    _write(of, "checkpoints/checkpoint-6/config.json")  # killed as it was written
    with pytest.raises(Invalid, match="There are checkpoints of step 4"):
        again(of, cast)
    made = again(of, cast, subject={"checkpoint": 4})
    with pytest.raises(NotPrepared, match="The model of “Before”"):
        sources.bring(made, tmp_path)
    _write(base, "model/config.json")
    sources.bring(made, tmp_path)
    whole = tmp_path / "sources" / f"run-{of.pk}-whole"
    assert {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()} == {
        "spec.json",
        "checkpoints/checkpoint-4/COMPLETE",
        "checkpoints/checkpoint-4/config.json",
        "checkpoints/checkpoint-4/model.safetensors",
        f"sources/run-{base.pk}/config.json",
    }
    assert json.loads((whole / "spec.json").read_text())["model"]["base"] == f"sources/run-{base.pk}"
    shutil.rmtree(artifacts.folder(of.pk) / "checkpoints")
    with pytest.raises(NotPrepared, match="The checkpoint of “After”"):
        sources.bring(made, tmp_path / "elsewhere")


def _write(run: Run, name: str) -> None:
    file = artifacts.folder(run.pk) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
