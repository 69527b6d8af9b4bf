"""KL to the reference over the whole vocabulary: against the models' own logits, and on every run."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from tests.engine import world
from training.engine import contexts, preparation, reference_cache, runner
from training.engine.batching import Room
from training.engine.encoding import Encoded
from training.engine.layouts import Layout, packed, padded
from training.engine.logps import Scorer

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
ROOM = Room(3, 200)


def prepared(folder: Path, **changes: Any) -> Any:
    run = world.open_run(world.run_dir(folder, **changes))
    preparation.prepare(run, None)
    return run


def moved(model: Any) -> Any:
    """The model, a little further on."""
    other = copy.deepcopy(model)
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for one in other.parameters():
            one.add_(0.05 * torch.randn(one.shape, generator=draws))
    return other


@torch.no_grad()
def by_hand(policy: Any, reference: Any, found: contexts.Contexts) -> torch.Tensor:
    """KL at every scored token of the contexts' preferences, one sequence at a time."""
    every = []
    for one in found.encoded:
        for ids in (one.chosen, one.rejected):
            tokens = torch.tensor(ids)[None].long()
            logits = [model.eval()(input_ids=tokens).logits[0].double() for model in (policy, reference)]
            ours, theirs = (functional.log_softmax(values, -1) for values in logits)
            kl = (ours.exp() * (ours - theirs)).sum(-1)
            every.append(kl[one.prompt_length - 1 : -1])
    return torch.cat(every)


@pytest.mark.parametrize("layout", [packed, padded])
@pytest.mark.parametrize("most", [7, 100_000])
def test_kl_is_that_of_the_models_own_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Layout, most: int
) -> None:
    run = prepared(tmp_path)
    monkeypatch.setattr(contexts, "MOST", most)
    policy = moved(run.base.model)
    start = Scorer(copy.deepcopy(run.base.model), layout=layout)
    found = contexts.taken(
        run.encoded, range(9), start, weights=str(layout), precision="fp32", pad_id=run.pad_id, room=ROOM
    )
    assert found is not None
    expected = by_hand(policy, run.base.model, found)
    assert len(found.chosen) == min(len(expected), len(expected[found.chosen]))
    assert len(found.chosen) <= most
    assert (len(found.chosen) == len(expected)) == (most > 7)
    kl = found.kl(Scorer(policy, layout=layout), pad_id=run.pad_id, room=ROOM)
    assert kl.double() == pytest.approx(expected[found.chosen], rel=1e-3, abs=1e-5)
    assert float(kl.min()) > 0.01
    same = found.kl(start, pad_id=run.pad_id, room=ROOM)
    assert float(same.abs().max()) < 1e-5


@pytest.mark.parametrize("layout", [packed, padded])
def test_what_has_no_prompt_has_no_context_for_its_first_token(tmp_path: Path, layout: Layout) -> None:
    start = Scorer(prepared(tmp_path).base.model, layout=layout)
    one = Encoded(np.asarray([3, 4, 5, 6], np.int32), np.asarray([3, 7, 8], np.int32), 0)
    two = Encoded(np.asarray([3, 5, 5], np.int32), np.asarray([3, 5, 8], np.int32), 2)
    found = contexts.taken(
        [one, two], range(2), start, weights=f"bare {layout}", precision="fp32", pad_id=0, room=ROOM
    )
    assert found is not None
    assert found.of.tolist() == [0] * (3 + 2) + [1] * (1 + 1)
    assert found.reference.exp().sum(-1) == pytest.approx(1, abs=1e-5)
    assert float(found.kl(start, pad_id=0, room=ROOM).abs().max()) < 1e-5


@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_every_run_tells_it_as_it_trains_and_of_the_model_it_leaves(
    tmp_path: Path, lora: dict[str, int] | None
) -> None:
    folder = world.run_dir(tmp_path, model={"lora": lora}, training={"logging_steps": 1, "warmup_ratio": 0})
    run = world.open_run(folder)
    runner.train(run)
    logged = [
        event.data["policy/kl_token"]
        for event in world.told(folder, "metrics")
        if "policy/kl_token" in event.data
    ]
    assert 0 < logged[0] < logged[-1]
    seen = json.loads((folder / "evaluation.json").read_text())["results"]["divergence"]["contexts"]
    assert seen["kl_token"] == pytest.approx(logged[-1], rel=1e-4)
    assert seen["kl_token_interval"][0] < seen["kl_token"] < seen["kl_token_interval"][1]
    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    trained = AutoModelForCausalLM.from_pretrained(folder / "model")  # adapters are merged
    places = run.data.preferences_of("heldout")
    assert {id(one) for one in run.contexts.encoded} == {id(run.encoded[place]) for place in places}
    expected = by_hand(trained, base, run.contexts)
    assert seen["n"] == len(expected)
    assert seen["kl_token"] == pytest.approx(float(expected.mean()), rel=1e-3)


@pytest.mark.parametrize(("logging_steps", "at"), [(1, [1, 2, 4, 6, 8, 10, 11]), (3, [1, 3, 6, 9])])
def test_looking_takes_a_fixed_small_part_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logging_steps: int, at: list[int]
) -> None:
    monkeypatch.setattr(contexts, "APART", 2)  # five held-out preferences: ten rows, at five a step
    training = {"logging_steps": logging_steps, "rows_per_step": 5, "epochs": 5.5}
    folder = world.run_dir(tmp_path, world.rows(10), training=training)
    runner.train(world.open_run(folder))
    told = world.told(folder, "metrics")
    logged = [event.step for event in told if "loss" in event.data]
    assert [event.step for event in told if "policy/kl_token" in event.data] == at
    assert logging_steps > 1 or logged == list(range(1, 12))


def test_what_the_reference_says_is_computed_once_for_all_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POP_CACHE_DIR", str(tmp_path / "cache"))
    first = prepared(tmp_path / "one").contexts
    (file,) = (tmp_path / "cache" / "contexts").glob("*/*.safetensors")
    written = file.stat()
    again = prepared(tmp_path / "two").contexts
    assert torch.equal(again.reference, first.reference)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (written.st_mtime_ns, written.st_ino)
    assert [space.folder.parent.name for space in reference_cache.spaces()].count("contexts") == 1
    file.write_bytes(b"broken")
    assert torch.equal(prepared(tmp_path / "three").contexts.reference, first.reference)


def test_without_held_out_preferences_the_contexts_are_those_trained_on(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, world.rows(8, 0))
    run = world.open_run(folder)
    preparation.prepare(run, None)
    assert len(run.contexts.encoded) > 1
