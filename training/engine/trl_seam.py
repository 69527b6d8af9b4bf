"""The only file that names privates of TRL and transformers; tests/engine/test_trl_seam.py checks each.

What is overridden in transformers' Trainer and TRL 1.16's DPOTrainer, and why:
    _prepare_dataset        rows are indices here, tokenised by `encoding`; TRL would drop our columns
    _precompute_ref_logps   `reference` does it once per preference; TRL's cache key misses the truncation
    _save_checkpoint        theirs lacks the target policy; ours is complete only when marked

And in transformers' Trainer, where the weights are divided (`sharding`): what reads and writes weights and
moments, so that files hold whole tensors and no process has to hold them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import DPOConfig, DPOTrainer
from trl.trainer import dpo_trainer

from training.engine import sharding

PRIVATE_METHODS = ("_prepare_dataset", "_precompute_ref_logps", "_save_checkpoint")
# of transformers' Trainer; `_save` is called
TRAINER_METHODS = (
    "_load_from_checkpoint",
    "_load_best_model",
    "_save_optimizer_and_scheduler",
    "_load_optimizer_and_scheduler",
)


class DividedTrainer(Trainer):  # type: ignore[misc]
    """What a Trainer reads and writes, for weights that are divided among processes; else as it was."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not sharding.divided(self.model):
            super().save_model(output_dir, _internal_call)
            return
        state = sharding.gathered_state(self.model)
        self._save(output_dir, state_dict=state)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not sharding.divided(self.model):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        sharding.load(self.model, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        if not sharding.divided(self.model):
            super()._load_best_model()
            return
        sharding.load(self.model, Path(self.state.best_model_checkpoint))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not sharding.divided(self.model):
            super()._save_optimizer_and_scheduler(output_dir)
            return
        moments = sharding.gathered_moments(self.optimizer)
        if self.args.should_save:
            torch.save(moments, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not sharding.divided(self.model) or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        # mapped, not read: a process looks at its own parts only
        moments = torch.load(Path(checkpoint) / OPTIMIZER_NAME, "cpu", weights_only=True, mmap=True)
        self.optimizer.load_state_dict(sharding.divided_moments(moments, self.optimizer))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True))


@contextmanager
def unhashed() -> Iterator[None]:
    """TRL hashes all weights for a cache that is not used here, and cannot hash divided ones."""
    before = dpo_trainer.hash_module
    dpo_trainer.hash_module = lambda _: ""
    try:
        yield
    finally:
        dpo_trainer.hash_module = before


class Seam(DividedTrainer):
    """What every trainer here changes: no wrapper around the model, and checkpoints with more in them."""

    def __init__(self, **options: Any) -> None:
        with unhashed():
            super().__init__(**options)

    def create_accelerator_and_postprocess(self) -> None:
        """No wrapper that adds gradients up while they are computed: `StepTrainer` adds them once a step."""
        super().create_accelerator_and_postprocess()
        self.accelerator.prepare_model = partial(self.accelerator.prepare_model, evaluation_mode=True)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
        folder.mkdir(parents=True, exist_ok=True)
        self.before_checkpoint(folder)
        super()._save_checkpoint(model, trial)
        self.after_checkpoint(folder)

    def before_checkpoint(self, folder: Path) -> None:
        """Add files to a checkpoint that is about to be written."""

    def after_checkpoint(self, folder: Path) -> None:
        """Everything of the checkpoint is on disk."""

    def create_model_card(self, *_args: Any, **_kwargs: Any) -> None:
        """Checkpoints get none; `export` writes the model's card."""

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted."""
        return 0


class SeamTrainer(Seam, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer that takes collated indices and leaves data and references to us."""

    def _prepare_dataset(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset


def config(*, report_to: Sequence[str], **options: Any) -> DPOConfig:
    """TRL's configuration with everything off that would phone home, cast, tokenise or hide a NaN."""
    return DPOConfig(
        bf16=False,  # `Scorer` runs autocast itself
        disable_dropout=False,  # `base` did it; LoRA's own dropout stays
        precompute_ref_log_probs=True,  # no reference model in memory
        remove_unused_columns=False,
        use_cache=True,  # goes into the finished model's config; `Scorer` itself never caches
        logging_nan_inf_filter=False,
        report_to=list(report_to) or "none",  # those the spec names, never what happens to be there
        disable_tqdm=True,
        push_to_hub=False,
        **options,
    )
