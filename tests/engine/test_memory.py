"""When memory runs out, the run says which setting to lower and to what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine import world
from training.engine import cli, memory
from training.engine.errors import OutOfMemory
from training.engine.memory import Pass
from training.engine.spec import RunSpec

# Trains with little more address space than the process has when training begins.
STARVED = """
import resource, sys
from pathlib import Path
from training.engine import cli

def hear(event):
    if event.kind == "stage" and event.data["name"] == "train" or event.kind == "metrics":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 40_000_000
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

cli.quiet_environment()
sys.exit(cli.train(Path(sys.argv[1]), hear))
"""


def spec(slug: str = "dpo_pop", **changes: Any) -> RunSpec:
    return RunSpec.model_validate({"method": {"slug": slug}, **changes})


def test_a_forward_pass_is_made_smaller_by_its_tokens() -> None:
    said = memory.advice(spec(), Pass(15_902, 30, gradient=True))
    assert said.startswith("Lower training.max_tokens from 16384 to 8192 (the forward pass that did not fit")
    assert "15,902 tokens" in said
    assert "training.gradient_checkpointing" in said
    assert "model.lora" in said


@pytest.mark.parametrize(("tokens", "wider", "wanted"), [(4000, 1, 2048), (30_000, 2, 8192), (4000, 2, 1024)])
def test_the_new_limit_is_below_what_did_not_fit(tokens: int, wider: int, wanted: int) -> None:
    said = memory.advice(spec(), Pass(tokens, 30, gradient=wider == 1, wider=wider))
    assert f"from 16384 to {wanted} " in said


@pytest.mark.parametrize("slug", ["beta_dpo", "amapo", "gamma_simpo", "rdo"])
def test_methods_that_look_at_other_pairs_switch_checkpointing_on_first(slug: str) -> None:
    method = {"slug": slug} | ({"reward_model": "r"} if slug == "rdo" else {})
    found = RunSpec.model_validate({"method": method})
    said = memory.advice(found, Pass(9000, 32, gradient=True))
    first = "Switch training.gradient_checkpointing on. "
    assert said.startswith(f"{first}Lower training.micro_batch from 16 to 8 ")
    assert "its result changes" in said


def test_one_preference_alone_is_made_shorter() -> None:
    said = memory.advice(spec(), Pass(4000, 2, gradient=True))
    assert "(4,000 tokens): lower training.max_length from 2048 to 1024" in said
    assert "max_tokens" not in said


def test_what_is_on_already_is_not_advised() -> None:
    training = {"gradient_checkpointing": True, "precision": "bf16"}
    said = memory.advice(spec(training=training, model={"lora": {}}), Pass(9000, 8, gradient=True))
    assert said.endswith("The result stays the same.")


@pytest.mark.parametrize(
    ("kind", "objective", "alone", "what"),
    [
        ("sft", "", 1, "response"),
        ("reward_model", "bradley_terry", 2, "preference"),
        ("reward_model", "pop", 4, "row"),
    ],
)
def test_other_kinds_of_runs_have_smaller_passes_too(
    kind: str, objective: str, alone: int, what: str
) -> None:
    found = RunSpec.model_validate(
        {"kind": kind} | ({"reward": {"objective": objective}} if objective else {})
    )
    for gradient in (True, False):
        said = memory.advice(found, Pass(9000, 16, gradient=gradient))
        assert "training.max_tokens from 16384 to 4096" in said
        assert "The result stays the same" in said
    said = memory.advice(found, Pass(9000, alone, gradient=True))
    assert f"One {what} alone filled the forward pass" in said
    assert "max_tokens" in memory.advice(found, Pass(9000, alone + 1, gradient=True))


def test_weights_that_do_not_fit_are_not_blamed_on_a_pass() -> None:
    with pytest.raises(OutOfMemory) as told, memory.explained(spec, lambda: None):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore words")
    assert told.value.message == "Memory ran out: CUDA out of memory. Tried to allocate 20.00 GiB."
    assert "LoRA" in told.value.hint
    assert "max_tokens" not in told.value.hint


def test_other_errors_go_on_as_they_are() -> None:
    with pytest.raises(KeyError), memory.explained(spec, lambda: None):
        raise KeyError("x")


def test_torchs_own_allocator_is_understood() -> None:
    with pytest.raises(OutOfMemory) as told, memory.explained(spec, lambda: Pass(9000, 8, gradient=True)):
        torch.empty(1 << 60, dtype=torch.uint8)
    assert "max_tokens" in told.value.hint


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_run_that_runs_out_of_memory_says_what_to_lower(tmp_path: Path) -> None:
    lines = world.rows(24, 0)
    for line in lines:
        for side in ("strong", "weak"):
            line[side]["chosen"] = line[side]["prompt"] * 25
    folder = world.run_dir(
        tmp_path,
        lines,
        model={"base": "tiny", "tiny": {**world.TINY, "hidden_size": 256, "sft_steps": 0}},
        training={"rows_per_step": 24, "micro_batch": 24, "max_length": 1024, "max_tokens": 100_000},
        evaluation={"batch_size": 1},
    )
    done = subprocess.run(
        [sys.executable, "-c", STARVED, str(folder)],
        cwd=world.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == cli.CRASHED, done.stderr
    (failed,) = world.told(folder, "failed")
    assert failed.data["code"] == "out_of_memory"
    assert "training.max_tokens from 100000 to" in failed.data["hint"]
