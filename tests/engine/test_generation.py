"""Responses that a model writes: exactly sampled, the same whatever interrupts or stands beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from scipy import stats
from torch.nn import functional

from tests.engine import world
from training.engine import generation, packing, reference_cache, tiny
from training.engine.encoding import encode, encode_prompt
from training.engine.evaluation_spec import GenerationSpec
from training.engine.generation import Wanted
from training.engine.generation_cache import GenerationCache, Response, key
from training.engine.jsonl import read_jsonl
from training.engine.spec import TinySpec

SHORT, LONG = np.asarray([5, 9], np.int32), np.asarray([11, 12, 13, 14, 40], np.int32)
PROMPTS = [SHORT, LONG, np.asarray([7, 8, 9, 10], np.int32)]
STOPS = (1,)

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def small(seed: int = 0, vocabulary: int = 300) -> Any:
    """A tiny Llama that is far from uniform."""
    sizes = TinySpec(hidden_size=32, layers=2, heads=2)
    model = tiny.model(sizes, vocabulary=vocabulary, max_length=64, pad_id=0, eos_id=1, seed=seed)
    return world.noisy(model, seed, 0.1).eval()


def write(model: Any, prompts: list[Any], **settings: Any) -> dict[bytes, Response]:
    options = {
        name: settings.pop(name) for name in ("rows", "known", "each", "done", "speaker") if name in settings
    }
    asked = GenerationSpec(**{"samples": 2, "max_new_tokens": 12} | settings)
    wanted = generation.wanted(model, prompts, asked)
    return generation.sample(model, wanted, asked, stops=STOPS, pad_id=0, **options)


def next_probabilities(model: Any, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return functional.softmax(model(input_ids=torch.tensor([ids])).logits[0, -1].double(), -1)


def test_a_response_does_not_depend_on_what_stands_beside_it() -> None:
    model = small()
    together = write(model, PROMPTS, rows=16)
    assert len(together) == 6
    assert together == write(model, PROMPTS, rows=1)
    assert together.items() >= write(model, [LONG]).items()
    assert len(set(together.values())) == 6  # each has a noise of its own


def test_nor_on_an_interruption() -> None:
    model = small()
    kept: dict[bytes, Response] = {}

    def keep(fresh: Mapping[bytes, Response]) -> None:
        kept.update(fresh)
        if len(kept) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(model, PROMPTS, rows=2, each=keep)
    assert len(kept) == 4
    counts: list[int] = []
    resumed = write(model, PROMPTS, rows=2, known=kept, done=counts.append)
    assert counts[-1] == 2  # what was there is not written again
    assert resumed == write(model, PROMPTS, rows=2)


def test_seed_and_speaker_and_settings_change_what_is_written() -> None:
    model = small()
    changed: list[dict[str, Any]] = [{}, {"seed": 1}, {"speaker": "somebody"}, {"temperature": 0.5}]
    found = [tuple(write(model, PROMPTS, **one).values()) for one in changed]
    assert len(set(found)) == 4
    assert write(model, PROMPTS, seed=1) == write(model, PROMPTS, seed=1)


def test_first_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    model = small(vocabulary=24)
    written = write(model, [SHORT], samples=1000, max_new_tokens=1, rows=1000)
    counts = Counter(one.tokens[0] for one in written.values())
    expected = 1000 * next_probabilities(model, SHORT.tolist())
    assert float(expected.max()) > 2 * float(expected.min())
    seen = [counts[token] for token in range(24)]
    assert stats.chisquare(seen, expected.numpy()).pvalue > 0.001


def test_top_p_leaves_the_unlikely_out() -> None:
    model = small(vocabulary=24)
    probabilities = next_probabilities(model, SHORT.tolist()).tolist()
    best = sorted(range(24), key=lambda token: -probabilities[token])
    kept, mass = set(), 0.0
    for token in best:
        if mass >= 0.3:
            break
        kept.add(token)
        mass += probabilities[token]
    written = write(model, [SHORT], samples=400, max_new_tokens=1, top_p=0.3, rows=400)
    assert {one.tokens[0] for one in written.values()} == kept


def test_temperature_0_takes_the_likeliest_token_each_time() -> None:
    model = small()
    (first, second) = write(model, [LONG], temperature=0, max_new_tokens=6).values()
    ids = LONG.tolist()
    for token in first.tokens:
        assert token == int(next_probabilities(model, ids).argmax())
        ids.append(token)
    assert first == second


def test_a_response_ends_with_its_first_stop_or_is_cut() -> None:
    written = write(small(vocabulary=16), [SHORT], samples=40, max_new_tokens=6).values()
    for one in written:
        assert one.ended == (one.tokens[-1] == STOPS[0])
        assert STOPS[0] not in one.tokens[:-1]
        assert one.ended or len(one.tokens) == 6
    assert {one.ended for one in written} == {True, False}


def test_what_a_model_is_published_with_does_not_count() -> None:
    model = small()
    before = write(model, PROMPTS)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.max_length = 7
    habits = model.generation_config
    assert write(model, PROMPTS) == before
    assert model.generation_config is habits


def test_a_model_that_attends_to_packed_rows_writes_the_same() -> None:
    model = small()
    before = write(model, PROMPTS)
    packing.switch(model)
    assert write(model, PROMPTS) == before


def test_adapters_write_what_the_merged_model_writes_and_off_what_the_base_does() -> None:
    base = write(small(), PROMPTS)
    adapted = get_peft_model(small(), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, one in adapted.named_parameters():
            if "lora_B" in name:
                one.add_(0.3)
    own = write(adapted, PROMPTS)
    assert own != base
    with adapted.disable_adapter():
        assert write(adapted, PROMPTS) == base
    assert write(adapted.merge_and_unload(), PROMPTS) == own


def test_positions_end_where_the_model_ends() -> None:
    model = small()
    model.config.max_position_embeddings = 8
    asked = GenerationSpec(samples=1, max_new_tokens=6)
    wanted = generation.wanted(model, [SHORT, LONG, np.arange(8, dtype=np.int32)], asked)
    assert [one.longest for one in wanted] == [6, 3]  # and nothing to a prompt that fills them all
    for batch in generation.batches(wanted, 16, 16_384):
        assert len({one.longest for one in batch}) == 1


def test_batches_hold_what_they_may() -> None:
    wanted = [Wanted(np.arange(size, dtype=np.int32), 0, 10) for size in (1, 2, 3, 30)]
    sizes = [[len(one.prompt) for one in batch] for batch in generation.batches(wanted, 2, 1000)]
    assert sizes == [[30, 3], [2, 1]]
    sizes = [[len(one.prompt) for one in batch] for batch in generation.batches(wanted, 9, 40)]
    assert sizes == [[30], [3, 2, 1]]


def test_log_probabilities_of_a_response_are_the_models() -> None:
    model = small()
    pairs = [(SHORT, Response((3, 4, 1), True)), (LONG, Response((9,), False))]
    found = generation.score(model, pairs, pad_id=0).tolist()
    for (prompt, response), value in zip(pairs, found, strict=True):
        ids, total = prompt.tolist(), 0.0
        for token in response.tokens:
            total += float(next_probabilities(model, ids)[token].log())
            ids.append(token)
        assert value == pytest.approx(total, abs=1e-4)


def test_a_prompt_is_what_training_sees_before_the_answer(tmp_path: Path) -> None:
    data = read_jsonl(world.run_dir(tmp_path) / "rows.jsonl")
    tokenizer = tiny.tokenizer(["some words", "and others"], 300)
    for one in data.preferences:
        trained = encode(tokenizer, one, 200)
        assert trained is not None
        assert (
            encode_prompt(tokenizer, one.prompt).tolist() == trained.chosen[: trained.prompt_length].tolist()
        )


def test_a_turns_end_in_the_template_ends_a_response() -> None:
    tokenizer = tiny.tokenizer(["some words"], 300)
    end = tokenizer.eos_token_id
    assert generation.stop_tokens(small(), tokenizer) == [1] == [end]
    tokenizer.eos_token = "<|tool|>"  # as base models whose template ends turns with another token
    assert generation.stop_tokens(small(), tokenizer) == sorted([end, tokenizer.eos_token_id])


def test_the_cache_gives_back_what_was_stored_and_survives_broken_files(tmp_path: Path) -> None:
    cache = GenerationCache({"weights": "a", "seed": 1}, [tmp_path / "one", tmp_path / "two"])
    responses = {key([1, 2], 0): Response((4, 5), True), key([1, 2], 1): Response((6,), False)}
    cache.put(responses)
    (first,) = (tmp_path / "one").glob("*/*.safetensors")
    first.write_bytes(first.read_bytes()[:40])
    assert cache.get(responses) == responses  # from the other place
    assert GenerationCache({"weights": "a", "seed": 2}, [tmp_path / "two"]).get(responses) == {}
    GenerationCache({}).put(responses)
    (space,) = reference_cache.spaces()  # where `pop-train cache` looks
    assert space.sequences == 2
    (tmp_path / "file").write_text("")
    full = GenerationCache({}, [tmp_path / "file"])
    full.put(responses)
    assert full.problem
