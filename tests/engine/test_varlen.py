"""One variable-length call gives what the loop over a packed row gives, and is left where it does not.

What surrounds the kernel runs here in fp64 with one of the same signature; the kernel itself wants a GPU.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig

from tests.engine.test_architectures import KNOWN, SIZES, build, encoded
from training.engine import packing, varlen
from training.engine.layouts import Part, packed, padded
from training.engine.logps import Scorer, layout_for

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
PARTS = (Part(3, 4, 2), Part(0, 5, 1), Part(6, 1, 1), Part(2, 1, 7))
CPU = torch.device("cpu")


def segmentwise(  # noqa: PLR0917 - as torch has it
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    upper_left: bool = False,
) -> Tensor:
    """What varlen_attn computes, a segment at a time, in any precision; `upper_left` is another alignment."""
    assert window_size == varlen.CAUSAL
    assert enable_gqa == (query.shape[1] != key.shape[1])
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert (int(cu_seq_q.diff().max()), int(cu_seq_k.diff().max())) == (max_q, max_k)
    assert (int(cu_seq_q[-1]), int(cu_seq_k[-1])) == (len(query), len(key))
    found = []
    for n in range(len(cu_seq_q) - 1):
        q = query[cu_seq_q[n] : cu_seq_q[n + 1]].transpose(0, 1)[None]
        k, v = (one[cu_seq_k[n] : cu_seq_k[n + 1]].transpose(0, 1)[None] for one in (key, value))
        rows, columns = torch.arange(q.shape[2])[:, None], torch.arange(k.shape[2])
        mask = columns <= rows + (0 if upper_left else k.shape[2] - q.shape[2])
        seen = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask.to(q.device), scale=scale, enable_gqa=enable_gqa
        )
        found.append(seen[0].transpose(0, 1))
    return torch.cat(found)


def raising(*_: Any, **__: Any) -> Tensor:
    raise RuntimeError("FlashAttention only supports Ampere GPUs or newer.")


def drawn(heads: int, key_heads: int, parts: tuple[Part, ...], width: int = 8) -> list[Tensor]:
    torch.manual_seed(0)
    tokens = sum(part.tokens for part in parts)
    return [
        torch.randn(1, count, tokens, width, dtype=torch.float64, requires_grad=True)
        for count in (heads, key_heads, key_heads)
    ]


def with_gradients(how: Any, inputs: list[Tensor], *rest: Any) -> list[Tensor]:
    output = how(*inputs, *rest)
    weights = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).reshape(output.shape)
    return [output, *torch.autograd.grad(output, inputs, weights)]


parts = st.lists(
    st.builds(Part, st.integers(0, 5), st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=4
)


@settings(max_examples=25)
@given(parts, st.sampled_from([(2, 2), (4, 2), (3, 1)]), st.sampled_from([None, 0.3]))
def test_one_call_gives_the_numbers_and_gradients_of_the_loop(
    parts: list[Part], heads: tuple[int, int], scaling: float | None
) -> None:
    inputs = drawn(*heads, tuple(parts))
    found = with_gradients(partial(varlen.attend, kernel=segmentwise), inputs, tuple(parts), scaling)
    expected = with_gradients(varlen.loop, inputs, tuple(parts), scaling)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_a_segment_sees_what_its_sequence_would_see_alone() -> None:
    query, key, value = drawn(2, 1, PARTS)
    found = varlen.attend(query, key, value, PARTS, None, kernel=segmentwise)
    start = 0
    for part in PARTS:
        shared = list(range(start, start + part.shared))
        middle, end = start + part.shared + part.chosen, start + part.tokens
        for own in ([*shared, *range(start + part.shared, middle)], [*shared, *range(middle, end)]):
            q, k, v = (one[:, :, own] for one in (query, key, value))
            alone = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            torch.testing.assert_close(
                found[0, own][part.shared :], alone[0].transpose(0, 1)[part.shared :], rtol=1e-12, atol=1e-12
            )
        start = end


def test_the_segments_of_a_batch_are_made_once_for_all_layers() -> None:
    varlen.segments.cache_clear()
    query, key, value = drawn(2, 2, PARTS)
    for _ in range(3):
        varlen.attend(query, key, value, (*PARTS,), None, kernel=segmentwise)
    assert (varlen.segments.cache_info().misses, varlen.segments.cache_info().hits) == (1, 2)


def test_the_bounds_are_the_lower_right_corner_of_each_segment() -> None:
    at = varlen.segments((Part(2, 1, 2), Part(0, 1, 1)), CPU)
    assert at.keys.tolist() == [0, 1, 2, 0, 1, 3, 4, 5, 6]
    assert at.query_starts.tolist() == [0, 3, 5, 6, 7]
    assert at.key_starts.tolist() == [0, 3, 7, 8, 9]
    assert (at.longest_query, at.longest_key) == (3, 4)


# --- which kernel is trusted ------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
def test_a_kernel_is_trusted_by_its_numbers_and_gradients(heads: tuple[int, int]) -> None:
    assert varlen.right(segmentwise, CPU, torch.float64, heads, 16)
    assert varlen.right(segmentwise, CPU, torch.bfloat16, heads, 16)
    assert not varlen.right(partial(segmentwise, upper_left=True), CPU, torch.bfloat16, heads, 16)
    assert not varlen.right(raising, CPU, torch.bfloat16, heads, 16)


class Backwardless(torch.autograd.Function):
    """A kernel that cannot go backwards here, as some widths on some GPUs."""

    @staticmethod
    def forward(_: Any, found: Tensor) -> Tensor:
        return found.clone()

    @staticmethod
    def backward(_: Any, *__: Tensor) -> Tensor:
        raise RuntimeError("FlashAttention backward for head dim > 192 requires A100/A800 or H100/H800")


def test_a_kernel_that_cannot_go_backwards_is_not_trusted_although_nothing_asks_for_gradients() -> None:
    def kernel(*inputs: Any, **options: Any) -> Tensor:
        return Backwardless.apply(segmentwise(*inputs, **options))  # type: ignore[no-untyped-call, no-any-return]

    with torch.no_grad():
        assert not varlen.right(kernel, CPU, torch.float64, (2, 2), 8)
        assert varlen.right(segmentwise, CPU, torch.float64, (2, 2), 8)


def test_trying_a_kernel_draws_from_nobodys_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    varlen.right.cache_clear()
    varlen.right(segmentwise, CPU, torch.float64, (2, 2), 8)
    assert torch.equal(torch.rand(1), expected)


def test_without_a_gpu_the_loop_is_what_there_is() -> None:
    query, key, value = (one.detach().to(torch.bfloat16) for one in drawn(2, 2, PARTS))
    assert not varlen.torchs_takes(segmentwise, query, key, value)
    assert packing.implementations(CPU) == (packing.LOOP,)
    found = varlen.by(varlen.torchs, varlen.torchs_takes)(query, key, value, PARTS, None)
    torch.testing.assert_close(found, varlen.loop(query, key, value, PARTS, None), rtol=0, atol=0)


def test_where_no_kernel_is_found_the_loop_computes() -> None:
    inputs = drawn(2, 2, PARTS)
    found = varlen.by(lambda: None, lambda *_: True)(*inputs, PARTS, None)  # type: ignore[call-arg, arg-type]
    assert torch.equal(found, varlen.loop(*inputs, PARTS, None))  # type: ignore[call-arg, arg-type]


def test_autocast_reaches_a_kernel_that_it_does_not_know() -> None:
    wide, narrow = torch.ones(1), torch.ones(1, dtype=torch.bfloat16)
    assert [one.dtype for one in varlen.narrowed(wide, narrow)] == [torch.float32, torch.bfloat16]
    with torch.autocast("cpu", torch.bfloat16):
        assert {one.dtype for one in varlen.narrowed(wide, narrow)} == {torch.bfloat16}


# --- which attention a model gets -------------------------------------------------------------------------


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Offer a model an attention by a kernel before the loop; gives the precisions that the kernel saw."""

    def offer(kernel: Any) -> list[torch.dtype]:
        seen: list[torch.dtype] = []

        def takes(_: Any, query: Tensor, key: Tensor, value: Tensor) -> bool:
            assert query.dtype == key.dtype == value.dtype
            seen.append(query.dtype)
            return True

        packing.register("pop_offered", varlen.by(lambda: kernel, takes))
        monkeypatch.setattr(packing, "implementations", lambda _: ("pop_offered", packing.LOOP))
        return seen

    yield offer
    packing.REGISTERED.discard("pop_offered")


def attends_by(model: Any) -> str:
    return str(model.config._attn_implementation)


@pytest.mark.parametrize(
    "config", [KNOWN[1], LlamaConfig(**{**SIZES, "num_key_value_heads": 1})], ids=["qwen2", "gqa"]
)
def test_a_model_scores_and_learns_by_the_kernel_as_from_padded_sequences(config: Any, offered: Any) -> None:
    offered(segmentwise)
    model = build(config).double()
    gradients = []
    for layout in (padded, layout_for(model, [None, *encoded()], 0)):
        scores = Scorer(model, layout=layout)(layout(encoded(), 0))
        weights = torch.arange(1.0, 5.0, dtype=torch.float64)
        gradients.append([scores, *torch.autograd.grad((scores * weights).sum(), list(model.parameters()))])
    assert layout is packed
    assert attends_by(model) == "pop_offered"
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)  # the norms compute in fp32


@pytest.mark.parametrize("kernel", [partial(segmentwise, upper_left=True), raising], ids=["wrong", "raises"])
def test_a_kernel_with_other_numbers_leads_to_the_loop(kernel: Any, offered: Any) -> None:
    offered(kernel)
    model = build(KNOWN[1])
    assert layout_for(model, encoded(), 0) is packed
    assert attends_by(model) == packing.LOOP


def test_what_no_packed_attention_can_do_leads_to_padding(offered: Any) -> None:
    offered(raising)
    model = build(KNOWN[2])
    before = attends_by(model)
    assert layout_for(model, encoded(), 0) is padded
    assert attends_by(model) == before


def test_under_autocast_the_try_is_what_trains(offered: Any) -> None:
    def kernel(query: Tensor, *rest: Any, **options: Any) -> Tensor:
        return segmentwise(query, *rest, **options) + (query.dtype == torch.bfloat16)  # wrong in bf16 only

    seen = offered(kernel)
    model = build(KNOWN[1])
    assert layout_for(model, encoded(), 0, bf16=True) is packed
    assert set(seen) == {torch.float32, torch.bfloat16}
    assert attends_by(model) == packing.LOOP
    assert layout_for(model, encoded(), 0) is packed  # fp32 sees nothing of it
    assert attends_by(model) == "pop_offered"


def test_a_scorer_leaves_the_attention_that_was_chosen(offered: Any) -> None:
    offered(segmentwise)
    model = build(KNOWN[1])
    layout_for(model, encoded(), 0)
    Scorer(model, layout=packed)
    assert attends_by(model) == "pop_offered"


# --- the kernel itself ------------------------------------------------------------------------------------


def test_torchs_kernel_takes_what_it_is_given() -> None:
    kernel = varlen.torchs()
    assert kernel is not None
    ours, theirs = (inspect.signature(one).parameters for one in (segmentwise, kernel))
    places = [one.name for one in theirs.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert places == [one.name for one in ours.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
    for name in ("scale", "window_size", "enable_gqa"):
        assert (theirs[name].kind, theirs[name].default) == (ours[name].kind, ours[name].default)


def test_torchs_kernel_is_called_and_goes_backwards_by_shapes_alone() -> None:
    kernel = varlen.torchs()
    assert kernel is not None
    inputs = [one.detach().to("meta", torch.bfloat16).requires_grad_() for one in drawn(4, 2, PARTS)]
    output = varlen.attend(inputs[0], inputs[1], inputs[2], PARTS, 0.3, kernel=kernel)
    assert output.shape == (1, inputs[0].shape[2], 4, 8)
    gradients = torch.autograd.grad(output, inputs, output)
    assert [one.shape for one in gradients] == [one.shape for one in inputs]


@GPU
@pytest.mark.cuda
@pytest.mark.parametrize("heads", [(8, 8), (8, 2)])
@pytest.mark.parametrize("dtype", varlen.HALF)
@pytest.mark.parametrize("width", [64, 128])
def test_torchs_kernel_is_right_on_this_gpu(heads: tuple[int, int], dtype: torch.dtype, width: int) -> None:
    kernel = varlen.torchs()
    assert kernel is not None
    assert varlen.right(kernel, torch.device("cuda", 0), dtype, heads, width)


@GPU
@pytest.mark.cuda
def test_a_model_on_a_gpu_gets_the_kernel() -> None:
    model = build(LlamaConfig(**{**SIZES, "hidden_size": 64, "head_dim": 32})).cuda()
    assert layout_for(model, encoded(), 0, bf16=True) is packed
    assert attends_by(model) == packing.VARLEN
