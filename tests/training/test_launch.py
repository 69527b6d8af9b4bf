"""Launching a run: what is refused, in which words, and what a launch leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import override_settings

from annotation.models import AuditEntry, PopDataset, Preference
from tests.cast import NOW, Cast
from tests.training.conftest import Launch, make_dataset
from training.errors import Conflict, Invalid, NotAllowed, NotFound
from training.models import Run
from training.services import runs

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def test_a_launch_queues_a_numbered_run_with_the_whole_spec(launch: Launch) -> None:
    first, second = launch(name="first"), launch()
    assert (first.number, second.number) == (1, 2)
    assert first.state == Run.State.QUEUED
    assert first.name == first.spec["name"] == "first"
    assert first.method == first.spec["method"]["slug"] == "dpo_pop"
    assert first.spec["dataset"] == {"path": "dataset", "sha256": "ab" * 32}
    assert first.spec["training"]["learning_rate"] == 1e-6


def test_a_launch_names_its_dataset_whatever_the_spec_says(launch: Launch) -> None:
    run = launch(spec={"dataset": {"path": "/etc", "sha256": "00" * 32}})
    assert run.spec["dataset"] == {"path": "dataset", "sha256": "ab" * 32}


def test_a_launch_is_in_the_audit_trail(cast: Cast, launch: Launch) -> None:
    run = launch()
    entry = AuditEntry.objects.get(project=cast.project, verb="run.launched")
    assert entry.actor == cast.owner
    assert entry.details == {"run": run.pk}


def test_admins_may_launch(cast: Cast, launch: Launch) -> None:
    assert launch(by=cast.admin).created_by == cast.admin


def test_annotators_may_not_launch(cast: Cast, launch: Launch) -> None:
    with pytest.raises(NotAllowed):
        launch(by=cast.ann_one)
    assert not Run.objects.exists()


def test_for_outsiders_there_is_no_such_dataset(cast: Cast, launch: Launch) -> None:
    with pytest.raises(NotFound) as refusal:
        launch(by=cast.outsider)
    assert refusal.value.code == "dataset_not_found"


@pytest.mark.parametrize("state", [state for state in PopDataset.State if state != "frozen"])
def test_a_dataset_that_is_not_frozen_is_refused(cast: Cast, launch: Launch, state: str) -> None:
    with pytest.raises(Conflict) as refusal:
        launch(dataset=make_dataset(cast, state=state, sha256=""))
    assert state in refusal.value.message


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"training": {"learning_rate": -1}}, "training.learning_rate", "greater than 0"),
        ({"method": {"params": {"beta": -0.1}}}, "method.params.beta", "greater than 0"),
        ({"method": {"params": {"betta": 1}}}, "method.params.betta", "not permitted"),
        ({"method": {"slug": "dpo_pqp"}}, "method.slug", "unknown method 'dpo_pqp'; known: dpo_pop"),
        ({"method": {"slug": "pop_rm"}}, "method.slug", "pop_rm trains a reward model, not a policy"),
        (
            {"method": {"slug": "madpo", "params": {"amplify_only": True, "regularize_only": True}}},
            "method",
            "leave nothing together",
        ),
        ({"evaluation": {"names": ["x"]}}, "evaluation.names", "unknown evaluation 'x'"),
        ({"training": {"row_order": "any"}}, "training.row_order", "'shared' or 'shuffled'"),
        ({"model": {"tiny": {"hidden_size": 40, "heads": 3}}}, "model.tiny", "multiple of heads"),
        ({"lerning_rate": 1}, "lerning_rate", "not permitted"),
        ({"model": 3}, "model", "valid dictionary"),
    ],
)
def test_a_wrong_spec_names_the_field(
    launch: Launch, spec: dict[str, object], field: str, words: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        launch(spec=spec)
    assert list(refusal.value.fields) == [field]
    assert words in refusal.value.fields[field][0]
    assert field in refusal.value.message
    assert not Run.objects.exists()


def test_several_wrong_fields_are_all_named(launch: Launch) -> None:
    with pytest.raises(Invalid) as refusal:
        launch(spec={"training": {"learning_rate": 0, "epochs": -1}})
    assert set(refusal.value.fields) == {"training.learning_rate", "training.epochs"}


@pytest.mark.parametrize("slug", ["dpo_margin_gt", "dpo_scaled"])
def test_methods_that_need_scores_say_so(launch: Launch, slug: str) -> None:
    spec = {"method": {"slug": slug}}
    assert launch(spec=spec).method == slug
    one = Preference.objects.filter(split="train").order_by("id")[:1]
    Preference.objects.filter(pk__in=[item.pk for item in one]).update(score_rejected=None)
    with pytest.raises(Invalid) as refusal:
        launch(spec=spec)
    assert "needs a score" in refusal.value.fields["method.slug"][0]


@pytest.mark.parametrize("slug", ["dpo_pop", "dpo_pop_strength"])
def test_a_method_that_reads_rows_needs_some_and_dpo_does_not(cast: Cast, launch: Launch, slug: str) -> None:
    empty = make_dataset(cast, row_count=0)
    with pytest.raises(Invalid) as refusal:
        launch(dataset=empty, spec={"method": {"slug": slug}})
    assert "no training rows" in refusal.value.fields["method.slug"][0]
    assert launch(dataset=empty, spec={"method": {"slug": "dpo"}}).pk


@pytest.mark.parametrize("base", ["tiny", "gpt2", "meta-llama/Llama-3.2-3B", "a.b/c_d-1.5"])
def test_tiny_and_hub_ids_are_taken(launch: Launch, base: str) -> None:
    assert launch(spec={"model": {"base": base}}).spec["model"]["base"] == base


@pytest.mark.parametrize(
    "base",
    ["/etc", "~/model", "../up", "./here", "a/b/c", "-flag", "a b", "org/--x", "org\\x", "org/..x", "a/"],
)
def test_other_places_and_odd_names_are_refused(launch: Launch, base: str) -> None:
    with pytest.raises(Invalid) as refusal:
        launch(spec={"model": {"base": base}})
    assert list(refusal.value.fields) == ["model.base"]


def test_a_model_inside_a_model_folder_is_taken(launch: Launch, tmp_path: Path) -> None:
    model = tmp_path / "models" / "mine"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    with override_settings(MODEL_DIRS=[tmp_path / "models"]):
        assert launch(spec={"model": {"base": str(model)}}).pk
        with pytest.raises(Invalid, match=r"no config\.json"):
            launch(spec={"model": {"base": str(model) + "x"}})


def test_a_link_that_leads_out_of_the_model_folder_is_refused(launch: Launch, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("{}")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link").symlink_to(outside)
    with override_settings(MODEL_DIRS=[tmp_path / "models"]):
        for base in ("models/link", "models/../outside"):
            with pytest.raises(Invalid, match="POP_MODEL_DIRS"):
                launch(spec={"model": {"base": str(tmp_path / base)}})


def test_a_model_folder_that_only_workers_have_is_not_looked_into(launch: Launch) -> None:
    with override_settings(MODEL_DIRS=[Path("/on/the/gpu/machine")]):
        assert launch(spec={"model": {"base": "/on/the/gpu/machine/llama"}}).pk


def test_runs_are_numbered_in_their_own_project(cast: Cast, launch: Launch) -> None:
    launch()
    Run.objects.update(number=7)
    assert launch().number == 8
    run = Run.objects.first()
    assert run is not None
    with pytest.raises(NotFound):
        runs.cancel(run=run, by=cast.outsider, at=NOW)


@pytest.mark.parametrize(
    "base", ["~nobody-of-this-name/model", "{models}/" + "x" * 400, "/a\0b", "{models}/loop/model"]
)
def test_a_path_no_system_can_follow_is_refused_in_words(launch: Launch, tmp_path: Path, base: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with override_settings(MODEL_DIRS=[tmp_path]), pytest.raises(Invalid) as refusal:
        launch(spec={"model": {"base": base.format(models=tmp_path)}})
    assert refusal.value.fields.keys() == {"model.base"}


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"name": "a\0b"}, "name"),
        ({"model": {"revision": "a\0b"}}, "model.revision"),
        ({"training": {"learning_rate": float("inf")}}, "spec"),
    ],
)
def test_what_no_database_can_store_is_refused_in_words(
    launch: Launch, wrong: dict[str, object], place: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        launch(spec=wrong)
    assert refusal.value.fields.keys() == {place}
