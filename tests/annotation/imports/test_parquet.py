from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.imports import FORMATS, Record, RowError, UnreadableFile

read = FORMATS["parquet"].read


def written(table: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def rows(data: bytes) -> list[Record | RowError]:
    return list(read(io.BytesIO(data)))


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def bot(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def ultrafeedback(count: int) -> Any:
    """As HuggingFaceH4/ultrafeedback_binarized publishes it, with columns that nobody needs."""
    return pa.Table.from_pylist(
        [
            {
                "prompt": f"Question {n}?",
                "prompt_id": f"id-{n}",
                "chosen": [user(f"Question {n}?"), bot(f"good {n}")],
                "rejected": [user(f"Question {n}?"), bot(f"bad {n}")],
                "messages": [user(f"Question {n}?"), bot(f"good {n}")],
                "score_chosen": n / 2,
                "score_rejected": 1.0,
                "embedding": [0.5] * 8,
            }
            for n in range(count)
        ]
    )


def test_ultrafeedback_binarized_is_read_over_row_groups() -> None:
    found = rows(written(ultrafeedback(700), row_group_size=300))
    assert len(found) == 700
    last = found[-1]
    assert isinstance(last, Record)
    assert (last.line, last.prompt, last.chosen) == (700, [user("Question 699?")], [bot("good 699")])
    assert (last.score_chosen, last.score_rejected, last.external_id) == (349.5, 1.0, "id-699")


def test_plain_text_columns_and_nulls_are_read() -> None:
    table = pa.table({"prompt": ["a", "b", None], "chosen": ["x", None, "y"], "rejected": ["z", "z", "z"]})
    found = rows(written(table))
    assert [type(row).__name__ for row in found] == ["Record", "RowError", "RowError"]
    assert next(row.reason for row in found if isinstance(row, RowError)) == "chosen is empty"


def test_a_text_that_is_not_utf8_costs_its_row_only() -> None:
    bad = pa.array([b"fine", b"caf\xe9", b"fine too"]).cast(pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, bad.buffers())
    table = pa.table({"prompt": ["a", "b", "c"], "chosen": text, "rejected": ["x", "y", "z"]})
    found = rows(written(table))
    assert [type(row).__name__ for row in found] == ["Record", "RowError", "Record"]
    assert "cannot be read" in found[1].reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty."),
        (b"PAR1", "not a Parquet file"),
        (b'{"prompt": 1}', "not a Parquet file"),
        (b"PAR1" + b"\x00" * 100 + b"PAR1", "not a Parquet file"),
        (written(pa.table({"a": [1], "b": [2]})), "needs chosen and rejected; found columns: a, b"),
        (written(pa.table({"chosen": [[1.5]], "rejected": [[2]]}))[:200], "not a Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_it_is(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        rows(data)
    assert words in refused.value.message


def test_odd_types_are_row_errors() -> None:
    table = pa.table({"chosen": [[1.5]], "rejected": [{"a": 2}], "prompt": [b"bytes"]})
    (found,) = rows(written(table))
    assert isinstance(found, RowError)


def test_damage_in_the_middle_keeps_the_rows_before_it() -> None:
    data = bytearray(written(ultrafeedback(900), row_group_size=300, compression="zstd"))
    file = pq.ParquetFile(io.BytesIO(bytes(data)))
    start = file.metadata.row_group(2).column(0).data_page_offset
    data[start : start + 60] = b"\xff" * 60
    found: list[object] = []
    with pytest.raises(UnreadableFile, match="damaged after row"):
        found.extend(read(io.BytesIO(bytes(data))))
    assert len(found) >= 400
