"""Whatever is uploaded: records, row errors, or one error about the file. Never anything else."""

from __future__ import annotations

import io
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.imports import FORMATS, Record, RowError, UnreadableFile, guess
from annotation.imports.records import canonical_json

# Busy machines are slow to draw inputs: that is no failure. FUZZ_EXAMPLES=5000 searches longer.
fuzz = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.too_slow],
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "x"]), "content": json_values}
    ),
    max_size=4,
)
cells = json_values | messages | st.text(alphabet='\n\nHuman: Assistant:[{"role', max_size=60)
records = st.dictionaries(
    st.sampled_from(["prompt", "chosen", "rejected", "score_chosen", "score_rejected", "id", "source", "x"]),
    cells,
    max_size=8,
)


def drain(name: str, data: bytes) -> None:
    try:
        for row in FORMATS[name].read(io.BytesIO(data)):
            if isinstance(row, Record):
                canonical_json([row.prompt, row.chosen, row.rejected]).encode()
                assert len(row.content_hash) == 64
                assert "\x00" not in row.external_id + row.source
            else:
                assert isinstance(row, RowError)
                (row.reason + row.excerpt).encode()
                assert len(row.reason) <= 300
                assert len(row.excerpt) <= 200
                assert row.reason
                assert "\x00" not in row.reason + row.excerpt
    except UnreadableFile as refused:
        assert refused.message  # noqa: PT017 - any of the two ends is right


@pytest.mark.parametrize("name", FORMATS)
@fuzz
@given(data=st.binary(max_size=400))
def test_any_bytes(name: str, data: bytes) -> None:
    drain(name, data)


@pytest.mark.parametrize("name", FORMATS)
@fuzz
@given(
    start=st.sampled_from([b"PAR1", b"\x1f\x8b", b"[", b"{", b"\xef\xbb\xbf", b"chosen,rejected\n"]),
    data=st.binary(),
)
def test_any_bytes_after_a_plausible_start(name: str, start: bytes, data: bytes) -> None:
    drain(name, start + data)


@fuzz
@given(st.lists(records, max_size=5), st.binary(max_size=6))
def test_any_json_rows(rows: list[dict[str, object]], tail: bytes) -> None:
    drain("jsonl", b"\n".join(json.dumps(row).encode() for row in rows) + tail)
    drain("jsonl", json.dumps(rows).encode() + tail)


@fuzz
@given(
    st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8")), max_size=4), max_size=4),
    st.binary(max_size=5),
)
def test_any_table(rows: list[list[str]], tail: bytes) -> None:
    body = "\r\n".join('"' + '","'.join(row) + '"' for row in rows)
    drain("csv", b"prompt,chosen,rejected\n" + body.encode() + tail)


@fuzz
@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=8))
def test_a_parquet_file_damaged_anywhere(place: int, damage: bytes) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["a"] * 9, "chosen": ["b"] * 9, "rejected": ["c", "d", "e"] * 3}), out)
    data = bytearray(out.getvalue())
    place %= len(data)
    data[place : place + len(damage)] = damage
    drain("parquet", bytes(data))


def test_formats_are_told_by_the_end_of_the_name() -> None:
    names = {
        "a.JSONL": "jsonl",
        "b.json.gz": "jsonl",
        "c.tsv": "csv",
        "d.parquet": "parquet",
        "e.docx": "",
        "jsonl": "",
    }
    assert {name: guess(name) for name in names} == names
