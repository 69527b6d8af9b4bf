"""A reward is read where the response ends, also where the base pads with the token that ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, LlamaConfig

from tests.engine import two_step, world
from tests.engine.test_base_models import SIZES, saved
from training.engine import reward_model, runner, tiny
from training.engine.encoding import Encoded

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def base(folder: Path, *, rows: int = 320, **marks: Any) -> str:
    """A base whose tokenizer pads with the end token, with so many rows in its embedding."""
    name = saved(folder, LlamaConfig(**{**SIZES, "vocab_size": rows}))
    tokenizer = AutoTokenizer.from_pretrained(name)
    tokenizer.add_special_tokens({"pad_token": tiny.END, **marks})
    tokenizer.save_pretrained(name)
    return name


def opened(name: str) -> tuple[Any, Any]:
    return reward_model.from_base(name, None, torch.float32, 0)


def tokens(name: str) -> int:
    return len(AutoTokenizer.from_pretrained(name))


def without_pad_mark(folder: Path, **options: Any) -> str:
    """Also without the token that tiny pads with, whose name says what it is for."""
    name = base(folder, **options)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        path = Path(name) / file
        path.write_text(path.read_text(encoding="utf-8").replace(tiny.PAD, "<|other|>"), encoding="utf-8")
    return name


def test_a_reward_is_read_at_the_end_token_of_each_sequence(tmp_path: Path) -> None:
    model, tokenizer = opened(without_pad_mark(tmp_path))
    assert reward_model.reads_end(tokenizer)
    end = tokenizer.eos_token_id
    one = Encoded(np.asarray([9, 8, 7, 6, end], np.int32), np.asarray([9, 5, end], np.int32), 1)
    batch = reward_model.sequences([one], tokenizer.pad_token_id)
    with torch.no_grad():
        found = reward_model.rewards(model, batch, bf16=False)
        for ids, reward in zip((one.chosen, one.rejected), found, strict=True):
            states = model.model(input_ids=torch.tensor([ids.tolist()])).last_hidden_state
            torch.testing.assert_close(reward, model.score(states[0, -1])[0])


def test_a_spare_mark_pads_before_a_new_one_is_made(tmp_path: Path) -> None:
    for place, marks in enumerate(("<|reserved_token_3|>", "<|right_pad_id|>")):
        name = without_pad_mark(tmp_path / str(place), additional_special_tokens=["<|tool|>", marks])
        _, tokenizer = opened(name)
        assert tokenizer.pad_token == marks
    _, tokenizer = opened(without_pad_mark(tmp_path / "new"))
    assert tokenizer.pad_token == reward_model.NEW_PAD
    assert tokenizer.pad_token_id == tokens(str(tmp_path / "new"))


def test_a_padding_token_of_its_own_stays(tmp_path: Path) -> None:
    _, tokenizer = opened(saved(tmp_path))
    assert tokenizer.pad_token == tiny.PAD


def test_the_head_is_the_same_whatever_pads(tmp_path: Path) -> None:
    heads = [opened(name)[0].score.weight for name in (saved(tmp_path / "a"), base(tmp_path / "b"))]
    assert torch.equal(*heads)


def test_where_there_is_nothing_to_spare_the_run_says_so(tmp_path: Path) -> None:
    full = tokens(without_pad_mark(tmp_path / "counted"))
    name = without_pad_mark(tmp_path / "base", rows=full)
    run = two_step.run_dir(tmp_path / "run", "reward_model", model={"base": name})
    runner.train(world.open_run(run))
    assert "end_not_read" in {event.data["code"] for event in world.told(run, "warning")}


def test_whoever_loads_the_model_reads_it_where_it_was_trained(tmp_path: Path) -> None:
    name = without_pad_mark(tmp_path / "base")
    folder = two_step.run_dir(tmp_path / "run", "reward_model", model={"base": name})
    run = world.open_run(folder)
    finished = runner.train(run)
    assert "end_not_read" not in {event.data["code"] for event in world.told(folder, "warning")}
    pairs = [one for one in run.encoded if one is not None]
    model, tokenizer = reward_model.trained(finished)
    ours = reward_model.rewards(model, reward_model.sequences(pairs, tokenizer.pad_token_id), bf16=False)
    plain = AutoModelForSequenceClassification.from_pretrained(finished)
    texts = [
        {"input_ids": side.tolist()} for side in (*[p.chosen for p in pairs], *[p.rejected for p in pairs])
    ]
    batch = AutoTokenizer.from_pretrained(finished).pad(texts, return_tensors="pt")
    torch.testing.assert_close(plain(**batch).logits[:, 0], ours)
    cut = [{"input_ids": one["input_ids"][:-1]} for one in texts]  # without their ends
    batch = AutoTokenizer.from_pretrained(finished).pad(cut, return_tensors="pt")
    assert not torch.allclose(plain(**batch).logits[:, 0], ours)
