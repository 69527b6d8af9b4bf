"""Base models as they come: with dropout, odd generation settings, templates that rewrite prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, GPTNeoXConfig, LlamaConfig

from tests.engine import world
from training.engine import runner, tiny
from training.engine.errors import DatasetError

MARKS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}
SIZES: dict[str, Any] = MARKS | {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
LLAMA = LlamaConfig(**SIZES)
REFUSES_SYSTEM = (
    "{% for one in messages %}{% if one['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ one['content'] }}{{ eos_token }}{% endfor %}"
)
FORGETS_EARLIER_TURNS = (
    "{% for one in messages %}{% if loop.last or not add_generation_prompt %}{{ one['content'] }}{% endif %}"
    "{{ eos_token }}{% endfor %}"
)


def saved(folder: Path, config: Any = LLAMA, template: str = tiny.CHAT_TEMPLATE) -> str:
    """A base model of random weights on disk; its path."""
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer = tiny.tokenizer(["Question 1: what now?"], 300)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return str(folder)


def train(folder: Path, base: str, lines: list[dict[str, Any]] | None = None) -> Path:
    run = world.run_dir(folder, lines, model={"base": base})
    return runner.train(world.open_run(run))


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SIZES, attention_dropout=0.3),
        GPTNeoXConfig(**SIZES, attention_dropout=0.3, hidden_dropout=0.3),
    ],
    ids=lambda config: config.model_type,
)
def test_policy_and_reference_are_the_same_at_step_zero_whatever_dropout_the_base_has(
    tmp_path: Path, config: Any
) -> None:
    train(tmp_path / "run", saved(tmp_path / "base", config))
    first = world.told(tmp_path / "run", "metrics")[0]
    assert first.data["loss"] == pytest.approx(0.693147, abs=1e-5)


def test_sampling_settings_that_transformers_would_not_save_do_not_stop_a_run(tmp_path: Path) -> None:
    base = saved(tmp_path / "base")
    settings = {"eos_token_id": 1, "temperature": 0.6, "top_p": 0.9}
    (tmp_path / "base" / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    model = train(tmp_path / "run", base)
    kept = json.loads((model / "generation_config.json").read_text(encoding="utf-8"))
    assert kept.items() >= settings.items()
    assert kept["do_sample"] is True


def test_a_template_that_refuses_a_conversation_is_bad_input_and_names_it(tmp_path: Path) -> None:
    lines = world.rows(8)
    lines[3]["strong"]["prompt"] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
    ]
    with pytest.raises(DatasetError, match="System role not supported") as refused:
        train(tmp_path / "run", saved(tmp_path / "base", template=REFUSES_SYSTEM), lines)
    assert refused.value.code == "template_refused"


def test_a_template_that_rewrites_the_prompt_once_it_is_answered_is_told(tmp_path: Path) -> None:
    lines = world.rows(8)
    earlier = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]
    lines[3]["strong"]["prompt"] = [*earlier, {"role": "user", "content": "And now?"}]
    train(tmp_path / "run", saved(tmp_path / "base", template=FORGETS_EARLIER_TURNS), lines)
    told = {event.data["code"]: event.data["message"] for event in world.told(tmp_path / "run", "warning")}
    assert told["prompt_rewritten"].startswith("1 of ")


def test_cut_responses_and_held_out_prompts_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    lines = world.rows(8, heldout=2)
    lines[0]["strong"]["chosen"] = "and so on " * 40
    lines[-1]["weak"]["prompt"] = "far too long " * 40
    folder = world.run_dir(tmp_path / "run", lines, training={"max_length": 120})
    runner.train(world.open_run(folder))
    told = {event.data["code"]: event.data["message"] for event in world.told(folder, "warning")}
    assert told.keys() == {"responses_cut", "heldout_dropped"}
    assert told["responses_cut"].startswith("1 of ")
    assert told["heldout_dropped"].startswith("1 of 3 held-out")


def test_margins_that_point_the_other_way_are_told(tmp_path: Path) -> None:
    lines = world.rows(8)
    lines[0]["strong"] |= {"score_chosen": 1.0, "score_rejected": 2.0}
    folder = world.run_dir(tmp_path / "run", lines, method={"slug": "dpo_scaled"})
    runner.train(world.open_run(folder))
    told = {event.data["code"]: event.data["message"] for event in world.told(folder, "warning")}
    assert told["score_margin_negative"].startswith("1 of ")
