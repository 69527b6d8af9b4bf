"""What a trained model writes to prompts it has not seen, and what the truth says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.engine import generation
from training.engine.encoding import encode_prompt
from training.engine.evaluation_spec import GenerationSpec
from training.study import pool
from training.study.settings import Cell
from training.study.world import Prompt, World

ROWS = 256  # responses in a batch: the models are tiny


@dataclass(frozen=True)
class Written:
    """The responses to a prompt: texts, whether each ended, and its log-probabilities, nats."""

    prompt: Prompt
    texts: list[str]
    ended: list[bool]
    policy: list[float]
    reference: list[float]


def responses(model: Path, start: Path, cell: Cell) -> list[Written]:
    """Sampled responses of a model, and how probable they are to it and to the model it started from.

    No two cells share their noise: responses that are compared are independent.
    """
    words = AutoTokenizer.from_pretrained(model)
    policy, reference = (AutoModelForCausalLM.from_pretrained(one) for one in (model, start))
    asked = GenerationSpec(
        prompts=cell.sampling.prompts,
        samples=cell.sampling.samples,
        temperature=cell.sampling.temperature,
        max_new_tokens=cell.sampling.max_new_tokens,
        seed=cell.seed,
    )
    prompts = pool.prompts(cell.seed, cell.sampling.prompts)
    encoded = [encode_prompt(words, [{"role": "user", "content": one.text}]) for one in prompts]
    wanted = generation.wanted(policy, encoded, asked)
    pad_id = int(words.pad_token_id)
    found = generation.sample(
        policy, wanted, asked, stops=[int(words.eos_token_id)], pad_id=pad_id, speaker=cell.key, rows=ROWS
    )
    pairs = [(one.prompt, found[one.key]) for one in wanted]
    logps = [generation.score(one, pairs, pad_id=pad_id, rows=ROWS).tolist() for one in (policy, reference)]
    texts = [words.decode(one.tokens, skip_special_tokens=True) for _, one in pairs]
    ended = [one.ended for _, one in pairs]
    size = asked.samples
    return [
        Written(prompt, texts[part], ended[part], logps[0][part], logps[1][part])
        for number, prompt in enumerate(prompts)
        for part in [slice(number * size, (number + 1) * size)]
    ]


def judged(world: World, found: list[Written]) -> dict[str, Any]:
    """The true rewards of responses, [[a reward a sample] a prompt], and what they are like on average.

    `kl`: KL(policy ‖ reference) a response, nats, by the mean log-ratio of the policy's own responses.
    """
    rewards = [
        [
            world.reward(one.prompt, text, ended=ended)
            for text, ended in zip(one.texts, one.ended, strict=True)
        ]
        for one in found
    ]
    ratios = [np.subtract(one.policy, one.reference) for one in found]
    return {
        "rewards": rewards,
        "reward": float(np.mean(rewards)),
        "kl": float(np.mean(ratios)),
        "length": float(np.mean([len(text.split()) for one in found for text in one.texts])),
        "ended": float(np.mean([one.ended for one in found])),
    }
