"""Responses that a language model writes to prompts, by transformers' `generate`.

Drawn by the Gumbel-max trick: the largest of log-probability plus Gumbel noise is an exact sample (Gumbel
1954; Maddison et al. 2014, arXiv 1411.0030). Each response has a noise of its own, so that it depends on the
model, the prompt, its number, the settings and the seed, not on what else is in the batch or on where a run
was interrupted (but for rounding, which batches of another width may turn at near ties).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from training.engine.encoding import Ids
from training.engine.evaluation_spec import GenerationSpec
from training.engine.generation_cache import Response
from training.engine.generation_cache import key as key_of
from training.engine.layouts import pad
from training.engine.logps import Scorer, evaluating

Each = Callable[[Mapping[bytes, Response]], None]


@dataclass(frozen=True)
class Wanted:
    """A response to be written: its prompt's ids, which one of that prompt, and how long it may become."""

    prompt: Ids
    sample: int
    longest: int

    @property
    def key(self) -> bytes:
        return key_of(self.prompt.tolist(), self.sample)


class Noise(LogitsProcessor):  # type: ignore[misc]
    """Adds each row's own Gumbel noise to its log-probabilities, a draw a token."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.draws = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores: [rows, vocabulary] after temperature and top-p; −∞ stays −∞. In fp64, for the tail."""
        noise = torch.empty_like(scores, dtype=torch.float64)
        for row, draws in zip(noise, self.draws, strict=True):
            row.exponential_(generator=draws)
        return scores.double() - noise.log_()


def wanted(model: Any, prompts: Sequence[Ids], asked: GenerationSpec) -> list[Wanted]:
    """Every response that is asked for, as long as the model's positions allow; none without room."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    found = []
    for prompt in prompts:
        room = asked.max_new_tokens if limit is None else min(asked.max_new_tokens, limit - len(prompt))
        if len(prompt) and room > 0:
            found += [Wanted(prompt, sample, room) for sample in range(asked.samples)]
    return found


def sample(
    model: Any,
    responses: Sequence[Wanted],
    asked: GenerationSpec,
    *,
    stops: Sequence[int],
    pad_id: int,
    speaker: str = "",
    rows: int = 16,
    tokens: int = 16_384,
    bf16: bool = False,
    known: Mapping[bytes, Response] | None = None,
    done: Callable[[int], None] = lambda _: None,
    each: Each = lambda _: None,
) -> dict[bytes, Response]:
    """Write the responses, by key.

    Args:
        stops: tokens that end a response.
        speaker: whose noise it is. Two models that are compared must not share one: their responses would
            not be independent.
        rows, tokens: at most so many responses and tokens in a batch.
        known: responses that are there already. Batches are those of all responses together, so that an
            interruption changes none.
        done: called with the number of responses written (it may raise to stop).
        each: given what each batch wrote.
    """
    found = dict(known or {})
    written = 0
    with torch.no_grad(), evaluating(model):
        for batch in batches(responses, rows, tokens):
            done(written)
            missing = [one for one in batch if one.key not in found]
            if missing:
                fresh = _batch(model, missing, asked, stops=stops, pad_id=pad_id, speaker=speaker, bf16=bf16)
                each(fresh)
                found |= fresh
                written += len(fresh)
    done(written)
    return {one.key: found[one.key] for one in responses}


def batches(responses: Sequence[Wanted], rows: int, tokens: int) -> Iterator[list[Wanted]]:
    """Those of similar length together, longest first; all of a batch may become equally long."""
    order = sorted(responses, key=lambda one: (-one.longest, -len(one.prompt), one.key))
    batch: list[Wanted] = []
    for one in order:
        width = max([len(one.prompt), *(len(other.prompt) for other in batch[:1])]) + one.longest
        full = len(batch) == rows or (len(batch) + 1) * width > tokens
        if batch and (full or one.longest != batch[0].longest):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _batch(
    model: Any,
    batch: Sequence[Wanted],
    asked: GenerationSpec,
    *,
    stops: Sequence[int],
    pad_id: int,
    speaker: str,
    bf16: bool,
) -> dict[bytes, Response]:
    device = next(model.parameters()).device
    width = max(len(one.prompt) for one in batch)
    ids = torch.full((len(batch), width), pad_id)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(batch):
        ids[row, width - len(one.prompt) :] = torch.from_numpy(one.prompt.astype("int64"))
        mask[row, width - len(one.prompt) :] = 1
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model  # adapters are inside it
    with (
        _without_habits(plain),
        torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=False),
    ):
        whole = plain.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=_greedy(batch[0].longest, stops, pad_id),
            logits_processor=_processors(asked, [_seed(asked.seed, speaker, one) for one in batch], device),
        )
    return {one.key: _until(row, stops) for one, row in zip(batch, whole[:, width:].tolist(), strict=True)}


@contextlib.contextmanager
def _without_habits(model: Any) -> Iterator[None]:
    """For a while without the model's own settings (a repetition penalty, …): they would count, unseen."""
    before = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = before


def _greedy(longest: int, stops: Sequence[int], pad_id: int) -> GenerationConfig:
    return GenerationConfig(
        do_sample=False, max_new_tokens=longest, eos_token_id=list(stops), pad_token_id=pad_id, use_cache=True
    )


def _processors(asked: GenerationSpec, seeds: Sequence[int], device: torch.device) -> LogitsProcessorList:
    """Temperature 0 takes the likeliest token."""
    found = LogitsProcessorList()
    if asked.temperature == 0:
        return found
    if asked.temperature != 1:
        found.append(TemperatureLogitsWarper(float(asked.temperature)))
    if asked.top_p < 1:
        found.append(TopPLogitsWarper(asked.top_p))
    found.append(Noise(seeds, device))
    return found


def _seed(seed: int, speaker: str, one: Wanted) -> int:
    digest = hashlib.sha256(json.dumps([seed, speaker, one.key.hex()]).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def _until(row: list[int], stops: Sequence[int]) -> Response:
    """A row up to the first stop, which belongs to it; behind it is padding."""
    end = next((place for place, token in enumerate(row) if token in stops), None)
    return Response(tuple(row if end is None else row[: end + 1]), ended=end is not None)


def stop_tokens(model: Any, tokenizer: Any) -> list[int]:
    """What ends a response: the end tokens of tokenizer and model, and what ends a turn in the template."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = {tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])}
    with contextlib.suppress(Exception):  # a template that refuses these turns; the others are there
        found.add(_turn_end(tokenizer))
    return sorted(one for one in found if one is not None)


def _turn_end(tokenizer: Any) -> int | None:
    """The special token right behind an assistant's words, if there is one."""
    mark = "Xyzzy"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": mark}]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False)
    ids = tokenizer(text.rpartition(mark)[2], add_special_tokens=False)["input_ids"]
    return ids[0] if ids and ids[0] in tokenizer.all_special_ids else None


def score(
    model: Any,
    pairs: Sequence[tuple[Ids, Response]],
    *,
    pad_id: int,
    rows: int = 16,
    tokens: int = 16_384,
    bf16: bool = False,
    done: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """log π(response | prompt) of each pair, its end included: nats, fp64 [m], on the CPU."""
    scorer = Scorer(model, bf16=bf16)
    device = next(model.parameters()).device
    whole = [(_joined(prompt, response), len(prompt)) for prompt, response in pairs]
    order = sorted(range(len(whole)), key=lambda place: -len(whole[place][0]))
    found = torch.full((len(whole),), torch.nan, dtype=torch.float64)
    start = 0
    with torch.no_grad(), evaluating(model):
        while start < len(order):
            done(start)
            size = max(1, min(rows, tokens // len(whole[order[start]][0])))
            places = order[start : start + size]
            batch = pad([whole[place] for place in places], pad_id).to(device)
            found[places] = scorer(batch).double().cpu()
            start += len(places)
    done(start)
    return found


def _joined(prompt: Ids, response: Response) -> Ids:
    return np.concatenate((prompt, np.asarray(response.tokens, np.int32)))
