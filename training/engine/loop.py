"""The training loop of every kind of run, and the trainer of those that train no policy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import TrainingArguments

from training.engine import checkpoints, failed_batch, preparation, processes, results
from training.engine.batching import Row, even_slice
from training.engine.errors import Cancelled, NotFinite
from training.engine.evaluations import HeldOut
from training.engine.reporter import Reporter
from training.engine.run import Run
from training.engine.spec import LoraSpec
from training.engine.stepping import StepTrainer

HINT = "Lower the learning rate, or train in fp32."


class LoopTrainer(StepTrainer):
    """A trainer whose losses are sums over the items of an optimizer step, divided by their number.

    The collator says how rows go through the model together (`passes`) and how long one is (`size`).
    Subclasses say what an item is (`items_in`) and give the sum (`summed_loss`).
    """

    @abstractmethod
    def summed_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """Σ of the loss over the items of a forward pass, nats, a scalar."""

    @abstractmethod
    def sequences_in(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask of a collated batch, int64 [S, L] each."""

    def passes(self, rows: list[Row]) -> Iterator[dict[str, Any]]:
        mine = even_slice(rows, processes.rank(), processes.count())
        for part in self.data_collator.passes(mine, self.room):
            yield self.data_collator(part)

    def idle(self, rows: list[Row]) -> dict[str, Any]:
        """The shortest of the step's rows."""
        found: dict[str, Any] = self.data_collator([min(rows, key=self.data_collator.size)])
        return found

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The forward pass's share of the optimizer step's mean loss.

        Raises:
            NotFinite: it became NaN or infinite.
        """
        items = self.items_in(inputs["rows"]) if num_items_in_batch is None else int(num_items_in_batch)
        loss = self.summed_loss(model, inputs) / items
        if not torch.isfinite(loss):
            raise self.failed(f"The loss became {float(loss.detach())}", inputs["rows"])
        return loss

    def failed(self, what: str, rows: list[Row]) -> NotFinite:
        """Keep the sequences of rows that gave no numbers; the error to raise, which says where they are."""
        step = self.state.global_step + 1
        told = failed_batch.keep_sequences(
            Path(self.args.output_dir).parent / failed_batch.FOLDER,
            step,
            what,
            self.sequences_in(self.data_collator(rows)),
            decode=self.processing_class.decode,
        )
        return NotFinite(f"{what} at step {step}. {told}", hint=HINT)


def fit(run: Run, trainer: StepTrainer, resume: Path | None) -> int:
    """Run the loop, from a checkpoint if there is one; the optimizer steps that the weights have seen.

    Raises:
        Cancelled: somebody asked; the last step is in a checkpoint.
        NotFinite: the loss, its gradient or the weights are not numbers any more.
    """
    run.stop.check()
    Reporter(run.events, run.stop).attach(trainer)
    trainer.train(resume_from_checkpoint=str(resume) if resume is not None else None)
    if run.stop.requested:
        raise Cancelled(checkpoint=True, step=trainer.state.global_step)
    return int(trainer.state.best_global_step or trainer.state.global_step)


def train(run: Run, ready: Callable[[], LoopTrainer], heldout: Callable[[Run, Any], HeldOut]) -> Path:
    """A run of a kind that trains no policy, from its checks to its model. Its folder.

    Args:
        ready: the trainer at step 0, once the run has begun.
        heldout: what evaluations see of the trained model.

    Raises:
        InputError, NotFinite: see `errors`.
        Cancelled: somebody asked; a checkpoint may be there.
    """
    resume = checkpoints.last(run.checkpoints)
    preparation.begin(run, resume)
    trainer = ready()
    steps = fit(run, trainer, resume)
    return results.finish(run, trainer.model, heldout(run, trainer.model), steps)


def arguments(run: Run, **more: Any) -> TrainingArguments:
    """transformers' settings out of the run's; off is what would phone home, cast or hide a NaN."""
    training = run.spec.training
    return TrainingArguments(
        output_dir=str(run.checkpoints),
        num_train_epochs=training.epochs,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.lr_scheduler,
        warmup_steps=training.warmup_ratio,  # below 1 it is a share of the steps
        weight_decay=training.weight_decay,
        per_device_train_batch_size=training.rows_per_step,  # `training_step` divides them
        max_grad_norm=training.max_grad_norm,
        # the fused one needs no copy of the weights while it steps
        optim="adamw_torch_fused" if torch.cuda.is_available() else "adamw_torch",
        seed=training.seed,
        logging_steps=training.logging_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=training.save_steps,
        save_total_limit=max(2, training.keep_checkpoints + 1),
        restore_callback_states_from_checkpoint=True,
        gradient_checkpointing=None,
        activation_checkpointing=training.gradient_checkpointing == "on",
        remove_unused_columns=False,
        report_to=training.report_to or "none",  # those the spec names, never what happens to be there
        run_name=run.spec.name or run.folder.name,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        bf16=False,  # autocast is the losses' own
        **more,
    )


def adapted(model: Any, lora: LoraSpec | None, task: str, seed: int) -> Any:
    """The model with new adapters on all linear layers, or as it is. What is trained is fp32.

    The adapters' first weights follow from the seed.

    Args:
        task: peft's name: CAUSAL_LM or SEQ_CLS, whose reward head is trained whole.
    """
    if lora is None:
        return model
    settings = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type=task,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = get_peft_model(model, settings)
    for one in model.parameters():
        if one.requires_grad:
            one.data = one.data.float()
    return model
