"""A spec out of layers: files, presets, flags, names alone; what wins, where paths start, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.engine import catalog
from training.engine.console import documents
from training.engine.errors import SpecError
from training.engine.presets import PRESETS
from training.engine.spec import TrainingSpec


def test_yaml_and_json_are_the_same_spec(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "dataset: {path: rows.jsonl}\nmethod: {slug: dpo, params: {beta: 0.2}}\n"
        "training:\n  learning_rate: 5e-4  # YAML 1.1 reads this as text\n  epochs: 2\n"
    )
    document = {
        "dataset": {"path": "rows.jsonl"},
        "method": {"slug": "dpo", "params": {"beta": 0.2}},
        "training": {"learning_rate": 5e-4, "epochs": 2},
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    one, other = (documents.spec(documents.read(tmp_path / name)) for name in ("a.yaml", "a.json"))
    assert one == other
    assert one.training.learning_rate == 5e-4


def test_paths_in_a_file_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "a.yaml").write_text("dataset: {path: data/rows.jsonl}\nmodel: {base: models/mine}\n")
    found = documents.spec(documents.read(tmp_path / "a.yaml"))
    assert found.dataset.path == str(tmp_path / "data" / "rows.jsonl")
    assert found.model.base == str(tmp_path / "models" / "mine")


def test_judges_are_paths_or_ids_and_runs_stand_for_their_models(tmp_path: Path) -> None:
    (tmp_path / "reward" / "model").mkdir(parents=True)
    (tmp_path / "reward" / "spec.json").write_text("{}")
    layer = documents.given({"judge": "reward", "against": "runs/other", "generate": 8}, "dpo_pop")
    found = documents.anchored(layer, tmp_path)["evaluation"]
    assert found == {
        "judge": str(tmp_path / "reward" / "model"),
        "against": str(tmp_path / "runs" / "other"),
        "generation": {"prompts": 8},
    }
    hub = documents.anchored({"evaluation": {"judge": "openbmb/UltraRM-13b"}}, tmp_path)
    assert hub["evaluation"]["judge"] == "openbmb/UltraRM-13b"


@pytest.mark.parametrize("base", ["tiny", "meta-llama/Llama-3.2-3B"])
def test_ids_stay_ids(tmp_path: Path, base: str) -> None:
    assert documents.anchored({"model": {"base": base}}, tmp_path)["model"]["base"] == base


def test_a_path_that_is_not_there_is_a_path_still(tmp_path: Path) -> None:
    found = documents.anchored({"model": {"base": "./nowhere"}}, tmp_path)
    assert found["model"]["base"] == str(tmp_path / "nowhere")


def test_later_layers_win_value_by_value() -> None:
    found = documents.merged(
        [
            PRESETS["tiny-cpu"].spec,
            {"training": {"epochs": 5}},
            documents.given({"beta": 0.3, "model.tiny.layers": 4}, "dpo_pop"),
        ]
    )
    spec = documents.spec(found)
    assert (spec.training.epochs, spec.training.learning_rate) == (5, 5e-4)
    assert (spec.method.params["beta"], spec.model.tiny.layers, spec.model.tiny.hidden_size) == (0.3, 4, 64)


def test_parameters_of_another_method_are_not_kept() -> None:
    pop = {"method": {"slug": "dpo_pop", "params": {"beta": 0.5, "max_margin": 3}}}
    found = documents.spec(documents.merged([pop, {"method": {"slug": "simpo"}}]))
    assert found.method.params["beta"] == 2.5
    again = documents.merged([pop, {"method": {"slug": "dpo_pop", "params": {"target_rate": 0.1}}}])
    assert again["method"]["params"] == {"beta": 0.5, "max_margin": 3, "target_rate": 0.1}


def test_a_parameter_of_the_default_method_needs_no_slug() -> None:
    assert (
        documents.spec(documents.merged([documents.given({"max_margin": 3}, "dpo_pop")])).method.slug
        == "dpo_pop"
    )


@pytest.mark.parametrize(("lora", "rank"), [(True, 16), (8, 8), ({"r": 4}, 4), (False, None), (None, None)])
def test_lora_is_a_rank_or_a_switch(lora: object, rank: int | None) -> None:
    found = documents.spec(documents.given({"lora": lora}, "dpo_pop")).model.lora
    assert (found.r if found else None) == rank


def test_a_misspelt_name_is_refused_with_what_it_may_mean() -> None:
    with pytest.raises(SpecError, match="'learning_rat' is neither") as refused:
        documents.given({"learning_rat": 1}, "dpo_pop")
    assert "learning_rate" in refused.value.hint


def test_a_parameter_of_another_method_is_refused_with_this_ones() -> None:
    with pytest.raises(SpecError, match="nor a parameter of dpo") as refused:
        documents.given({"kl_tau": 1}, "dpo")
    assert refused.value.hint == "dpo takes beta."


def test_a_misspelt_place_is_refused_by_the_spec() -> None:
    with pytest.raises(SpecError, match=r"training\.epoch: Extra inputs"):
        documents.spec(documents.given({"training.epoch": 1}, "dpo_pop"))


@pytest.mark.parametrize("text", ["beta", "=1", "beta=[1"])
def test_half_a_setting_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        documents.pairs([text])


@pytest.mark.parametrize(
    ("text", "reason"), [("- a\n- b\n", "mapping"), ("a: [", "neither YAML nor JSON"), ("\x00", "neither")]
)
def test_a_file_that_is_no_spec_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SpecError, match=reason):
        documents.read(tmp_path / "a.yaml")


def test_a_spec_never_runs_code(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    with pytest.raises(SpecError):
        documents.read(tmp_path / "a.yaml")
    assert not (tmp_path / "made").exists()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        documents.read(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("slug", catalog.METHODS)
def test_no_parameter_has_the_name_of_a_setting(slug: str) -> None:
    """Both may be named alone, as flags and by `PopTrainer`."""
    settings = {*TrainingSpec.model_fields, *documents.PLACES}
    assert not settings & set(documents.parameters(slug))
