"""The new-run form: made from the spec, filled by presets, checked by the spec, keeping what was typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from frontend.forms.run_form import RunForm
from frontend.forms.spec_fields import method_fields, sections
from tests.frontend.conftest import Desk
from tests.frontend.test_project_pages import text
from training.engine import catalog, presets
from training.engine.spec import RunSpec
from training.models import Run

database = [pytest.mark.either, pytest.mark.django_db]


def posted(form: RunForm, **changes: Any) -> QueryDict:
    """What a browser sends for the form as it stands, with changes by path (dots as in the spec)."""
    data = QueryDict(mutable=True)
    data["name"], data["dataset"], data["kind"] = form.name, form.dataset, form.kind
    for path, value in form.values.items():
        if isinstance(value, list):
            data.setlist(path, value)
        elif value is not False:
            data[path] = "on" if value is True else value
    for path in form.switched_on:
        data[f"{path}:on"] = "on"
    for path, value in changes.items():
        data[path] = value
    return data


def every_path(node: Any, above: str = "") -> set[str]:
    if not isinstance(node, dict):
        return {above}
    found = (every_path(value, f"{above}.{name}".lstrip(".")) for name, value in node.items())
    return set().union(*found)


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_preset_survives_the_way_through_the_page(preset: str) -> None:
    expected = RunSpec.model_validate(presets.PRESETS[preset].spec)
    form = RunForm.from_post(posted(RunForm.from_preset(preset)))
    assert form.is_valid(), form.errors
    assert RunSpec.model_validate(form.spec()) == expected


def test_trackers_are_offered_and_taken() -> None:
    (item,) = [one for part in sections() for one in part.fields if one.path == "training.report_to"]
    assert [value for value, _, _ in item.choices] == ["wandb", "tensorboard", "mlflow"]
    data = posted(RunForm.from_preset("tiny-cpu"))
    assert RunForm.from_post(data).spec()["training"]["report_to"] == []
    data.setlist("training.report_to", ["wandb", "mlflow"])
    assert RunForm.from_post(data).spec()["training"]["report_to"] == ["wandb", "mlflow"]


def test_every_value_of_the_spec_has_a_field() -> None:
    spec = RunSpec.model_validate({"kind": "reward_model", "model": {"lora": {}}}).model_dump(mode="json")
    for outside in ("version", "kind", "name", "dataset"):
        del spec[outside]
    for afterwards in ("rewardbench", "alpaca_eval"):  # for runs that evaluate another
        del spec["evaluation"][afterwards]
    assert {item.path for section in sections() for item in section.fields} == every_path(spec)


@pytest.mark.parametrize("slug", catalog.POLICY_METHODS)
def test_a_method_brings_its_own_parameters(slug: str) -> None:
    names = {item.path for item in method_fields(slug)}
    assert names == {f"method.params.{name}" for name in catalog.METHODS[slug].params.model_fields}
    assert all(item.title for item in method_fields(slug))


WRONG = (
    ("training.learning_rate", "abc", "training.learning_rate"),
    ("training.learning_rate", "-1", "training.learning_rate"),
    ("training.epochs", "", "training.epochs"),
    ("training.rows_per_step", "1.5", "training.rows_per_step"),
    ("training.row_order", "any", "training.row_order"),
    ("training.precision", "fp8", "training.precision"),
    ("method.params.beta", "-0.1", "method.params.beta"),
    ("method.slug", "no_such", "method.slug"),
    ("model.base", "", "model.base"),
    ("model.tiny.heads", "5", "model.tiny"),
    ("evaluation.batch_size", "0", "evaluation.batch_size"),
    ("evaluation.generation.top_p", "1.5", "evaluation.generation.top_p"),
    ("evaluation.judge", "run:3", "evaluation"),  # without prompts there is nothing to judge
)


@pytest.mark.parametrize(("path", "value", "place"), WRONG)
def test_a_wrong_value_is_marked_where_it_stands_and_kept(path: str, value: str, place: str) -> None:
    form = RunForm.from_post(posted(RunForm.from_preset("tiny-cpu"), **{path: value}))
    assert not form.is_valid()
    assert set(form.errors) == {place}
    assert all(message for message in form.errors[place])
    assert form.values[path] == value


def test_lora_is_left_out_unless_it_is_switched_on() -> None:
    data = posted(RunForm.from_preset("lora-single-gpu"))
    assert RunForm.from_post(data).spec()["model"]["lora"]["r"] == 16
    del data["model.lora:on"]
    form = RunForm.from_post(data)
    assert form.spec()["model"]["lora"] is None
    assert form.values["model.lora.r"] == "16"  # still there when it is switched on again


@pytest.mark.django_db
@pytest.mark.either
def test_the_form_launches_the_run_it_shows(owner_client: Client, desk: Desk) -> None:
    form = RunForm.from_preset("tiny-cpu", name="Mine", dataset=str(desk.dataset.pk))
    data = posted(form, **{"training.epochs": "2.5"})
    answer = owner_client.post(reverse("run-new", args=[desk.project.slug]), data)
    run = Run.objects.get(name="Mine")
    assert answer["Location"] == reverse("run", args=[run.pk])
    assert run.spec["training"]["epochs"] == 2.5
    assert run.spec["dataset"]["sha256"] == desk.dataset.sha256
    assert run.dataset == desk.dataset


@pytest.mark.django_db
@pytest.mark.either
def test_a_refused_launch_keeps_everything_typed(owner_client: Client, desk: Desk) -> None:
    form = RunForm.from_preset("tiny-cpu", name="Mine", dataset=str(desk.dataset.pk))
    data = posted(form, **{"model.base": "/etc", "training.learning_rate": "0.00012", "training.seed": "x"})
    answer = owner_client.post(reverse("run-new", args=[desk.project.slug]), data)
    assert answer.status_code == 422
    shown = answer.context["form"]
    assert set(shown.errors) == {"training.seed"}
    assert shown.values["training.learning_rate"] == "0.00012"
    data["training.seed"] = "3"
    answer = owner_client.post(reverse("run-new", args=[desk.project.slug]), data)
    assert "not inside a folder" in answer.context["form"].errors["model.base"][0]
    assert 'value="/etc"' in text(answer)
    assert not Run.objects.filter(name="Mine").exists()


@pytest.mark.django_db
@pytest.mark.either
def test_a_run_needs_a_frozen_dataset_of_this_project(owner_client: Client, desk: Desk) -> None:
    form = RunForm.from_preset("tiny-cpu", dataset="987654")
    answer = owner_client.post(reverse("run-new", args=[desk.project.slug]), posted(form))
    assert answer.status_code == 422
    assert answer.context["form"].errors["dataset"]


@pytest.mark.django_db
@pytest.mark.either
def test_another_method_changes_the_parameters_and_keeps_what_they_share(
    owner_client: Client, desk: Desk
) -> None:
    typed = {"method.slug": "dpo_margin", "method.was": "dpo_pop", "method.params.beta": "0.31"}
    data = posted(RunForm.from_preset("tiny-cpu"), **typed)
    page = text(owner_client.post(reverse("run-form-parts", args=[desk.project.slug]) + "?method=1", data))
    assert 'name="method.params.margin"' in page
    assert 'name="method.params.max_margin"' not in page
    assert 'value="0.31"' in page


@pytest.mark.django_db
@pytest.mark.either
def test_a_letter_that_means_another_thing_begins_at_its_own_default(
    owner_client: Client, desk: Desk
) -> None:
    data = posted(RunForm.from_preset("tiny-cpu"), **{"method.slug": "simpo", "method.was": "dpo_pop"})
    page = text(owner_client.post(reverse("run-form-parts", args=[desk.project.slug]) + "?method=1", data))
    assert 'name="method.params.beta" value="2.5"' in page
    assert '<input type="hidden" name="method.was" value="simpo">' in page
    data["method.was"], data["method.params.beta"] = "simpo", "3.1"
    page = text(owner_client.post(reverse("run-form-parts", args=[desk.project.slug]) + "?method=1", data))
    assert 'name="method.params.beta" value="3.1"' in page


def chosen(client: Client, desk: Desk, slug: str, **changes: str) -> str:
    """The page's part about the method, once a person has chosen it."""
    data = posted(
        RunForm.from_preset("tiny-cpu"), **{"method.slug": slug, "method.was": "dpo_pop", **changes}
    )
    return text(client.post(reverse("run-form-parts", args=[desk.project.slug]) + "?method=1", data))


@pytest.mark.django_db
@pytest.mark.either
def test_switches_and_numbers_that_may_stay_empty_are_shown_as_such(owner_client: Client, desk: Desk) -> None:
    page = chosen(owner_client, desk, "madpo")
    assert (
        '<input type="checkbox" id="f-method-params-amplify_only" name="method.params.amplify_only" >' in page
    )
    assert "(optional)" in page.partition("c_min")[2]
    assert 'name="method.params.c_min" value=""' in page
    assert "needs a reward model" in page
    page = chosen(owner_client, desk, "dpo_pop_strength")
    assert 'name="method.params.weighted" checked>' in page
    assert "reads all PoP rows" in page


def test_what_is_left_empty_or_switched_reaches_the_spec() -> None:
    spec = RunSpec().model_dump(mode="json") | {"method": {"slug": "madpo", "params": {}}}
    form = RunForm.from_spec(spec)
    assert RunForm.from_post(posted(form)).spec()["method"]["params"]["c_min"] is None
    changed = RunForm.from_post(
        posted(form, **{"method.params.c_min": "0.3", "method.params.amplify_only": "on"})
    )
    changed.is_valid()
    assert not any(path.startswith("method.params") for path in changed.errors)
    params = changed.spec()["method"]["params"]
    assert (params["c_min"], params["amplify_only"], params["regularize_only"]) == (0.3, True, False)
    both = posted(changed, **{"method.params.regularize_only": "on"})
    refused = RunForm.from_post(both)
    assert not refused.is_valid()
    assert "this is DPO" in str(refused.errors)


@pytest.mark.django_db
@pytest.mark.either
def test_a_reward_models_objective_is_not_offered_for_a_policy(owner_client: Client, desk: Desk) -> None:
    page = text(owner_client.get(reverse("run-new", args=[desk.project.slug])))
    assert 'value="dpo_pop_strength"' in page
    assert 'value="pop_rm"' not in page
    form = RunForm.from_post(posted(RunForm.from_preset("tiny-cpu"), **{"method.slug": "pop_rm"}))
    assert not form.is_valid()
    assert form.errors["method.slug"] == ["Choose one of the methods."]


@pytest.mark.django_db
@pytest.mark.either
def test_the_page_shows_the_same_run_as_json_api_call_and_command(owner_client: Client, desk: Desk) -> None:
    data = posted(RunForm.from_preset("tiny-cpu", dataset=str(desk.dataset.pk)), **{"training.seed": "77"})
    answer = owner_client.post(reverse("run-form-parts", args=[desk.project.slug]), data)
    spec, api, engine = (snippet.code for snippet in answer.context["snippets"])
    assert RunSpec.model_validate(json.loads(spec)).training.seed == 77
    assert json.loads(api.partition("<<'JSON'\n")[2].removesuffix("\nJSON"))["dataset"] == desk.dataset.pk
    assert "python -m training.engine train" in engine


@pytest.mark.django_db
@pytest.mark.either
def test_an_earlier_runs_spec_fills_the_form(owner_client: Client, desk: Desk) -> None:
    spec = RunSpec.model_validate(
        {"training": {"seed": 41}, "method": {"slug": "dpo", "params": {"beta": 0.7}}}
    )
    Run.objects.update(spec=spec.model_dump(mode="json"))
    url = reverse("run-new", args=[desk.project.slug])
    form = owner_client.get(url, {"like": str(desk.run.pk)}).context["form"]
    assert (form.method, form.values["method.params.beta"], form.values["training.seed"]) == (
        "dpo",
        "0.7",
        "41",
    )


@pytest.mark.parametrize(("stored", "shown"), [(True, "on"), (False, "off"), ("auto", "auto")])
def test_a_run_from_before_is_varied_with_its_own_switch(stored: bool | str, shown: str) -> None:
    spec = RunSpec().model_dump(mode="json")
    spec["training"]["gradient_checkpointing"] = stored
    form = RunForm.from_spec(spec)
    assert form.spec()["training"]["gradient_checkpointing"] == shown
    assert form.is_valid()
