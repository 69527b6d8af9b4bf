"""The trainer's voice: its callbacks become events, and signals become a checkpoint and a stop."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback

from training.engine import processes, rounding
from training.engine.errors import NotFinite
from training.engine.events import EventWriter
from training.engine.metrics import Watch
from training.engine.progress import Progress
from training.engine.stepping import StepTrainer
from training.engine.stopping import Stop

SHOWN = ("loss", "learning_rate", "grad_norm", "epoch")


class Reporter(TrainerCallback):  # type: ignore[misc]
    """Writes progress, metrics, warnings, checkpoints, and stops when somebody asks."""

    def __init__(self, events: EventWriter, stop: Stop) -> None:
        self.events, self.stop = events, stop
        self.trainer: StepTrainer | None = None
        self.progress: Progress | None = None
        self.watch = Watch(max_margin=None)
        self.latest: dict[str, float] = {}

    def attach(self, trainer: StepTrainer) -> None:
        """Take the trainer whose steps and figures to follow, and listen to it."""
        self.trainer = trainer
        self.watch = Watch(max_margin=trainer.max_margin)
        # First, so that the trackers of `report_to` are given what `on_log` adds.
        trainer.callback_handler.callbacks.insert(0, self)
        trainer.remove_callback(PrinterCallback)  # the events say it

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        # a checkpoint brings back what it was written for: to save, to evaluate
        control.should_save = control.should_evaluate = control.should_log = False
        self.progress = Progress(self.events, "train", state.max_steps, start=state.global_step)
        if self.trainer is not None:
            self.trainer.over = state.global_step >= state.max_steps or _patience_gone(self.trainer)
            self.trainer.meter.start()
            self._warn(state.global_step, rounding.warnings(self.trainer.model, args.learning_rate))
        return control

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.trainer is not None:
            self.trainer.check_gradient()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if self.trainer is not None:
            self.trainer.stepped()
        if self.progress is not None:
            self.progress.at(state.global_step, state.global_step)
        self.stop.requested = processes.anyone(self.stop.requested)
        if self.stop.requested:
            control.should_save = control.should_training_stop = True
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" not in logs or self.trainer is None:
            return
        self.latest = {name: float(logs[name]) for name in SHOWN if name in logs} | self.trainer.figures()
        logs.update(self.latest)
        self.events.write("metrics", state.global_step, **self.latest)
        self._warn(state.global_step, self.watch.warnings(self.latest))
        if not math.isfinite(self.latest.get("grad_norm", 0.0)):
            raise NotFinite(
                f"The gradient became infinite or NaN at step {state.global_step}.",
                hint="Lower the learning rate, or train in fp32.",
            )

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """The held-out metrics, beside the newest of training: readers keep the newest line."""
        held = {f"heldout/{name.removeprefix('eval_')}": value for name, value in metrics.items()}
        self.events.write("metrics", state.global_step, **self.latest, **held)

    def _warn(self, step: int, found: Iterable[tuple[str, str]]) -> None:
        for code, message in found:
            self.events.write("warning", step, code=code, message=message)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.events.write("checkpoint", state.global_step)


def _patience_gone(trainer: StepTrainer) -> bool:
    callbacks = trainer.callback_handler.callbacks
    counters = [one for one in callbacks if isinstance(one, EarlyStoppingCallback)]
    return any(one.early_stopping_patience_counter >= one.early_stopping_patience for one in counters)
