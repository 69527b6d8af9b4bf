"""Logged means are means over rows, and warnings come when they are due, once."""

from __future__ import annotations

import pytest
import torch

from training.engine.methods.batch import PairBatch
from training.engine.metrics import INERT_AFTER, Tally, Watch, describe

FINE = {"pop/weak_margin": 1.0, "pop/zero_share": 0.1, "pop/clip_share": 0.0}


def test_micro_batches_of_different_size_weigh_by_their_rows() -> None:
    tally = Tally()
    tally.add({"x": torch.tensor([1.0, 1.0, 1.0])})
    tally.add({"x": torch.tensor([5.0])})
    assert tally.drain() == {"x": 2.0}
    assert tally.drain() == {}


def test_the_margin_that_is_subtracted_is_the_weak_margin_cut() -> None:
    logps = torch.zeros(3)
    weak = torch.tensor([-2.0, 3.0, 12.0])
    pop = describe(PairBatch(logps, logps, logps, logps, weak_target_margin=weak), beta=0.1, max_margin=10.0)
    assert pop["pop/margin"].tolist() == [0.0, 3.0, 10.0]
    assert pop["pop/weak_margin"].tolist() == [-2.0, 3.0, 12.0]
    raw = describe(PairBatch(logps, logps, logps, logps, weak_policy_margin=weak), beta=0.1, max_margin=None)
    assert raw["pop/margin"].tolist() == [-2.0, 3.0, 12.0]


def warnings(*metrics: dict[str, float]) -> list[str]:
    watch = Watch(max_margin=10.0)
    return [code for one in metrics for code, _ in watch.warnings(one)]


def test_a_healthy_run_gets_no_warning() -> None:
    assert warnings(*[FINE] * 50) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [({"pop/weak_margin": 1e-5}, "margin_inert"), ({"pop/zero_share": 0.95}, "margin_zero")],
)
def test_a_margin_that_does_nothing_is_told_once_after_a_while(change: dict[str, float], code: str) -> None:
    bad = FINE | change
    assert warnings(*[bad] * (INERT_AFTER - 1)) == []
    assert warnings(*[bad] * (INERT_AFTER + 30)) == [code]


def test_clipping_everything_is_told_at_once() -> None:
    assert warnings(FINE | {"pop/clip_share": 0.95}) == ["margin_clipped"]


def test_methods_without_a_target_are_not_judged() -> None:
    assert list(Watch(max_margin=None).warnings({"loss": 1.0})) == []
