"""Judges: what gives a number to a response. Sequence classifiers with one output, UltraRM, and oracles.

UltraRM (arXiv 2310.01377) is a Llama with a linear `regression_head` that transformers has no class for; what
it reads is not a chat template but "Human: …\\nAssistant: …".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jinja2
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    LlamaModel,
    LlamaPreTrainedModel,
)
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME
from transformers.utils.hub import has_file

from training.engine import base, opponents, oracle, reward_model
from training.engine.encoding import PLAIN_TEMPLATE
from training.engine.errors import ModelError
from training.engine.logps import evaluating
from training.engine.oracle import Oracle
from training.engine.records import Messages
from training.engine.run import device

ULTRA = "LlamaRewardModel"
HEAD = "regression_head.weight"
SAFETENSORS = (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME)


class UltraRM(LlamaPreTrainedModel):  # type: ignore[misc]
    """The layout of openbmb/UltraRM-13b: `model.*` and a linear head without bias, read at the last token."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = LlamaModel(config)
        self.regression_head = nn.Linear(config.hidden_size, 1, bias=False)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """One reward a right-padded sequence: shape [S]."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        rewards: Tensor = self.regression_head(hidden.last_hidden_state).squeeze(-1)
        ends = attention_mask.sum(dim=1, keepdim=True) - 1
        return rewards.gather(1, ends).squeeze(1)


@dataclass
class RewardJudge:
    """Gives rewards; NaN where a conversation is longer than the model's positions.

    `ids`: a conversation as the model reads it. `rewards`: of right-padded batches. `reading`: what `ids`
    follows from, as JSON.
    """

    model: Any
    pad_id: int
    ids: Callable[[Messages, str], list[int]]
    rewards: Callable[[dict[str, Tensor]], Tensor]
    reading: Any = None
    rows: int = 16
    tokens: int = 16_384
    done: Callable[[int], None] = lambda _: None
    ends: ClassVar[bool] = False  # see `duels.Judge`

    def __call__(self, conversations: Sequence[tuple[Messages, str]]) -> list[float]:
        """A reward for each (prompt, response). Raises ModelError where the judge cannot read one."""
        found = [float("nan")] * len(conversations)
        encoded = [self.ids(prompt, response) for prompt, response in conversations]
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 10**9
        order = [place for place in range(len(encoded)) if 0 < len(encoded[place]) <= limit]
        order.sort(key=lambda place: -len(encoded[place]))
        count = 0
        with torch.no_grad(), evaluating(self.model):
            while count < len(order):
                self.done(count)
                size = max(1, min(self.rows, self.tokens // len(encoded[order[count]])))
                places = order[count : count + size]
                values = self.rewards(self._batch([encoded[place] for place in places]))
                for place, value in zip(places, values.float().tolist(), strict=True):
                    found[place] = value
                count += len(places)
        self.done(count)
        return found

    def sha256(self) -> str:
        """What it is, whatever it is called: see `opponents.of_judge`."""
        return opponents.of_judge(self.model, self.reading)

    def _batch(self, rows: Sequence[list[int]]) -> dict[str, Tensor]:
        where = next(self.model.parameters()).device
        ids = torch.full((len(rows), max(map(len, rows))), self.pad_id)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        known = self.model.get_input_embeddings().weight.shape[0]
        if (largest := int(ids.max())) >= known:  # a GPU that looked it up would do nothing more for anybody
            raise ModelError(
                f"The judge's tokenizer gives the token {largest}, and its model has embeddings of {known}: "
                "they do not belong together.",
                code="judge_unusable",
            )
        return {"input_ids": ids.to(where), "attention_mask": mask.to(where)}


def check(named: str, folder: Path) -> None:
    """Look whether a judge is to be had, without its weights.

    Args:
        named: a folder or an oracle's file (below `folder`, if it is there), or a Hugging Face id.

    Raises:
        ModelError: it is not, it is no reward model, or its weights are no safetensors.
    """
    if (file := oracle.find(folder / named)) is not None:
        oracle.read(file)
        return
    _is_ultra(named, folder)
    place = _place(named, folder)
    try:
        there = any(has_file(place, name) for name in SAFETENSORS)
    except OSError as error:
        raise _no_judge(named, str(error).splitlines()[0]) from error
    if not there:
        raise _no_judge(named, "its weights are no safetensors, and no others are opened; convert them first")


def open_judge(
    named: str, folder: Path, *, done: Callable[[int], None] = lambda _: None, **options: Any
) -> RewardJudge | Oracle:
    """The judge, a model in the precision it is stored in.

    Args:
        done: is called with the number of responses judged so far (it may raise to stop).
        options: other fields of RewardJudge.

    Raises:
        ModelError: see `check`, or its weights cannot be loaded.
    """
    if (file := oracle.find(folder / named)) is not None:
        return oracle.read(file, done=done)
    return _reward_judge(named, folder, done=done, **options)


def _reward_judge(named: str, folder: Path, **options: Any) -> RewardJudge:
    ultra, place = _is_ultra(named, folder), _place(named, folder)
    loader = UltraRM if ultra else AutoModelForSequenceClassification
    model = base.load(loader, place, None, dtype="auto", use_safetensors=True)
    tokenizer = base.load_tokenizer(place, None)
    model = base.without_dropout(model).to(device())
    pad_id = int(tokenizer.pad_token_id)
    if ultra:
        return RewardJudge(
            model,
            pad_id,
            lambda prompt, response: tokenizer(ultra_text(prompt, response))["input_ids"],
            lambda batch: model(**batch),
            ["UltraRM", opponents.of_tokenizer(tokenizer)],
            **options,
        )
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE

    def ids(prompt: Messages, response: str) -> list[int]:
        whole = [*prompt, {"role": "assistant", "content": response}]
        try:
            text = tokenizer.apply_chat_template(whole, tokenize=False)
        except jinja2.TemplateError as error:
            raise ModelError(
                f"The judge's chat template refuses a conversation: {error}", code="template_refused"
            ) from error
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    return RewardJudge(
        model,
        pad_id,
        ids,
        lambda batch: reward_model.rewards(model, batch, bf16=False),
        ["chat", opponents.of_tokenizer(tokenizer)],
        **options,
    )


def ultra_text(prompt: Messages, response: str) -> str:
    """A conversation as UltraRM was trained on it. A system's words stand before the first question."""
    before = [one["content"] for one in prompt if one["role"] == "system"]
    turns = [one for one in prompt if one["role"] != "system"]
    lines = []
    for place, one in enumerate(turns):
        text = "\n".join([*before, one["content"]]) if place == 0 else one["content"]
        lines.append(f"{'Assistant' if one['role'] == 'assistant' else 'Human'}: {text}")
    return "\n".join([*lines, f"Assistant: {response}"])


def _place(named: str, folder: Path) -> str:
    below = folder / named
    return str(below) if below.is_dir() else named


def _is_ultra(named: str, folder: Path) -> bool:
    """Whether the judge has UltraRM's layout; see `check` for what it raises."""
    place = Path(_place(named, folder))
    if place.is_dir() and not (place / "config.json").is_file():
        raise _no_judge(named, "it has no config.json")
    try:
        config = base.load(AutoConfig, str(place) if place.is_dir() else named, None)
    except ModelError as error:
        raise _no_judge(named, error.message) from error
    names = config.architectures or []
    if ULTRA in names or (place.is_dir() and HEAD in _weights(place)):
        if place.is_dir() and (found := _weights(place)) and HEAD not in found:
            raise _no_judge(named, f"its safetensors have no {HEAD}")
        return True
    if config.num_labels != 1 or not any(one.endswith(reward_model.HEAD) for one in names):
        raise _no_judge(named, f"it is {', '.join(names) or 'of no architecture'}")
    return False


def _weights(place: Path) -> set[str]:
    """Names of the weights in a folder."""
    found: set[str] = set()
    try:
        for index in place.glob("*.safetensors.index.json"):
            found |= json.loads(index.read_text(encoding="utf-8"))["weight_map"].keys()
        for file in [] if found else sorted(place.glob("*.safetensors")):
            with safe_open(file, "pt") as stored:
                found |= set(stored.keys())
    except (OSError, ValueError, KeyError, SafetensorError):
        return set()
    return found


def _no_judge(named: str, why: str) -> ModelError:
    return ModelError(
        f"The judge {named!r} is no reward model that can be read: {why}.",
        code="judge_unusable",
        hint="A judge is a `model` folder of a reward_model run, a sequence classifier with one output, or "
        "UltraRM, as a path or a Hugging Face id, with safetensors; or an oracle's .json file.",
    )
