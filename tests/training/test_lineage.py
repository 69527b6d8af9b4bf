"""Runs made from other runs: what may be named, by whom, what is stored, and what cannot be deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import override_settings

from annotation.models import PopDataset
from annotation.services import projects
from tests.cast import NOW, Cast
from tests.training.conftest import Launch, make_dataset
from training import artifacts, lineage, run_folder
from training.errors import Conflict, Invalid, NotFound, NotPrepared
from training.models import Run, RunLink
from training.selectors import lineage as family
from training.services import custody, runs, sources

pytestmark = [pytest.mark.either, pytest.mark.django_db]
Finished = Callable[..., Run]


@pytest.fixture
def finished(launch: Launch) -> Finished:
    """A finished run of a kind, as its row stands."""

    def finish(kind: str = "sft", **changes: Any) -> Run:
        run = launch(spec={"kind": kind}, name=f"My {kind}")
        given = {"state": Run.State.FINISHED, "has_model": True} | changes
        Run.objects.filter(pk=run.pk).update(**given)
        run.refresh_from_db()
        return run

    return finish


def mmpo(run: Run) -> dict[str, Any]:
    return {"method": {"slug": "mmpo", "reward_model": f"run:{run.pk}"}}


def test_each_kind_is_stored_with_its_own_sections(launch: Launch) -> None:
    sft, reward, policy = (launch(spec={"kind": kind}) for kind in ("sft", "reward_model", "preference"))
    assert [(run.kind, run.method) for run in (sft, reward, policy)] == [
        ("sft", ""),
        ("reward_model", ""),
        ("preference", "dpo_pop"),
    ]
    assert [{"method", "reward"} & set(run.spec) for run in (sft, reward, policy)] == [
        set(),
        {"reward"},
        {"method"},
    ]


def test_a_run_is_linked_to_what_it_is_made_from(launch: Launch, finished: Finished, cast: Cast) -> None:
    base, reward = finished("sft"), finished("reward_model")
    made = launch(spec=mmpo(reward) | {"model": {"base": f"run:{base.pk}"}})
    found = [(link.role, link.source) for link in family.sources(cast.owner, made)]
    assert found == [("base", base), ("reward_model", reward)]
    assert [link.run for link in family.used_by(cast.admin, reward)] == [made]
    assert not family.used_by(cast.owner, made)


def test_ids_beside_the_spec_go_before_it(launch: Launch, finished: Finished) -> None:
    base, reward = finished("sft"), finished("reward_model")
    spec = {"model": {"base": "tiny"}, "method": {"slug": "mmpo"}}
    made = launch(spec=spec, base_run=base.pk, reward_model_run=reward.pk)
    assert lineage.sources(made.spec) == {"base": base.pk, "reward_model": reward.pk}
    assert made.sources.count() == 2


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("reward_model", {}, "is a run of the kind Reward model; this takes SFT or Preference"),
        ("sft", {"state": "failed"}, "has no model to go on from: it is failed"),
        ("sft", {"has_model": False}, "has no model to go on from"),
    ],
)
def test_what_cannot_be_a_base_is_refused_in_words(
    launch: Launch, finished: Finished, kind: str, changes: dict[str, Any], words: str
) -> None:
    source = finished(kind, **changes)
    with pytest.raises(Invalid) as refusal:
        launch(base_run=source.pk)
    assert words in refusal.value.fields["model.base"][0]
    assert Run.objects.count() == 1


def test_a_policy_is_no_reward_model(launch: Launch, finished: Finished) -> None:
    with pytest.raises(Invalid) as refusal:
        launch(spec=mmpo(finished("preference")))
    assert "this takes Reward model" in refusal.value.fields["method.reward_model"][0]


def test_runs_of_other_projects_are_as_if_they_did_not_exist(
    launch: Launch, finished: Finished, cast: Cast
) -> None:
    elsewhere = projects.create(name="Elsewhere", strategy="random", by=cast.owner, at=NOW)
    foreign = finished("sft")
    Run.objects.filter(pk=foreign.pk).update(project=elsewhere, number=99)
    with pytest.raises(Invalid) as refusal:
        launch(base_run=foreign.pk)
    with pytest.raises(Invalid) as missing:
        launch(base_run=foreign.pk + 1000)
    assert refusal.value.message == missing.value.message.replace(str(foreign.pk + 1000), str(foreign.pk))


def test_candidates_and_family_are_the_managers_alone(launch: Launch, finished: Finished, cast: Cast) -> None:
    base = finished("sft")
    finished("reward_model")
    assert list(family.candidates(cast.admin, cast.project, "base")) == [base]
    for look in (
        lambda: family.candidates(cast.outsider, cast.project, "base"),
        lambda: family.sources(cast.outsider, base),
        lambda: family.used_by(cast.outsider, base),
    ):
        with pytest.raises(NotFound):
            look()


@pytest.mark.parametrize("named", ["../up", "rm/model", "org/model", "run:x", "/etc"])
def test_other_places_for_a_reward_model_are_refused(launch: Launch, named: str) -> None:
    with pytest.raises(Invalid) as refusal:
        launch(spec={"method": {"slug": "mmpo", "reward_model": named}})
    assert list(refusal.value.fields) == ["method.reward_model"]


def test_a_reward_model_stands_in_for_scores(launch: Launch, finished: Finished, cast: Cast) -> None:
    cast.project.preferences.update(score_chosen=None)
    with pytest.raises(Invalid, match="needs a score"):
        launch(spec={"method": {"slug": "mmpo"}})
    assert launch(spec=mmpo(finished("reward_model"))).pk


def test_objectives_need_what_they_read(launch: Launch, cast: Cast) -> None:
    empty = make_dataset(cast, row_count=0)
    with pytest.raises(Invalid, match="no training rows"):
        launch(dataset=empty, spec={"kind": "reward_model", "reward": {"objective": "pop"}})
    cast.project.preferences.update(score_chosen=None)
    with pytest.raises(Invalid, match="needs a score"):
        launch(dataset=empty, spec={"kind": "reward_model", "reward": {"objective": "margin"}})
    assert launch(dataset=empty, spec={"kind": "reward_model"}).pk


def test_a_source_is_deleted_only_after_what_was_made_from_it(
    launch: Launch, finished: Finished, cast: Cast
) -> None:
    base = finished("sft")
    made = launch(base_run=base.pk, name="Mine")
    with pytest.raises(Conflict) as refusal:
        runs.delete(run=base, by=cast.owner, at=NOW)
    assert refusal.value.code == "run_in_use"
    assert refusal.value.message == "Made from this run's model: “Mine”. Delete those first."
    runs.cancel(run=made, by=cast.owner, at=NOW)
    runs.delete(run=made, by=cast.owner, at=NOW)
    runs.delete(run=base, by=cast.owner, at=NOW)
    assert not RunLink.objects.exists()


@pytest.fixture
def claimed(launch: Launch, finished: Finished, settings: Any, tmp_path: Path) -> Run:
    """A run on its worker that is made from another."""
    settings.RUNS_DIR = tmp_path / "runs"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    run = custody.claim(launch(base_run=finished("sft").pk).pk, "one@test/0", NOW)
    assert run is not None
    return run


def test_the_engine_reads_a_folder_where_the_row_names_a_run(claimed: Run) -> None:
    base = RunLink.objects.get(run=claimed).source
    home = artifacts.folder(base.pk) / "model"
    home.mkdir(parents=True)
    (home / "config.json").write_text("{}")
    with pytest.raises(NotPrepared, match="dataset"):  # the dataset of these tests has no files
        run_folder.prepare(claimed)
    spec = json.loads((artifacts.folder(claimed.pk) / "spec.json").read_text())
    assert spec["model"]["base"] == f"sources/run-{base.pk}"
    assert claimed.spec["model"]["base"] == f"run:{base.pk}"
    sources.bring(claimed, artifacts.folder(claimed.pk))
    assert (artifacts.folder(claimed.pk) / spec["model"]["base"] / "config.json").read_text() == "{}"
    artifacts.drop_sources(claimed.pk)
    assert not (artifacts.folder(claimed.pk) / "sources").exists()
    assert (home / "config.json").exists()


def test_on_another_machine_the_model_comes_from_storage(claimed: Run) -> None:
    base = RunLink.objects.get(run=claimed).source
    folder = artifacts.folder(claimed.pk)
    with pytest.raises(NotPrepared, match="neither on this machine nor in storage"):
        sources.bring(claimed, folder)
    default_storage.save(artifacts.stored_name(base.pk, "model/config.json"), ContentFile(b"{}"))
    default_storage.save(artifacts.stored_name(base.pk, "model/part/one.bin"), ContentFile(b"1"))
    sources.bring(claimed, folder)
    here = folder / lineage.folder_name(base.pk)
    assert ((here / "config.json").read_bytes(), (here / "part" / "one.bin").read_bytes()) == (b"{}", b"1")


def test_a_path_is_read_only_inside_a_model_folder(launch: Launch, tmp_path: Path) -> None:
    model = tmp_path / "models" / "reward"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    spec = {"method": {"slug": "mmpo", "reward_model": str(model)}}
    with override_settings(MODEL_DIRS=[tmp_path / "models"]):
        assert launch(spec=spec).spec["method"]["reward_model"] == str(model)
    with pytest.raises(Invalid, match="POP_MODEL_DIRS"):
        launch(spec=spec)


def test_the_dataset_of_a_link_may_be_another_of_the_project(
    launch: Launch, finished: Finished, cast: Cast
) -> None:
    other: PopDataset = make_dataset(cast)
    assert launch(dataset=other, base_run=finished("sft").pk).sources.count() == 1
