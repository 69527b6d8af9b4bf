"""What two processes do that divide the weights: `accelerate launch … fsdp2.yaml -m tests.engine.divided`.

First architectures, then the runs in the folders that are named, one after another: starting Python with
transformers in it costs more than all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from transformers import LlamaConfig

from tests.engine.test_architectures import KNOWN, SIZES, build, encoded
from training.engine import cli, opponents, processes, sharding
from training.engine.launched import rank
from training.engine.logps import Scorer, check_head, layout_for
from training.engine.reference import weights_hash
from training.engine.rewarding import RewardTrainer
from training.engine.trainer import PairTrainer

TIED = LlamaConfig(**SIZES, tie_word_embeddings=True)


def compare(config: Any) -> None:
    """A divided model answers, hashes and learns as the whole one does."""
    alone, model = build(config), build(config)
    sharding.shard(model, "cpu")
    held = [sharding.local(one).numel() for one in model.parameters()]
    assert sum(processes.gathered(sum(held))) == sum(one.numel() for one in alone.parameters())
    assert weights_hash(model) == weights_hash(alone)
    assert opponents.of_model(model) == opponents.of_model(alone)
    check_head(model)
    layout = layout_for(alone, encoded(), 0)
    assert layout_for(model, encoded(), 0) is layout  # also where trying it fails half-way through the layers
    for one in encoded():
        Scorer(alone)(layout([one], 0)).sum().backward()
    Scorer(model)(layout(encoded()[rank() :][:1], 0)).sum().backward()
    for name, one in model.named_parameters():
        expected = alone.get_parameter(name).grad
        assert (one.grad is None) == (expected is None), name
        if one.grad is not None:
            torch.testing.assert_close(sharding.whole(one.grad), expected, rtol=1e-4, atol=1e-4)


def main(folders: list[str]) -> None:
    """All of it."""
    torch.set_num_threads(1)
    processes.join()
    for config in (*KNOWN, TIED):
        compare(config)
    leave, processes.leave = processes.leave, lambda: None  # the next run meets the same others
    for folder in folders:
        if folder.endswith("fails"):
            fail_in_one(folder)
        elif folder.endswith("stops"):
            stop_one(folder)
        else:
            assert cli.train(Path(folder)) == cli.FINISHED
    leave()


def fail_in_one(folder: str) -> None:
    """A loss without a number in the second process, at its first pass of the third step, ends both."""
    whole = PairTrainer.compute_loss

    def compute_loss(trainer: Any, model: Any, inputs: Any, **options: Any) -> Any:
        loss = whole(trainer, model, inputs, **options)
        if rank() == 1 and trainer.state.global_step == 2:
            raise trainer.failed("The loss became nan", inputs["rows"], {})
        return loss

    with mock.patch.object(PairTrainer, "compute_loss", compute_loss):
        assert cli.train(Path(folder)) == cli.CRASHED


def stop_one(folder: str) -> None:
    """The second process alone is asked to stop, in its second look at the held-out data: both leave it."""
    whole = RewardTrainer.evaluate

    def evaluate(trainer: Any, *given: Any, **options: Any) -> Any:
        if rank() == 1 and trainer.state.global_step == 2:
            trainer.run.stop.requested = True
        return whole(trainer, *given, **options)

    with mock.patch.object(RewardTrainer, "evaluate", evaluate):
        assert cli.train(Path(folder)) == cli.CANCELLED


if __name__ == "__main__":
    main(sys.argv[1:])
