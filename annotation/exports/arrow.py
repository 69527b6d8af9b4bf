"""Arrow tables of preferences, built column by column: several times faster than from a list of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def table(rows: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    """The rows as a table; the same as `pa.Table.from_pylist`."""
    columns = [_column([row[field.name] for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _column(values: list[Any], kind: Any) -> Any:
    if kind != MESSAGES or None in values:
        return pa.array(values, kind)
    offsets = pa.array([0, *accumulate(map(len, values))], pa.int32())
    turns = list(chain.from_iterable(values))
    texts = [pa.array([turn[name] for turn in turns], pa.string()) for name in ("role", "content")]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(texts, fields=list(kind.value_type)))
