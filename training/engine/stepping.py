"""What all trainers here share: a loader's batch is an optimizer step, divided over processes and passes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from training.engine import checkpoints, processes, sharding, trl_seam
from training.engine.batching import Room, Row
from training.engine.errors import NotFinite
from training.engine.meter import Meter
from training.engine.metrics import Tally
from training.engine.row_order import RowOrder, StepLoader
from training.engine.spec import TrainingSpec


class StepTrainer(trl_seam.Seam, ABC):
    """A Trainer that is given the rows of an optimizer step and goes through its own share of them.

    Subclasses divide rows into forward passes (`passes`), give a pass's share of the step's loss
    (`compute_loss`, told by how many `items_in` the step it is divided), and keep what failed (`failed`).

    `tally` and `meter` hold the metrics since the last log, `taken` the rows of the newest step. `over`: the
    run had ended when it was interrupted, so that no step is left to take. `max_margin`: where the method
    cuts its margin.
    """

    max_margin: float | None = None
    control: Any

    def __init__(
        self,
        *,
        training: TrainingSpec,
        rows: Dataset,
        shared: bool,
        meter: Meter | None = None,
        **options: Any,
    ) -> None:
        super().__init__(train_dataset=rows, **options)
        processes.same(self.model)
        self.meter = meter or Meter()
        self.room = Room(training.micro_batch, training.max_tokens)
        self.order = RowOrder(
            list(rows), rows_per_step=training.rows_per_step, seed=training.seed, shared=shared
        )
        self.tally = Tally()
        self.taken: list[Row] = []
        self.over = False

    @abstractmethod
    def passes(self, rows: list[Row]) -> Iterator[dict[str, Any]]:
        """This process's share of a step's rows, as batches that go through the model."""

    @abstractmethod
    def items_in(self, rows: list[Row]) -> int:
        """By how much the loss of a step with these rows, of all processes, is divided."""

    @abstractmethod
    def failed(self, what: str, rows: list[Row]) -> NotFinite:
        """Keep rows that gave no numbers; the error to raise, which says where and of what."""

    @abstractmethod
    def idle(self, rows: list[Row]) -> dict[str, Any]:
        """A batch for a pass whose result nobody looks at, where weights are divided."""

    @abstractmethod
    def nothing(self, batch: dict[str, Any]) -> Tensor:
        """0, with a gradient of 0: a pass for the sake of the others, who need this process's weights."""

    def learned_in(self, batch: dict[str, Any]) -> int:
        """How many rows a batch counts for in `work/preferences_per_row`."""
        return 0

    def get_train_dataloader(self) -> StepLoader:
        """Rows, an optimizer step at a time."""
        return StepLoader(self.train_dataset, batch_sampler=self.order, collate_fn=list)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """The rows of the next step; none where the run is over."""
        if self.over:
            return [], None
        found: tuple[list[Any], Any] = super().get_batch_samples(epoch_iterator, num_batches, device)
        return found

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LRScheduler:
        """As transformers does it, with at least one step behind the warm-up, whose first has rate 0."""
        warm_up = self.args.get_warmup_steps(num_training_steps)
        self.args.warmup_steps = min(warm_up, max(0, num_training_steps - 1))
        found: LRScheduler = super().create_scheduler(num_training_steps, optimizer)
        return found

    def training_step(
        self, model: Any, inputs: list[Row], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Forward and backward of one optimizer step, a part of its rows at a time.

        Returns:
            The mean loss of the step, of all processes, without gradient.
        """
        model.train()
        self.taken = inputs
        items = self.items_in(inputs)
        total = torch.zeros((), dtype=torch.float64, device=self.args.device)
        failed: NotFinite | None = None
        own = 0  # rows
        for batch, mine in sharding.turns(self.passes(inputs), lambda: self.idle(inputs)):
            try:
                loss = self._share(model, batch, items) if mine else self.nothing(batch)
            except NotFinite as error:
                if processes.count() == 1:
                    raise
                failed, total = error, total + torch.nan
            if sharding.anyone(failed is not None):
                break
            own += self.learned_in(batch) if mine else 0
            self.accelerator.backward(loss)
            total += loss.detach()
        processes.add_gradients(model.parameters())
        if not torch.isfinite(processes.summed(total)):
            said = [one for one in processes.gathered(failed) if one is not None]
            raise said[0] if said else self.failed("The loss became NaN or infinite", inputs)
        self.meter.done(own)
        return total

    def _share(self, model: Any, batch: dict[str, Any], items: int) -> Tensor:
        found: Tensor = self.compute_loss(model, batch, num_items_in_batch=items)
        return found

    def check_gradient(self) -> None:
        """Look at the gradient before the weights follow it.

        Raises:
            NotFinite: it is not finite; the rows of the step are kept.
        """
        found = [one.grad for one in self.model.parameters() if one.grad is not None]
        if not torch.isfinite(sharding.whole(torch.nn.utils.get_total_norm(found))):
            raise processes.agreed(  # all have the same one
                lambda: self.failed("The gradient became infinite or NaN", self.taken)
            )

    def stepped(self) -> None:
        """An optimizer step was taken."""

    def figures(self) -> dict[str, float]:
        """The metrics since they were asked for last, of all processes."""
        return self.tally.drain() | self.meter.drain()

    def before_checkpoint(self, folder: Path) -> None:
        """Weights that are not finite are never saved.

        Raises:
            NotFinite: they are not; the checkpoint before stays the last one.
        """
        self.meter.pause()
        finite = all(bool(torch.isfinite(sharding.local(one)).all()) for one in self.model.parameters())
        if sharding.anyone(not finite):
            raise NotFinite("The weights became infinite or NaN.", hint="Lower the learning rate.")

    def after_checkpoint(self, folder: Path) -> None:
        """Everything of the checkpoint is on disk, that of the other processes, too."""
        processes.wait()
        if self.args.should_save:
            checkpoints.mark_complete(folder)
        self.meter.go_on()
