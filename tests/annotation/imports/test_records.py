"""The fast canonical JSON is the slow one, byte for byte."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.exports import arrow, canonical
from annotation.imports.records import Message, Record, canonical_json, canonical_messages, prepared

texts = st.text(st.characters(codec="utf-8"))
messages: Any = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": texts}),
    min_size=1,
    max_size=3,
)
scores = st.none() | st.floats(allow_nan=False, allow_infinity=False)
preferences = st.fixed_dictionaries(
    {
        "id": st.text("0123456789abcdef", min_size=64, max_size=64),
        "split": st.sampled_from(["train", "heldout"]),
        "prompt": messages,
        "chosen": messages,
        "rejected": messages,
        "score_chosen": scores,
        "score_rejected": scores,
    }
)

rows = st.fixed_dictionaries(
    {
        "strong_id": st.text("0123456789abcdef", min_size=64, max_size=64),
        "weak_id": st.text("0123456789abcdef", min_size=64, max_size=64),
        "split": st.sampled_from(["train", "heldout"]),
        "confidence": st.floats(0, 1),
        "provenance": st.sampled_from(["label", "tie", "inferred"]),
    }
)


@given(messages)
def test_messages_are_written_as_json_writes_them(given_messages: list[Message]) -> None:
    assert canonical_messages(given_messages) == canonical_json(given_messages).encode()


@given(messages, messages, messages)
def test_the_hash_is_the_one_of_the_definition(
    prompt: list[Message], chosen: list[Message], rejected: list[Message]
) -> None:
    whole = canonical_json({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    found = prepared(Record(1, prompt, chosen, rejected)).content_hash
    assert found == hashlib.sha256(whole.encode()).hexdigest()


@given(preferences)
def test_a_frozen_preference_is_hashed_as_json_writes_it(item: dict[str, Any]) -> None:
    text = json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    assert canonical.preference_line(item) == text.encode() + b"\n"


@given(rows)
def test_a_frozen_row_is_hashed_as_json_writes_it(item: dict[str, Any]) -> None:
    text = json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    assert canonical.row_line(item) == text.encode() + b"\n"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_is_never_hashed(number: float) -> None:
    item = {"strong_id": "a", "weak_id": "b", "split": "train", "confidence": number, "provenance": "label"}
    with pytest.raises(ValueError, match="not a number"):
        canonical.row_line(item)


@given(st.lists(preferences, max_size=4))
def test_tables_built_by_column_hold_the_same(items: list[dict[str, Any]]) -> None:
    schema = canonical.PREFERENCE_SCHEMA
    assert arrow.table(items, schema).equals(pa.Table.from_pylist(items, schema=schema))


@given(st.lists(preferences, min_size=1, max_size=4), st.lists(rows, min_size=1, max_size=4))
def test_what_was_hashed_is_what_is_written(some: list[dict[str, Any]], pairs: list[dict[str, Any]]) -> None:
    for items, schema, line in (
        (some, canonical.PREFERENCE_SCHEMA, canonical.preference_line),
        (pairs, canonical.ROW_SCHEMA, canonical.row_line),
    ):
        found = canonical.table_of(b"".join(map(line, items)), schema)
        assert found.equals(pa.Table.from_pylist(items, schema=schema))
        assert found.to_pylist() == items
