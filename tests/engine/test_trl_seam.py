"""What we rely on in TRL and transformers, each private by name, and agreement with TRL's own DPO."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from accelerate import Accelerator
from datasets import Dataset
from transformers import Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import DPOConfig, DPOTrainer
from trl.trainer import dpo_trainer

from tests.engine import world
from training.engine import base, preparation, runner, trl_seam
from training.engine.batching import Room
from training.engine.encoding import encode_all
from training.engine.logps import Scorer
from training.engine.reference import score

PRIVATES = (*trl_seam.PRIVATE_METHODS, *trl_seam.TRAINER_METHODS)


def test_the_pinned_trl_is_installed() -> None:
    assert trl.__version__ == "1.16.0"


@pytest.mark.parametrize("name", trl_seam.PRIVATE_METHODS)
def test_an_overridden_private_exists_where_we_override_it(name: str) -> None:
    assert name in vars(DPOTrainer)
    assert name in vars(trl_seam.SeamTrainer) | vars(trl_seam.Seam)


def test_the_constructor_prepares_and_scores_only_through_what_we_override() -> None:
    source = inspect.getsource(DPOTrainer.__init__)
    assert "self._prepare_dataset(train_dataset, processing_class, args, " in source
    assert "self._precompute_ref_logps(" in source
    assert list(inspect.signature(DPOTrainer._prepare_dataset).parameters)[1] == "dataset"
    assert list(inspect.signature(DPOTrainer._precompute_ref_logps).parameters)[1] == "dataset"


def test_checkpoints_are_written_where_the_seam_adds_to_them() -> None:
    assert list(inspect.signature(DPOTrainer._save_checkpoint).parameters) == ["self", "model", "trial"]
    assert "self.create_model_card(" in inspect.getsource(DPOTrainer._save_checkpoint)
    assert 'f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"' in inspect.getsource(
        Trainer._save_checkpoint
    )
    assert PREFIX_CHECKPOINT_DIR == "checkpoint"


def test_the_public_parts_we_override_are_called_by_the_loop() -> None:
    epoch = inspect.getsource(Trainer._run_epoch)
    assert "self.get_batch_samples(epoch_iterator, num_batches, self.args.device)" in epoch
    assert "self.training_step(model, inputs, num_items_in_batch)" in epoch
    assert "self.floating_point_ops(inputs)" in epoch


def test_the_model_can_be_left_without_a_wrapper_that_adds_gradients_up() -> None:
    assert "create_accelerator_and_postprocess" in vars(Trainer)
    assert "evaluation_mode" in inspect.signature(Accelerator.prepare_model).parameters
    assert "self.accelerator.prepare(self.model" in inspect.getsource(Trainer._prepare_for_training)


@pytest.mark.parametrize("name", trl_seam.TRAINER_METHODS)
def test_a_private_of_transformers_exists_where_divided_weights_override_it(name: str) -> None:
    assert name in vars(Trainer)
    theirs, ours = (inspect.signature(vars(one)[name]) for one in (Trainer, trl_seam.DividedTrainer))
    assert list(theirs.parameters) == list(ours.parameters)


def test_weights_and_moments_are_read_and_written_where_divided_ones_are() -> None:
    written = inspect.getsource(Trainer._save_checkpoint)
    assert "self.save_model(output_dir, _internal_call=True)" in written
    assert "self._save_optimizer_and_scheduler(output_dir)" in written
    saved = inspect.getsource(Trainer._save_optimizer_and_scheduler)
    for what, name in (("optimizer", "OPTIMIZER_NAME"), ("lr_scheduler", "SCHEDULER_NAME")):
        assert f"torch.save(self.{what}.state_dict(), os.path.join(output_dir, {name}))" in saved
    assert list(inspect.signature(Trainer._save).parameters) == ["self", "output_dir", "state_dict"]
    assert "self._load_from_checkpoint(resume_from_checkpoint)" in inspect.getsource(Trainer.train)
    assert "self._load_best_model()" in inspect.getsource(Trainer._finalize_training)
    assert "self._load_optimizer_and_scheduler(resume_from_checkpoint)" in inspect.getsource(
        Trainer._prepare_for_training
    )


def test_trl_hashes_the_weights_by_a_name_that_can_be_left_out() -> None:
    source = inspect.getsource(DPOTrainer.__init__)
    assert "hash_module(self.ref_model or self.model)" in source
    whole = dpo_trainer.hash_module
    with trl_seam.unhashed():
        assert dpo_trainer.hash_module(None) == ""
    assert dpo_trainer.hash_module is whole


def test_no_other_file_of_the_engine_names_privates() -> None:
    folder = Path(trl_seam.__file__).parent
    named = [
        file.name
        for file in folder.rglob("*.py")
        if file.name != "trl_seam.py" and any(name in file.read_text(encoding="utf-8") for name in PRIVATES)
    ]
    assert named == []


class Setting:
    """TRL's stock trainer and ours on the same policy, reference and preferences."""

    def __init__(self, folder: Path, slug: str, **params: float) -> None:
        method = {"slug": slug, "params": {"beta": 0.5, **params}}
        run = world.open_run(world.run_dir(folder, world.rows(6, 0), method=method))
        run.base = base.open_base(run.spec, folder, ["some text"])
        reference = copy.deepcopy(run.base.model)
        policy = world.noisy(run.base.model, 3, 0.02)
        run.encoded = encode_all(run.base.tokenizer, run.data.preferences, 64)
        places = list(range(len(run.encoded)))
        run.reference = score(Scorer(reference), run.encoded, places, pad_id=run.pad_id, room=Room(8, 512))
        run.base.model = copy.deepcopy(policy)
        self.rows = preparation.training_rows(run)
        self.ours = runner.build_trainer(run, self.rows)
        self.stock = self._stock(run, policy, reference, folder)

    def _stock(self, run: Any, policy: Any, reference: Any, folder: Path) -> Any:
        chosen = [run.data.preferences[row["strong"]] for row in self.rows]
        columns = ("prompt", "chosen", "rejected")
        return DPOTrainer(
            model=policy,
            ref_model=reference,
            args=DPOConfig(
                output_dir=str(folder / "stock"),
                beta=0.5,
                max_length=64,
                per_device_train_batch_size=len(self.rows),
                bf16=False,
                gradient_checkpointing=None,
                activation_checkpointing=False,
                use_cpu=True,
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(
                [{name: getattr(one, name) for name in columns} for one in chosen]
            ),
            processing_class=run.base.tokenizer,
        )

    def losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        dataset = self.stock.train_dataset
        theirs = self.stock.data_collator([dataset[place] for place in range(len(dataset))])
        mine = self.ours.data_collator(self.rows)
        return (
            self.ours.compute_loss(self.ours.model, mine),
            self.stock.compute_loss(self.stock.model, theirs),
        )


@pytest.mark.filterwarnings("ignore:.*deprecated and will be removed:FutureWarning")  # TRL's own
@pytest.mark.parametrize(("slug", "params"), [("dpo", {}), ("dpo_pop", {"max_margin": 0.0})])
def test_without_a_margin_loss_and_gradient_are_those_of_trl(
    tmp_path: Path, slug: str, params: dict[str, float]
) -> None:
    setting = Setting(tmp_path, slug, **params)
    if slug == "dpo":  # preferences, not rows: every preference once, as TRL gets them
        assert len(setting.rows) == len({row["strong"] for row in setting.rows})
    ours, stock = setting.losses()
    assert ours.item() == pytest.approx(stock.item(), abs=2e-6)
    assert abs(ours.item() - 0.6931) > 1e-3
    mine = torch.autograd.grad(ours, list(setting.ours.model.parameters()))
    theirs = torch.autograd.grad(stock, list(setting.stock.model.parameters()))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)
