"""Reading ahead in a thread: order, batches, errors, and what is closed where."""

from __future__ import annotations

from collections.abc import Iterator
from threading import current_thread, get_ident
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import ahead


def read(batches: Any) -> list[list[int]]:
    return [batch.rows for batch in batches if batch.rows]


@given(rows=st.lists(st.integers(), max_size=50), size=st.integers(1, 9))
def test_rows_come_whole_and_in_order_in_batches_of_the_size(rows: list[int], size: int) -> None:
    found = read(ahead.batches(iter(rows), size))
    assert [row for batch in found for row in batch] == rows
    assert all(len(batch) == size for batch in found[:-1])


def test_heavy_rows_come_in_smaller_batches(monkeypatch: Any) -> None:
    monkeypatch.setattr(ahead, "HEAVY", 10)
    found = read(ahead.batches(iter([4, 4, 4, 1, 30, 2]), 100, weight=lambda row: row))
    assert found == [[4, 4, 4], [1, 30], [2]]


def test_what_was_read_before_an_error_comes_before_it() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2, 3)
        raise ValueError("here")

    batches = ahead.batches(broken(), 2)
    assert [next(batches).rows, next(batches).rows] == [[1, 2], [3]]
    with pytest.raises(ValueError, match="here"):
        next(batches)


@pytest.mark.parametrize("through", [True, False])
def test_a_source_ends_in_the_thread_that_ran_it_also_when_it_is_left_early(through: bool) -> None:
    ended: list[int] = []

    def source() -> Iterator[int]:
        try:
            yield from range(20 if through else 10**9)
        finally:
            ended.append(get_ident())

    batches = ahead.batches(source(), 2)
    if through:
        assert sum(map(len, read(batches))) == 20
    else:
        assert next(batches).rows == [0, 1]
        batches.close()
    assert len(ended) == 1
    assert ended != [current_thread().ident]
