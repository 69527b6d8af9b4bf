"""Who the other side of a win rate is: one name a model, however it was loaded."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.engine.test_generation import small
from training.engine import opponents

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def test_a_model_has_one_name_whatever_stands_before_it_or_rounds_it() -> None:
    model = small()
    name = opponents.of_model(model)
    assert opponents.of_model(copy.deepcopy(model).to(torch.bfloat16)) == name
    config = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["o_proj"], init_lora_weights=False)
    assert opponents.of_model(get_peft_model(copy.deepcopy(model), config)) == name
    assert opponents.of_model(small(seed=1)) != name
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.get_parameter("model.norm.weight")[0] += 0.1
    assert opponents.of_model(changed) != name
    changed = copy.deepcopy(model)
    changed.config.rms_norm_eps = 0.1
    assert opponents.of_model(changed) != name


def test_responses_have_one_name_in_any_order_and_another_text_changes_it() -> None:
    def line(prompt: str, text: str) -> dict[str, Any]:
        return {"prompt_id": prompt, "sample": 0, "response": text, "logp": -1.0}

    one, other = line("a", "Yes."), line("b", "No.")
    assert opponents.of_responses([one, other]) == opponents.of_responses([other, one])
    assert opponents.of_responses([one, other]) != opponents.of_responses([one, line("b", "No")])
