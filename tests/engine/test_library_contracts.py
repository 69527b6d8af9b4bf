"""What the engine takes from transformers, TRL, peft and accelerate still does what it counts on."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForSequenceClassification,
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tests.engine import world
from tests.engine.test_architectures import KNOWN, SIZES, build, encoded
from training.engine import packing, preparation, runner
from training.engine.layouts import padded
from training.engine.logps import Scorer
from training.engine.row_order import RowOrder

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

LIBRARIES = ("transformers", "trl", "peft", "accelerate")
# Every name that the engine imports from them, and the tests that hold what it does.
NAMES = {
    "accelerate.PartialState": "test_processes",
    "peft.LoraConfig": "here, test_runs",
    "peft.PeftModel": "test_reevaluation",
    "peft.get_peft_model": "here",
    "transformers.AttentionInterface": "here",
    "transformers.AttentionMaskInterface": "here",
    "transformers.AutoConfig": "test_base_models",
    "transformers.AutoModelForCausalLM": "test_runs",
    "transformers.AutoModelForSequenceClassification": "here, test_reward_runs",
    "transformers.AutoTokenizer": "test_runs",
    "transformers.EarlyStoppingCallback": "here, test_reward_runs",
    "transformers.GenerationConfig": "test_generation",
    "transformers.LlamaConfig": "test_runs",
    "transformers.LlamaForCausalLM": "test_runs",
    "transformers.LlamaModel": "test_responses",
    "transformers.LlamaPreTrainedModel": "test_responses",
    "transformers.LogitsProcessor": "test_generation",
    "transformers.LogitsProcessorList": "test_generation",
    "transformers.PreTrainedTokenizerFast": "test_runs",
    "transformers.PrinterCallback": "here",
    "transformers.TemperatureLogitsWarper": "test_generation",
    "transformers.TopPLogitsWarper": "test_generation",
    "transformers.Trainer": "test_trl_seam, test_supervised_runs",
    "transformers.TrainerCallback": "here",
    "transformers.TrainingArguments": "here",
    "transformers.integrations.sdpa_attention.repeat_kv": "here",
    "transformers.integrations.sdpa_attention.sdpa_attention_forward": "here",
    "transformers.masking_utils.sdpa_mask": "here",
    "transformers.trainer.OPTIMIZER_NAME": "test_trl_seam",
    "transformers.trainer.SCHEDULER_NAME": "test_trl_seam",
    "transformers.trainer_utils.PREFIX_CHECKPOINT_DIR": "test_trl_seam",
    "transformers.utils.SAFE_WEIGHTS_INDEX_NAME": "here",
    "transformers.utils.SAFE_WEIGHTS_NAME": "tests/study/test_corpus",
    "transformers.utils.hub.has_file": "tests/study/test_corpus",
    "transformers.utils.logging": "test_notebook",
    "trl.DPOConfig": "test_trl_seam",
    "trl.DPOTrainer": "test_trl_seam",
    "trl.trainer.dpo_trainer": "test_trl_seam",
}
PACKABLE = [KNOWN[0], KNOWN[1], KNOWN[3]]


def imported() -> set[str]:
    """`module.name` of everything that the engine imports from the libraries."""
    return {
        f"{node.module}.{one.name}"
        for file in Path(packing.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES
        for one in node.names
    }


def test_every_name_that_is_imported_is_listed_here_with_its_test() -> None:
    assert imported() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_where_the_engine_looks_for_it(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


# --- attention --------------------------------------------------------------------------------------------

SEEN: list[dict[str, Any]] = []


def probe(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any) -> Any:
    """Attention that remembers how it was called."""
    SEEN.append({"mask": attention_mask, "query": query, "key": key, **options})
    mask = None if attention_mask is packing.UNUSED else attention_mask
    options.pop("parts", None)
    return sdpa_attention_forward(module, query, key, value, mask, **options)


@pytest.mark.parametrize("config", PACKABLE, ids=lambda config: config.model_type)
def test_what_the_forward_is_given_reaches_every_layers_attention(config: Any) -> None:
    AttentionInterface.register("pop_probe", probe)
    AttentionMaskInterface.register("pop_probe", sdpa_mask)
    model = build(config)
    packing.switch(model, "pop_probe")
    SEEN.clear()
    parts = object()
    with torch.no_grad():
        model.base_model(
            input_ids=torch.tensor([[5, 9, 14, 3]]),
            position_ids=torch.arange(4)[None],
            attention_mask=packing.UNUSED,
            parts=parts,
            use_cache=False,
        )
    assert len(SEEN) == 2  # layers
    for seen in SEEN:
        assert seen["parts"] is parts
        assert seen["mask"].shape == packing.UNUSED.shape  # four dimensions: not made anew
        assert seen["query"].shape[0] == 1
        assert seen["query"].shape[2] == seen["key"].shape[2] == 4


@pytest.mark.parametrize("config", PACKABLE, ids=lambda config: config.model_type)
def test_a_switched_model_attends_to_padded_batches_as_before(config: Any) -> None:
    model = build(config)
    batch = padded(encoded(), 0)
    assert batch.attention_mask is not None
    assert not batch.attention_mask.all()
    with torch.no_grad():
        before = Scorer(model)(batch)
        packing.switch(model)
        torch.testing.assert_close(Scorer(model)(batch), before, rtol=1e-5, atol=1e-5)


def test_sdpa_gives_tokens_before_heads_and_no_weights() -> None:
    module = torch.nn.Module()
    module.num_key_value_groups = 1  # type: ignore[assignment]
    query = torch.randn(1, 2, 5, 4)
    mask = torch.ones(1, 1, 5, 5, dtype=torch.bool).tril()
    found, weights = sdpa_attention_forward(module, query, query, query, mask, scaling=0.5)
    expected = torch.softmax((0.5 * query @ query.transpose(2, 3)).masked_fill(~mask, -torch.inf), -1) @ query
    assert weights is None
    torch.testing.assert_close(found, expected.transpose(1, 2))


def test_a_key_value_head_is_repeated_for_its_own_group() -> None:
    heads = torch.arange(2.0).reshape(1, 2, 1, 1)
    assert repeat_kv(heads, 3).flatten().tolist() == [0, 0, 0, 1, 1, 1]


# --- the loop ---------------------------------------------------------------------------------------------


class Looking(TrainerCallback):  # type: ignore[misc]
    """What the weights and the gradient are before each optimizer step, and when callbacks come."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.said: list[str] = []
        self.norms: list[float] = []
        self.moved: list[bool] = []
        self.weights = self._weights()

    def _weights(self) -> torch.Tensor:
        return torch.cat([one.detach().flatten() for one in self.trainer.model.parameters()])

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        gradients = [one.grad.flatten() for one in self.trainer.model.parameters()]
        self.norms.append(float(torch.cat(gradients).norm()))
        self.moved.append(not torch.equal(self.weights, self._weights()))
        self.said.append("pre_optimizer_step")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.weights = self._weights()
        self.said.append("step_end")

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.said.append("log")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.said.append("save")


def loop(folder: Path, **training: Any) -> tuple[Any, list[tuple[int, list[dict[str, int]]]]]:
    """A trainer that is ready, and where its steps will be written: (step before, rows)."""
    settings = {"rows_per_step": 4, "epochs": 3, "save_steps": 5, **training}
    run = world.open_run(world.run_dir(folder, world.rows(10, 0), training=settings))
    trainer = runner.build_trainer(run, preparation.prepare(run, None))
    steps: list[tuple[int, list[dict[str, int]]]] = []
    step = trainer.training_step

    def training_step(model: Any, inputs: Any, count: Any = None) -> Any:
        steps.append((trainer.state.global_step, list(inputs)))
        return step(model, inputs, count)

    trainer.training_step = training_step  # type: ignore[method-assign, assignment]
    return trainer, steps


def expected(trainer: Any, epochs: int) -> list[list[dict[str, int]]]:
    """The rows of each step by an order of our own."""
    rows = list(trainer.train_dataset)
    order = RowOrder(rows, rows_per_step=4, seed=0, shared=True)
    found = []
    for epoch in range(epochs):
        order.set_epoch(epoch)
        found += [[rows[place] for place in step] for step in order]
    return found


def test_a_training_step_is_an_optimizer_step_and_epochs_reach_our_order(tmp_path: Path) -> None:
    trainer, steps = loop(tmp_path)
    trainer.train()
    assert [before for before, _ in steps] == list(range(9))
    assert [rows for _, rows in steps] == expected(trainer, 3)
    assert steps[0][1] != steps[3][1]


def test_a_resumed_loop_skips_what_was_done_in_the_order_of_that_epoch(tmp_path: Path) -> None:
    loop(tmp_path / "whole")[0].train()
    checkpoint = tmp_path / "whole" / "checkpoints" / "checkpoint-5"  # two steps into the second epoch
    trainer, steps = loop(tmp_path / "again")
    trainer.train(resume_from_checkpoint=str(checkpoint))
    assert [before for before, _ in steps] == list(range(5, 9))
    assert [rows for _, rows in steps] == expected(trainer, 3)[5:]


def test_callbacks_see_the_clipped_gradient_before_the_weights_move(tmp_path: Path) -> None:
    trainer, _ = loop(tmp_path, max_grad_norm=0.01, epochs=2, warmup_ratio=0.0)
    looking = Looking(trainer)
    trainer.add_callback(looking)
    trainer.train()
    assert looking.norms == pytest.approx([0.01] * 6, rel=1e-3)
    assert not any(looking.moved)
    of_steps = [word for word in looking.said if word != "save"]
    assert of_steps[:6] == ["pre_optimizer_step", "step_end", "log"] * 2
    place = looking.said.index("save")
    assert looking.said[place - 2 : place] == ["step_end", "log"]  # as the meter's clock counts on


def test_backward_takes_the_loss_as_it_is(tmp_path: Path) -> None:
    trainer, _ = loop(tmp_path)
    weight = torch.ones(3, requires_grad=True)
    trainer.accelerator.backward(weight.sum())
    assert weight.grad is not None
    assert weight.grad.tolist() == [1, 1, 1]
    assert trainer.args.gradient_accumulation_steps == 1


def test_a_warm_up_below_1_is_a_share_of_the_steps(tmp_path: Path) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path), warmup_steps=0.25, use_cpu=True)
    assert arguments.get_warmup_steps(40) == 10


def test_without_bars_the_loop_prints_until_the_printer_is_removed(tmp_path: Path) -> None:
    trainer, _ = loop(tmp_path)
    kinds = [type(one) for one in trainer.callback_handler.callbacks]
    assert PrinterCallback in kinds
    trainer.remove_callback(PrinterCallback)
    assert PrinterCallback not in [type(one) for one in trainer.callback_handler.callbacks]


def test_early_stopping_counts_where_a_resume_looks() -> None:
    callback = EarlyStoppingCallback(early_stopping_patience=2)
    assert (callback.early_stopping_patience_counter, callback.early_stopping_patience) == (0, 2)
    assert callback.state()["attributes"] == {"early_stopping_patience_counter": 0}


# --- adapters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["CAUSAL_LM", "SEQ_CLS"])
def test_adapters_are_on_all_linear_layers_but_the_head_and_begin_as_nothing(task: str) -> None:
    config = KNOWN[1]
    model = build(config)
    if task == "SEQ_CLS":
        model = AutoModelForSequenceClassification.from_config(type(config)(**SIZES, num_labels=1)).eval()
    ids = torch.tensor([[5, 9, 14, 3]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        settings = LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type=task)
        adapted = get_peft_model(model, settings).eval()
        torch.testing.assert_close(adapted(input_ids=ids).logits, before)
    trained = {name for name, one in adapted.named_parameters() if one.requires_grad}
    layers = {name.split(".")[-4] for name in trained if ".lora_" in name}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    others = {name for name in trained if ".lora_" not in name}
    assert bool(others) == (task == "SEQ_CLS")  # its new head is trained whole
    assert all("score" in name for name in others)
    if task == "CAUSAL_LM":
        assert adapted.get_base_model().get_output_embeddings() is not None
