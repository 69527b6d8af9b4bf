"""Short parts attended in bundles give what the loop over a packed row gives, whatever else is in the row."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.test_varlen import CPU, PARTS, drawn, with_gradients
from training.engine import bundles, varlen
from training.engine.layouts import Part

FULL = Part(bundles.SHORT - 20, 10, 10)
LONG = Part(bundles.SHORT, 3, 4)
sizes = st.integers(0, 30)
parts = st.builds(Part, sizes, st.integers(1, 30), sizes) | st.sampled_from([FULL, LONG, Part(0, 90, 2)])


@settings(max_examples=40)
@given(
    st.lists(parts, min_size=1, max_size=6),
    st.sampled_from([(2, 2), (4, 2), (3, 1)]),
    st.sampled_from([None, 0.3]),
)
def test_bundles_give_the_numbers_and_gradients_of_the_loop(
    drawn_parts: list[Part], heads: tuple[int, int], scaling: float | None
) -> None:
    row = tuple(drawn_parts)
    inputs = drawn(*heads, row)
    found = with_gradients(bundles.attend, inputs, row, scaling)
    expected = with_gradients(varlen.loop, inputs, row, scaling)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@settings(max_examples=25)
@given(st.lists(parts, min_size=1, max_size=8))
def test_a_parts_bits_do_not_depend_on_its_company(drawn_parts: list[Part]) -> None:
    row = tuple(drawn_parts)
    query, key, value = (one.float().detach() for one in drawn(2, 1, row))
    together = bundles.attend(query, key, value, row, None)
    start = 0
    for part in row:
        own = slice(start, start + part.tokens)
        alone = bundles.attend(query[:, :, own], key[:, :, own], value[:, :, own], (part,), None)
        assert torch.equal(alone, together[:, own])
        start = own.stop


def test_long_parts_stay_out_of_bundles_and_the_plan_is_made_once_for_all_layers() -> None:
    bundles.planned.cache_clear()
    row = (LONG, *PARTS, FULL)
    query, key, value = drawn(2, 2, row)
    for _ in range(3):
        bundles.attend(query, key, value, (*row,), None)
    known = bundles.planned.cache_info()
    assert (known.misses, known.hits) == (1, 2)
    plan = bundles.planned(row, CPU)
    assert plan.long == (LONG,)
    assert [one.mask.shape[:3] for one in plan.bundles] == [(4, 1, 16), (1, 1, bundles.SHORT)]
    assert bundles.planned((LONG,), CPU).bundles == ()


def test_half_precision_goes_through_bundles() -> None:
    query, key, value = (one.bfloat16().detach() for one in drawn(2, 2, PARTS))
    found = bundles.attend(query, key, value, PARTS, None)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, varlen.loop(query, key, value, PARTS, None), rtol=0.02, atol=0.02)


def test_what_a_rejected_rest_does_not_see_changes_nothing_in_it() -> None:
    part = Part(3, 4, 5)
    query, key, value = (one.detach() for one in drawn(2, 2, (part,)))
    before = bundles.attend(query, key, value, (part,), None)
    key[:, :, 3:7] = value[:, :, 3:7] = 1e4
    after = bundles.attend(query, key, value, (part,), None)
    assert torch.equal(before[:, 7:], after[:, 7:])
    assert not torch.equal(before[:, 4:7], after[:, 4:7])
