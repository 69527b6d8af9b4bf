"""Batching, by property: nothing is lost, nothing doubled, and padding changes no log-probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine import world
from training.engine import packing, tiny
from training.engine.batching import PairCollator, Room, by_length, even_parts, fill, rows_in, unique
from training.engine.encoding import PLAIN_TEMPLATE, Encoded, encode, encode_all
from training.engine.layouts import packed, padded, padded_tokens, part_of
from training.engine.logps import Scorer, preference_logps
from training.engine.records import Preference
from training.engine.spec import TinySpec

token = st.integers(0, 250)
tokens = st.lists(token, min_size=1, max_size=12)


@st.composite
def encodeds(draw: st.DrawFn) -> Encoded:
    prompt, chosen, rejected = draw(tokens), draw(tokens), draw(tokens)
    one, other = (np.asarray(prompt + side, np.int32) for side in (chosen, rejected))
    return Encoded(one, other, prompt_length=len(prompt))


@given(st.lists(st.integers(0, 9), min_size=1))
def test_unique_finds_every_entry_again(places: list[int]) -> None:
    order, position = unique(places)
    assert len(set(order)) == len(order)
    assert [order[index] for index in position.tolist()] == places


@given(st.lists(encodeds(), min_size=1, max_size=6))
def test_padding_keeps_every_token_and_marks_completions_only(pairs: list[Encoded]) -> None:
    batch = padded(pairs, 299)
    sides = [one.chosen for one in pairs] + [one.rejected for one in pairs]
    prompts = [one.prompt_length for one in pairs] * 2
    for place, (ids, prompt) in enumerate(zip(sides, prompts, strict=True)):
        assert batch.attention_mask is not None
        kept = batch.attention_mask[place].bool()
        assert batch.input_ids[place][kept].tolist() == ids.tolist()
        assert batch.targets[batch.of == place].tolist() == ids[prompt:].tolist()
        assert (batch.input_ids[place][~kept] == 299).all()


@given(st.lists(st.none() | encodeds(), max_size=12))
def test_ordering_by_length_covers_each_encoded_preference_once(pairs: list[Encoded | None]) -> None:
    order = by_length(pairs, range(len(pairs)))
    assert sorted(order) == [place for place, one in enumerate(pairs) if one is not None]


@given(
    st.lists(st.none() | encodeds(), max_size=12),
    st.integers(1, 5),
    st.integers(1, 90),
    st.sampled_from([packed, padded]),
)
def test_forward_passes_keep_the_order_and_the_room(
    pairs: list[Encoded | None], size: int, tokens: int, layout: Any
) -> None:
    groups = list(fill(pairs, range(len(pairs)), Room(size, tokens), layout))
    there = [place for place, one in enumerate(pairs) if one is not None]
    assert [place for group in groups for place in group] == there
    for group in groups:
        chosen = [one for place in group if (one := pairs[place]) is not None]
        needs = sum(part_of(one).tokens for one in chosen) if layout is packed else padded_tokens(chosen)
        assert len(group) <= size
        assert len(group) == 1 or needs <= tokens
        assert layout(chosen, 0).input_ids.numel() == needs


@given(st.integers(1, 40), st.integers(2, 9))
def test_even_parts_leave_no_lonely_rest(count: int, most: int) -> None:
    rows = [{"strong": place} for place in range(count)]
    parts = even_parts(rows, most)
    assert [row for part in parts for row in part] == rows
    sizes = [len(part) for part in parts]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=25)
@given(
    st.lists(encodeds(), min_size=2, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8),
)
def test_a_row_finds_its_own_preferences(pairs: list[Encoded], links: list[tuple[int, int]]) -> None:
    rows = [{"strong": strong % len(pairs), "weak": weak % len(pairs)} for strong, weak in links]
    reference = torch.arange(2.0 * len(pairs)).reshape(-1, 2)
    batch = PairCollator(pairs, reference, {"score_margin": torch.arange(float(len(pairs)))}, pad_id=299)(
        rows
    )
    assert rows_in(batch) == len(rows)
    assert batch["strong"].sequences == 2 * len({row["strong"] for row in rows})
    found = batch["strong_ref"][batch["strong_of"]]
    assert found.tolist() == [reference[row["strong"]].tolist() for row in rows]
    assert batch["columns"]["score_margin"][batch["strong_of"]].tolist() == [
        float(row["strong"]) for row in rows
    ]
    lengths = batch["lengths"][batch["strong_of"]]
    assert lengths[:, 0].tolist() == [pairs[row["strong"]].chosen_length for row in rows]


@settings(max_examples=15)
@given(st.lists(encodeds(), min_size=2, max_size=4))
def test_neither_company_nor_layout_changes_a_log_probability(pairs: list[Encoded]) -> None:
    model = tiny.model(
        TinySpec(**world.TINY), vocabulary=300, max_length=64, pad_id=0, eos_id=1, seed=0
    ).double()
    packing.switch(model)
    scorer = Scorer(model)
    with torch.no_grad():
        alone = [preference_logps(scorer, padded([one], 0))[0] for one in pairs]
        for layout in (padded, packed):
            together = preference_logps(scorer, layout(pairs, 0))
            torch.testing.assert_close(together, torch.stack(alone), rtol=1e-10, atol=1e-10)


def preference(prompt: str, chosen: str = "yes", rejected: str = "no") -> Preference:
    user, assistant = ({"role": role} for role in ("user", "assistant"))
    return Preference(
        "id",
        "train",
        [{**user, "content": prompt}],
        [{**assistant, "content": chosen}],
        [{**assistant, "content": rejected}],
    )


def test_a_completion_is_what_follows_the_prompt_and_ends_with_the_end_mark() -> None:
    tokenizer = tiny.tokenizer(["hello there"], 262)
    one = encode(tokenizer, preference("hello"), 64)
    assert one is not None
    assert tokenizer.decode(one.chosen[: one.prompt_length]) == "<|user|>hello<|end|><|assistant|>"
    assert tokenizer.decode(one.chosen[one.prompt_length :]) == "yes<|end|>"
    assert tokenizer.decode(one.rejected[one.prompt_length :]) == "no<|end|>"


def test_truncation_keeps_the_start_and_drops_what_has_no_room_for_an_answer() -> None:
    tokenizer = tiny.tokenizer(["hello there"], 262)
    long = preference("a long question", "a long answer that goes on", "no")
    one = encode(tokenizer, long, 24)
    assert one is not None
    assert len(one.chosen) == 24
    assert encode_all(tokenizer, [long, preference("hi")], 17)[0] is None


def test_a_tokenizer_without_a_template_gets_a_plain_one() -> None:
    tokenizer = tiny.tokenizer(["hello there"], 262)
    tokenizer.chat_template = None
    one = encode_all(tokenizer, [preference("hello")], 64)[0]
    assert tokenizer.chat_template == PLAIN_TEMPLATE
    assert one is not None
    assert tokenizer.decode(one.chosen[: one.prompt_length]) == "User: hello\n\nAssistant:"
    assert tokenizer.decode(one.chosen[one.prompt_length :]) == " yes<|end|>"


def test_the_plain_template_asks_as_it_was_trained() -> None:
    tokenizer = tiny.tokenizer(["Assistant: yes yes yes", "a yes"], 300)  # " yes" is one token here
    tokenizer.chat_template = None
    one = encode_all(tokenizer, [preference("hello", "yes")], 64)[0]
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "hello"}], add_generation_prompt=True)
    assert one is not None
    assert one.chosen[: one.prompt_length].tolist() == asked["input_ids"]


def test_the_tiny_tokenizer_is_the_same_every_time_and_loses_nothing() -> None:
    texts = ["the cat sat on the mat", "the dog sat on the log", "naïve café ☕"]
    first, second = tiny.tokenizer(texts, 300), tiny.tokenizer(texts, 300)
    assert first.get_vocab() == second.get_vocab()
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
    text = "Ω, never seen: \x00\t☃ the cat"
    assert first.decode(first(text)["input_ids"]) == text
