"""The run spec: presets hold, defaults hold, mistakes are named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from training.engine import presets
from training.engine.spec import RunSpec


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_is_a_valid_spec(name: str) -> None:
    spec = RunSpec.model_validate(presets.PRESETS[name].spec)
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_the_paper_presets_hold_the_published_settings() -> None:
    spec = RunSpec.model_validate(presets.PRESETS["paper-3b"].spec)
    training = spec.training
    assert (training.learning_rate, training.rows_per_step, training.max_length) == (1e-6, 64, 2048)
    assert (training.warmup_ratio, training.weight_decay, training.lr_scheduler) == (0.03, 0.05, "cosine")
    assert spec.method.params["beta"] == 0.1
    assert spec.method.params["max_margin"] == 10.0
    assert (spec.training.precision, spec.training.gradient_checkpointing) == ("bf16", "on")


def test_parameters_of_a_method_take_their_defaults() -> None:
    spec = RunSpec.model_validate({"method": {"slug": "dpo_margin"}})
    assert spec.method.params == {"beta": 0.1, "margin": 1.0}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"method": {"slug": "dpo", "params": {"beta": -0.1}}}, "greater than 0"),
        ({"method": {"slug": "dpo", "params": {"margin": 1}}}, "Extra inputs"),
        ({"method": {"slug": "dop"}}, "unknown method 'dop'"),
        ({"evaluation": {"names": ["win"]}}, "unknown evaluation 'win'"),
        ({"training": {"learning_rat": 1}}, "learning_rat"),
        ({"training": {"row_order": "sorted"}}, "'shared' or 'shuffled'"),
        ({"method": {"slug": "pop_rm"}}, "pop_rm trains a reward model, not a policy"),
        ({"method": {"slug": "madpo", "params": {"amplify_only": 1, "regularize_only": 1}}}, "this is DPO"),
        ({"method": {"slug": "aps", "params": {"rho": 0.7}}}, "less than or equal to 0.65"),
        ({"method": {"slug": "aot"}, "training": {"micro_batch": 1}}, "micro_batch must be 2"),
        ({"method": {"slug": "madpo"}}, "needs a reward model"),
        ({"method": {"slug": "rdo"}}, "needs a reward model"),
        ({"method": {"slug": "gdpo_soft"}}, "needs a reward model"),
        ({"method": {"slug": "alpha_dpo"}, "training": {"micro_batch": 1}}, "micro_batch must be 2"),
        ({"model": {"tiny": {"hidden_size": 40, "heads": 3}}}, "multiple of heads"),
        ({"model": {"tiny": {"hidden_size": 24, "heads": 8}}}, "even"),
        ({"kind": "sft", "method": {"slug": "dpo"}}, "sft runs have no section 'method'"),
        ({"kind": "reward_model", "method": {}}, "it belongs to preference runs"),
        ({"kind": "preference", "reward": {}}, "it belongs to reward_model runs"),
        ({"kind": "policy"}, "'preference', 'reward_model', 'sft' or 'evaluation'"),
        ({"kind": "evaluation"}, "names the run that it is of"),
        ({"kind": "evaluation", "subject": {"run": "run:1"}, "training": {}}, "belongs to runs that train"),
        ({"kind": "sft", "subject": {"run": "run:1"}}, "it belongs to evaluation runs"),
        ({"kind": "reward_model", "reward": {"patience": -1}}, "greater than or equal to 0"),
    ],
)
def test_a_mistake_is_refused_and_named(document: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        RunSpec.model_validate(document)


@pytest.mark.parametrize(
    ("kind", "sections"), [("preference", {"method"}), ("reward_model", {"reward"}), ("sft", set())]
)
def test_a_dump_has_the_sections_of_its_kind_and_is_a_spec_again(kind: str, sections: set[str]) -> None:
    spec = RunSpec.model_validate({"kind": kind})
    document = spec.model_dump(mode="json")
    assert {"method", "reward"} & set(document) == sections
    assert RunSpec.model_validate(document) == spec


def test_a_spec_of_before_there_were_kinds_is_a_preference_run() -> None:
    spec = RunSpec.model_validate({"version": 1, "method": {"slug": "dpo", "params": {"beta": 0.2}}})
    assert (spec.kind, spec.method.reward_model) == ("preference", None)
