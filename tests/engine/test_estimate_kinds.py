"""What SFT and reward-model runs will take, held against what such runs take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine import two_step, world
from tests.engine.test_estimate import size
from training.engine import estimate, forecast, loop, reward_model, runner, shapes, supervised
from training.engine.layouts import TokenBatch
from training.engine.logps import Scorer
from training.engine.spec import RunSpec, TrainingSpec

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
KINDS = ["sft", "reward_model"]


class Counted:
    """F that a run really costs; its largest forward pass with gradient: sequences, tokens with padding."""

    def __init__(self) -> None:
        self.cost = 0
        self.largest = (0, 0)

    def add(self, sequences: int, tokens: int) -> None:
        self.cost += sequences * (3 if torch.is_grad_enabled() else 1)
        if torch.is_grad_enabled():
            self.largest = max(self.largest, (sequences, tokens))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Counts what goes through a model as a policy is fine-tuned, or as rewards are asked for."""
    found = Counted()
    forward, rewards = Scorer.forward, reward_model.rewards

    def scored(self: Scorer, batch: TokenBatch) -> torch.Tensor:
        found.add(batch.sequences, batch.input_ids.numel())
        return forward(self, batch)

    def judged(model: Any, sequences: Any, *, bf16: bool) -> torch.Tensor:
        found.add(len(sequences["input_ids"]), sequences["input_ids"].numel())
        return rewards(model, sequences, bf16=bf16)

    monkeypatch.setattr(Scorer, "forward", scored)
    monkeypatch.setattr(reward_model, "rewards", judged)
    monkeypatch.setattr(supervised, "check_head", lambda _: None)  # tried at the start, no part of the run
    return found


def trained(folder: Path, kind: str, **changes: Any) -> forecast.Forecast:
    """Train a run to its end; what was said of it before."""
    model = {"base": "tiny", "tiny": world.TINY | {"sft_steps": 0}}
    run = world.open_run(two_step.run_dir(folder, kind, model=model, **changes))
    said = forecast.forecast(run.spec, folder)
    runner.train(run)
    assert said.batch.steps == max(event.step or 0 for event in world.told(folder, "metrics"))
    return said


def test_cost_of_sft_is_counted_exactly(tmp_path: Path, counted: Counted) -> None:
    """10 chosen responses and 5 held-out preferences, twice."""
    said = trained(tmp_path, "sft", training={"epochs": 2, "rows_per_step": 6, "micro_batch": 4})
    assert counted.cost == said.cost.total == 2 * 3 * 10 + 2 * 5
    assert (said.cost.target, said.cost.reference) == (0, 0)
    assert counted.largest[0] == said.batch.pass_preferences == 4
    assert counted.largest[1] <= said.batch.pass_tokens


@pytest.mark.parametrize(("epochs", "evaluations"), [(2, 3), (3, 4)])
def test_cost_of_a_reward_model_is_counted_exactly(
    tmp_path: Path, counted: Counted, epochs: int, evaluations: int
) -> None:
    """Checkpoints after each third step and the last; then the finished model."""
    said = trained(tmp_path, "reward_model", training={"epochs": epochs}, reward={"patience": 0})
    assert counted.cost == said.cost.total == epochs * 6 * 10 + evaluations * 2 * 5
    assert counted.largest[0] == 2 * said.batch.pass_preferences == 4
    assert counted.largest[1] <= said.batch.pass_tokens


def test_cost_of_pop_rows_is_never_above_what_was_said(tmp_path: Path, counted: Counted) -> None:
    """Rows of a forward pass that share a preference send it through once."""
    said = trained(
        tmp_path,
        "reward_model",
        lines=world.rows(8),
        reward={"objective": "pop", "patience": 0},
        training={"micro_batch": 6},
    )
    assert said.cost.policy == 6 * 2 * 8
    assert 0.6 * said.cost.total < counted.cost <= said.cost.total
    assert counted.largest[0] <= 2 * said.batch.pass_preferences == 12


@pytest.mark.parametrize(
    ("kind", "changes", "sequences"),
    [
        ("sft", {}, 1),
        ("reward_model", {}, 2),
        ("reward_model", {"reward": {"objective": "pop"}}, 4),
    ],
)
def test_max_tokens_bounds_a_forward_pass_of_every_kind(
    tmp_path: Path, counted: Counted, kind: str, changes: dict[str, Any], sequences: int
) -> None:
    """Rows stay whole: with the least that a spec takes, each goes alone."""
    training = {"rows_per_step": 8, "micro_batch": 8, "max_tokens": 16, "max_length": 128}
    said = trained(tmp_path, kind, training=training, **changes)
    assert counted.largest[0] == sequences
    spec = RunSpec.model_validate({"kind": kind, "training": training, **changes})
    assert said.tokens is not None
    assert counted.largest[1] <= estimate.largest_pass(spec, said.tokens.longest)
    wide = spec.training.model_copy(update={"max_tokens": 4 * said.tokens.longest})
    spec.training = wide
    assert estimate.largest_pass(spec, said.tokens.longest) == 4 * said.tokens.longest


@pytest.mark.parametrize("lora", [None, {"r": 4, "alpha": 8}])
@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_that_of_a_real_run_to_the_byte(
    tmp_path: Path, kind: str, lora: dict[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    fit = loop.fit

    def fitted(run: Any, trainer: Any, resume: Path | None) -> int:
        kept.append(trainer)
        steps = fit(run, trainer, resume)
        weights.append(size(trainer.model.parameters()))  # adapters are merged later
        return steps

    weights: list[int] = []
    monkeypatch.setattr(loop, "fit", fitted)
    model = {"base": "tiny", "tiny": world.TINY, "lora": lora}
    run = world.open_run(two_step.run_dir(tmp_path, kind, model=model, training={"save_steps": 1}))
    runner.train(run)
    (trainer,) = kept
    shape = shapes.tiny(run.spec.model.tiny, len(run.base.tokenizer))
    said = estimate.memory(run.spec, shape.classifier() if kind == "reward_model" else shape)
    assert weights == [said.weights]
    moments = [
        state[name] for state in trainer.optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")
    ]
    assert said.moments == 2 * said.gradients == size(moments)
    assert said.target == 0
    checkpoint = max((tmp_path / "checkpoints").glob("checkpoint-*"))
    written = sum(
        one.stat().st_size for one in checkpoint.rglob("*") if one.suffix in (".safetensors", ".pt")
    )
    assert said.checkpoint <= written < said.checkpoint + 100_000  # names, shapes and random states beside it
    finished = (tmp_path / "model" / "model.safetensors").stat().st_size
    assert said.model <= finished < said.model + 100_000


def test_a_reward_model_has_no_logits_to_keep() -> None:
    shape = shapes.shape(
        {
            "model_type": "llama",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": 50_000,
            "tie_word_embeddings": False,
        }
    )
    assert shape is not None
    spec = TrainingSpec()
    a_layer = 8 * 64 + 2 * 64 + 4 * 128
    assert estimate.activations(spec, shape.classifier(), 10, 10) == 4 * 10 * (2 * a_layer + 2 * 64)
    assert estimate.activations(spec, shape, 10, 10) > 4 * 10 * 50_000


def test_operations_of_a_reward_model_count_every_evaluation() -> None:
    shape = shapes.tiny(RunSpec().model.tiny).classifier()
    tokens = estimate.Tokens(policy=100, target=0, scored=0, heldout=10, completions=50, squares=0, longest=9)
    spec = RunSpec.model_validate({"kind": "reward_model"})
    linear = sum(wide * narrow for wide, narrow in shape.linears)
    assert estimate.operations(spec, shape, tokens, 4) == pytest.approx(2 * linear * (3 * 100 + 4 * 10))


def test_a_method_with_a_reward_model_says_what_that_costs_beside(tmp_path: Path) -> None:
    judge = two_step.run_dir(tmp_path / "reward", "reward_model")
    runner.train(world.open_run(judge))
    method = {"slug": "odpo", "reward_model": str(judge / "model"), "params": {}}
    folder = world.run_dir(tmp_path / "odpo", method=method)
    run = world.open_run(folder)
    said = forecast.forecast(run.spec, folder)
    assert said.cost.rewards == 2 * said.counts.scored == 30
    assert said.cost.total == said.cost.policy + said.cost.reference + said.cost.evaluation
    (sentence,) = said.unknown
    assert "scores 15 preferences first" in sentence
    assert "margin above 0" in sentence
    runner.train(run)
    (stage,) = [one.data for one in world.told(folder, "stage") if one.data["name"] == "rewards"]
    assert stage["total"] == said.counts.scored
