"""The benchmark of the trainer compares like with like: the same sequences in the same precision."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook
from transformers.models.llama.modeling_llama import LlamaMLP

from bench import trainer
from bench.training import schemes, sweep, work, world
from tests.engine.world import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated and will be removed:FutureWarning")  # TRL's own
SIZE = world.Size(vocabulary=300, preferences=16, hidden=32, layers=1)
ROWS = 8


class Seen:
    """The sequences that models were given, without padding, and the precisions of their layers."""

    def __init__(self) -> None:
        self.sequences: list[tuple[int, ...]] = []
        self.precisions: set[torch.dtype] = set()

    def __call__(self, module: Any, inputs: Any, output: Any) -> None:
        if isinstance(module, torch.nn.Embedding):
            self.sequences += [tuple(ids[ids != 0].tolist()) for ids in inputs[0]]
        if isinstance(module, LlamaMLP):
            self.precisions.add(output.dtype)


@contextmanager
def looking() -> Iterator[Seen]:
    seen = Seen()
    handle = register_module_forward_hook(seen)
    try:
        yield seen
    finally:
        handle.remove()


def an_epoch(step: schemes.Step) -> Seen:
    with looking() as seen:
        assert [step() for _ in range(SIZE.preferences // ROWS)] == [ROWS] * (SIZE.preferences // ROWS)
    return seen


@pytest.fixture(scope="module")
def expected() -> list[tuple[int, ...]]:
    pairs = world.encoded(SIZE)
    return sorted(tuple(side.tolist()) for one in pairs for side in (one.chosen, one.rejected))


@pytest.mark.parametrize("completions_only", [False, True])
def test_trl_trains_on_every_sequence_once_an_epoch(
    expected: list[tuple[int, ...]], completions_only: bool
) -> None:
    seen = an_epoch(schemes.stock(SIZE, ROWS, completions_only=completions_only))
    assert sorted(seen.sequences) == expected
    assert seen.precisions == {torch.float32}


def test_the_engine_trains_on_the_same_sequences(expected: list[tuple[int, ...]]) -> None:
    seen = an_epoch(schemes.ours(SIZE, ROWS, slug="dpo", pack=False))
    assert sorted(seen.sequences) == expected
    assert seen.precisions == {torch.float32}


def test_in_bf16_both_run_under_autocast() -> None:
    stock = an_epoch(schemes.stock(SIZE, ROWS, completions_only=True, bf16=True))
    ours = an_epoch(schemes.ours(SIZE, ROWS, precision="bf16"))
    assert stock.precisions == ours.precisions == {torch.bfloat16}


def test_the_peak_is_that_of_the_process_not_of_who_started_it() -> None:
    mine = np.ones(40_000_000)  # 320 MB
    words = [sys.executable, "-c", "from bench import trainer; print(trainer.resident('VmHWM'))"]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    assert 0 < int(done.stdout) < mine.nbytes
    assert trainer.resident("VmHWM") >= trainer.resident("VmRSS") > mine.nbytes


def test_the_second_run_of_a_sweep_scores_nothing() -> None:
    first, second = sweep.lines(SIZE, k=2)
    assert (first["reference_forwards"], first["reference_cached"]) == (SIZE.preferences, 0)
    assert (second["reference_forwards"], second["reference_cached"]) == (0, SIZE.preferences)
    assert first["learning_rate"] != second["learning_rate"]


def test_tokens_and_operations_are_those_of_the_sequences(expected: list[tuple[int, ...]]) -> None:
    """TRL sends every sequence through with gradient; DPO-PoP packed, prompts once, and weak ones without."""
    weights = world.weights(SIZE)
    body = (
        sum(one.numel() for one in world.model(SIZE).model.layers.parameters()) + SIZE.hidden
    )  # and the last norm
    assert weights == body + SIZE.vocabulary * SIZE.hidden
    whole = work.counted(schemes.stock(SIZE, SIZE.preferences, completions_only=False), weights)
    tokens = sum(map(len, expected))
    assert (whole.rows, whole.learned, whole.read) == (SIZE.preferences, tokens, 0)
    assert whole.operations_per_row == pytest.approx(6 * weights * tokens / SIZE.preferences)
    ours = work.counted(schemes.ours(SIZE, ROWS), weights)
    assert ours.read > 0
    assert ours.learned < tokens
    assert ours.tokens_per_row * ours.rows == ours.learned + ours.read


@pytest.mark.parametrize(("device", "peak"), [("NVIDIA H100 80GB HBM3", 989e12), ("Quadro", None)])
def test_the_peak_of_a_device_is_known_by_its_name(device: str, peak: float | None) -> None:
    assert work.peak_of(device) == peak
