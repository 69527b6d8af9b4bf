"""What a run will take, held against what runs take: steps, sequences, bytes, weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from tests.engine import world
from training.engine import estimate, forecast, measured, preparation, runner, shapes
from training.engine.layouts import TokenBatch, packed, pad
from training.engine.logps import Scorer
from training.engine.presets import PRESETS
from training.engine.spec import RunSpec, TrainingSpec

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

LLAMA_3B = {
    "model_type": "llama",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
    "tie_word_embeddings": True,
}
LLAMA_8B = LLAMA_3B | {
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "tie_word_embeddings": False,
}
SMALL: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
MODELS: list[tuple[str, dict[str, Any]]] = [
    ("LlamaConfig", {}),
    ("LlamaConfig", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    ("MistralConfig", {"head_dim": 16}),
    ("Qwen2Config", {}),
    ("Qwen3Config", {"head_dim": 16, "attention_bias": True}),
    ("GemmaConfig", {"head_dim": 16}),
    ("Gemma2Config", {"head_dim": 16}),
    ("Gemma3TextConfig", {"head_dim": 16, "tie_word_embeddings": False}),
]


@pytest.mark.parametrize(("name", "changes"), MODELS)
def test_arithmetic_counts_as_transformers_does(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    config = getattr(transformers, name)(**SMALL, **changes)
    config.save_pretrained(tmp_path)
    by_hand = shapes.shape(json.loads((tmp_path / "config.json").read_text()))
    counted = measured.shape(AutoConfig.from_pretrained(tmp_path))
    assert by_hand is not None
    assert by_hand.parameters == counted.parameters
    assert sorted(by_hand.linears) == sorted(counted.linears)
    assert (by_hand.layers, by_hand.hidden, by_hand.vocabulary) == (3, 32, 96)
    config.num_labels = 1
    scoring = AutoModelForSequenceClassification.from_config(config)
    real = sum(one.numel() for one in scoring.parameters())
    assert by_hand.classifier().parameters == counted.classifier().parameters == real


def test_every_family_of_the_table_is_held_against_transformers() -> None:
    covered = {getattr(transformers, name).model_type for name, _ in MODELS}
    assert covered == shapes.FAMILIES.keys()


def test_a_family_without_arithmetic_is_counted() -> None:
    config = AutoConfig.for_model("gpt_neox", **SMALL, max_position_embeddings=64)
    assert shapes.shape(config.to_dict()) is None
    real = AutoModelForCausalLM.from_config(config)
    assert measured.shape(config).parameters == sum(one.numel() for one in real.parameters())


def started(folder: Path, **changes: Any) -> tuple[Any, Any]:
    """A trained run's trainer and its spec's shape."""
    run = world.open_run(world.run_dir(folder, **changes))
    trainer = runner.fit(run, preparation.prepare(run, None), None)
    return run, trainer


def size(tensors: Any) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


@pytest.mark.parametrize("lora", [None, {"r": 4, "alpha": 8}])
@pytest.mark.parametrize("slug", ["dpo_pop", "dpo"])
def test_memory_is_that_of_a_real_run_to_the_byte(
    tmp_path: Path, slug: str, lora: dict[str, int] | None
) -> None:
    run, trainer = started(
        tmp_path,
        model={"lora": lora},
        method={"slug": slug, "params": {"beta": 0.5}},
        training={"save_steps": 1},
    )
    said = estimate.memory(run.spec, shapes.tiny(run.spec.model.tiny, len(run.base.tokenizer)))
    assert said.weights == size(trainer.model.parameters())
    moments = [
        state[name] for state in trainer.optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")
    ]
    assert said.moments == size(moments)
    assert said.target == (size(trainer.target.average.values()) if trainer.target is not None else 0)
    trainer.model.train()
    (batch,) = [trainer.data_collator([row]) for row in trainer.train_dataset.select([0])]
    trainer.compute_loss(trainer.model, batch).backward()
    grown = [one.grad for one in trainer.model.parameters() if one.grad is not None]
    assert said.gradients == size(grown)
    checkpoint = max((tmp_path / "checkpoints").glob("checkpoint-*"))
    written = sum(
        one.stat().st_size for one in checkpoint.rglob("*") if one.suffix in (".safetensors", ".pt")
    )
    assert said.checkpoint <= written < said.checkpoint + 100_000  # names, shapes and random states beside it


@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_are_what_a_pass_keeps(checkpointing: bool) -> None:
    config = transformers.LlamaConfig(**(SMALL | {"num_hidden_layers": 6, "hidden_size": 64}))
    model = AutoModelForCausalLM.from_config(config)
    if checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    shape = shapes.shape(config.to_dict())
    assert shape is not None
    own = {one.untyped_storage().data_ptr() for one in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = np.arange(64, dtype=np.int32)
    batch = pad([(ids, 63)] * 4, 0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        Scorer(model.train())(batch)
    found = sum(one.untyped_storage().nbytes() for one in kept.values())
    said = estimate.activations(
        TrainingSpec(gradient_checkpointing="on" if checkpointing else "off"), shape, 256, 4
    )
    whole = 4 * 256 * (8 * 64 + 2 * 32 + 4 * 80) if checkpointing else 0  # kept only while going backwards
    assert found == pytest.approx(said - whole, rel=0.02)


@pytest.mark.parametrize(("rows", "epochs"), [(8, 1), (9, 1.5), (13, 2), (3, 1)])
def test_steps_are_those_that_are_taken(tmp_path: Path, rows: int, epochs: float) -> None:
    run, trainer = started(
        tmp_path, lines=world.rows(rows), training={"epochs": epochs}, method={"slug": "dpo_pop_raw"}
    )
    said = estimate.batch(run.spec, rows)
    assert said.steps == trainer.state.global_step
    assert (said.rows_per_step, said.pass_preferences, said.pass_tokens) == (4, 2, 16_384)
    assert said.last_rows == (rows - 1) % 4 + 1


def sequences(folder: Path, slug: str, monkeypatch: pytest.MonkeyPatch) -> tuple[float, forecast.Forecast]:
    """F that a whole run really costs, and what was said of it."""
    counted = 0.0
    forward = Scorer.forward

    def count(self: Scorer, batch: TokenBatch) -> torch.Tensor:
        nonlocal counted
        counted += batch.sequences * (3 if torch.is_grad_enabled() and self.training else 1)
        return forward(self, batch)

    run_dir = world.run_dir(
        folder,
        method={"slug": slug, "params": {"beta": 0.5}},
        model={"base": "tiny", "tiny": world.TINY | {"sft_steps": 0}},
        training={"epochs": 2},
    )
    run = world.open_run(run_dir)
    said = forecast.forecast(run.spec, run_dir)
    monkeypatch.setattr(Scorer, "forward", count)
    # what is tried at the start is no part of the run
    monkeypatch.setattr(preparation, "check_head", lambda _: None)
    monkeypatch.setattr(preparation, "layout_for", lambda *_, **__: packed)
    runner.train(run)
    return counted, said


def test_cost_of_dpo_is_counted_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, said = sequences(tmp_path, "dpo", monkeypatch)
    assert counted == said.cost.total
    assert said.cost.target == 0


def test_cost_of_dpo_pop_counts_what_steps_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first epoch exactly; a later one may share a little more or less."""
    counted, said = sequences(tmp_path, "dpo_pop", monkeypatch)
    assert counted == pytest.approx(said.cost.total, rel=0.15)
    rows = 2 * said.counts.rows
    assert said.cost.policy < 6 * rows
    assert said.cost.target <= 2 * rows


def test_cost_follows_the_formulas() -> None:
    """N preferences, k = 2: 6F·N strong, 2F for each weak one of a step, 2F·N for the reference."""
    shared = {"strong_passes": 100, "weak_passes": 120}
    pop = estimate.cost(
        RunSpec(), estimate.Counts(rows=200, strong=100, weak=100, **shared, scored=100, heldout=0)
    )
    assert pop.total == 6 * 100 + 2 * 120 + 2 * 100
    plain = RunSpec.model_validate({"method": {"slug": "dpo"}})
    counts = estimate.Counts(
        rows=100, strong=100, weak=0, strong_passes=100, weak_passes=0, scored=100, heldout=0
    )
    assert estimate.cost(plain, counts).total == 6 * 100 + 2 * 100


def test_operations_follow_the_weights_and_the_tokens() -> None:
    shape = shapes.shape(LLAMA_3B)
    assert shape is not None
    tokens = estimate.Tokens(
        policy=10**6, target=0, scored=10**6, heldout=0, completions=0, squares=0, longest=1
    )
    spec = RunSpec.model_validate({"method": {"slug": "dpo"}})
    linear = shape.parameters - 128_256 * 3072 - (2 * 28 + 1) * 3072
    assert estimate.operations(spec, shape, tokens) == pytest.approx((6 + 2) * linear * 10**6)
    lora = RunSpec.model_validate({"method": {"slug": "dpo"}, "model": {"lora": {}}})
    assert estimate.operations(lora, shape, tokens) == pytest.approx((4 + 2) * linear * 10**6)


@pytest.mark.parametrize(
    ("preset", "config", "parameters", "trained"),
    [
        ("paper-3b", LLAMA_3B, 3_212_749_824, 3_212_749_824),
        ("paper-8b", LLAMA_8B, 8_030_261_248, 8_030_261_248),
        ("lora-single-gpu", LLAMA_3B, 3_212_749_824, 24_313_856),
        ("paper-sft", LLAMA_3B, 3_212_749_824, 3_212_749_824),
    ],
)
def test_the_presets_need_what_the_engine_page_says(
    preset: str, config: dict[str, Any], parameters: int, trained: int
) -> None:
    shape = shapes.shape(config)
    assert shape is not None
    assert shape.parameters == parameters
    spec = RunSpec.model_validate(PRESETS[preset].spec)
    said = estimate.memory(spec, shape)
    assert said.gradients == 4 * trained
    page = (world.ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    cells = f"{said.held / 1e9:.1f} GB | {said.activations / 1e9:.1f} GB | {said.total / 1e9:.0f} GB |"
    (line,) = [line for line in page.splitlines() if line.startswith(f"| `{preset}` |") and "billion" in line]
    assert cells in line
