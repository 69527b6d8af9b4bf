"""The world's truth as a judge of the engine: the same rewards, to the last bit, and the same win rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.engine import PopTrainer, judging, pop_train
from training.engine.oracle import Oracle
from training.study import figures, language, truth
from training.study.settings import Data
from training.study.world import Noise, Prompt, World, preferences

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

SEED, PROMPTS = 5, 24


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def message(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt.text}]


def test_the_oracle_gives_the_worlds_own_rewards(tmp_path: Path) -> None:
    world, draws = World(SEED), np.random.default_rng(0)
    truth.write(world, tmp_path / "world.json")
    judge = judging.open_judge("world.json", tmp_path)
    assert isinstance(judge, Oracle)
    spoken = [*world.words, "a2", "not7", "w9", "w2.7", "f99", "hello"]
    prompts = [world.prompt(draws) for _ in range(300)]
    texts = [world.response(one, draws) for one in prompts]
    texts += [" ".join(draws.choice(spoken, draws.integers(0, 30)).tolist()) for _ in prompts]
    ended = (draws.random(len(texts)) < 0.8).tolist()
    asked = list(zip(prompts * 2, texts, ended, strict=True))
    assert judge([(message(one), text, end) for one, text, end in asked]) == [
        world.reward(one, text, ended=end) for one, text, end in asked
    ]


def test_a_run_that_it_judges_has_the_win_rate_that_the_study_computes(tmp_path: Path) -> None:
    world = World(SEED)
    language.write_blank(tmp_path / "blank", world, Data(hidden_size=16, layers=1))
    truth.write(world, tmp_path / "world.json")
    made = preferences(world, 60, Noise(), 1)
    rows = [{"prompt": one.prompt.text, "chosen": one.chosen, "rejected": one.rejected} for one in made]
    held = preferences(world, 30, Noise(), 2)
    rows += [
        {"prompt": one.prompt.text, "chosen": one.chosen, "rejected": one.rejected, "split": "heldout"}
        for one in held
    ]
    asked: dict[str, Any] = {"evaluation.generation": {"prompts": PROMPTS, "max_new_tokens": 12}}
    trainer = PopTrainer(
        str(tmp_path / "blank"),
        rows,
        method="dpo",
        output_dir=tmp_path / "run",
        progress=False,
        learning_rate=0.01,
        max_length=language.MAX_LENGTH,
        **asked,
        judge=str(tmp_path / "world.json"),
    )
    told = trainer.train()["win_rate"]
    rewards = [
        [[reward(world, one)] for one in lines(tmp_path / "run" / name)]
        for name in ("generations.jsonl", "reference-generations.jsonl")
    ]
    assert (told["n"], told["prompts"]) == (PROMPTS, PROMPTS)
    assert told["win_rate"] == pytest.approx(figures.win_rate(*rewards), abs=1e-12)
    assert 0 < told["win_rate"] < 1
    assert told["judge_sha256"] == judging.open_judge("world.json", tmp_path).sha256()
    out = tmp_path / "again.json"
    words = ["--judge", str(tmp_path / "world.json"), "--out", str(out)]
    assert pop_train.main(["evaluate", str(tmp_path / "run"), *words]) == 0
    assert json.loads(out.read_text())["results"]["win_rate"]["win_rate"] == told["win_rate"]


def reward(world: World, line: dict[str, Any]) -> float:
    """What the study says of a response, whose prompt it knows by its attributes."""
    *wanted, avoided = line["prompt"][0]["content"].split()
    prompt = Prompt(tuple(int(one[1:]) for one in wanted), int(avoided.removeprefix("not")))
    return world.reward(prompt, line["response"], ended=line["ended"] == "eos")
