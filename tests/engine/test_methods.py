"""Every loss against values worked out by hand, and the rules all of them keep."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from training.engine import catalog
from training.engine.methods import PairBatch, per_pair_loss

# Two pairs. Δ₁ = (−3+4) − (−6+5) = 2; Δ₂ = (−2+1) − (−1+2) = −2. With β = ½: h = 1, −1.
H = (1.0, -1.0)
SCORES = (2.0, 0.5)
WEAK = (0.4, -3.0)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def batch(**changes: Any) -> PairBatch:
    fields: dict[str, Any] = {
        "policy_chosen_logps": (-3.0, -2.0),
        "ref_chosen_logps": (-4.0, -1.0),
        "policy_rejected_logps": (-6.0, -1.0),
        "ref_rejected_logps": (-5.0, -2.0),
        "score_margin": SCORES,
        "weak_target_margin": WEAK,
    } | changes
    return PairBatch(**{name: torch.tensor(value, dtype=torch.float64) for name, value in fields.items()})


@pytest.mark.parametrize(
    ("slug", "params", "expected"),
    [
        ("dpo", {}, [-log_sigmoid(1), -log_sigmoid(-1)]),
        ("dpo_margin", {"margin": 1.0}, [math.log(2), -log_sigmoid(-2)]),
        ("dpo_margin_gt", {}, [-log_sigmoid(1 - 2.0), -log_sigmoid(-1 - 0.5)]),
        ("dpo_scaled", {}, [-2.0 * log_sigmoid(1), -0.5 * log_sigmoid(-1)]),
        ("dpo_pop", {}, [-log_sigmoid(1 - 0.4), -log_sigmoid(-1)]),
        ("dpo_pop", {"max_margin": 0.25}, [-log_sigmoid(1 - 0.25), -log_sigmoid(-1)]),
    ],
)
def test_hand_worked_values(slug: str, params: dict[str, float], expected: list[float]) -> None:
    losses = per_pair_loss(slug, batch(), beta=0.5, **params)
    assert losses.tolist() == pytest.approx(expected, rel=1e-12)


def test_the_numbers_behind_the_hand_worked_values() -> None:
    assert (0.5 * batch().delta()).tolist() == list(H)
    assert per_pair_loss("dpo", batch(), beta=0.5)[0].item() == pytest.approx(0.3132616875182228, rel=1e-12)


@pytest.mark.parametrize("slug", catalog.METHODS)
def test_every_method_gives_one_loss_a_pair_and_a_gradient_to_the_policy(slug: str) -> None:
    pairs = batch()
    pairs.policy_chosen_logps.requires_grad_()
    losses = per_pair_loss(slug, pairs)
    torch.autograd.backward(losses.sum())
    assert losses.shape == (2,)
    assert pairs.policy_chosen_logps.grad is not None
    assert (pairs.policy_chosen_logps.grad < 0).all()


def test_no_gradient_reaches_the_pop_margin() -> None:
    pairs = batch()
    pairs.policy_chosen_logps.requires_grad_()
    assert pairs.weak_target_margin is not None
    pairs.weak_target_margin.requires_grad_()
    torch.autograd.backward(per_pair_loss("dpo_pop", pairs).sum())
    assert pairs.weak_target_margin.grad is None


def test_pop_gradient_is_minus_beta_times_the_probability_of_being_wrong() -> None:
    pairs = batch()
    pairs.policy_chosen_logps.requires_grad_()
    torch.autograd.backward(per_pair_loss("dpo_pop", pairs, beta=0.5).sum())
    expected = [-0.5 / (1 + math.exp(1 - 0.4)), -0.5 / (1 + math.exp(-1))]
    assert pairs.policy_chosen_logps.grad is not None
    assert pairs.policy_chosen_logps.grad.tolist() == pytest.approx(expected, rel=1e-12)


def test_large_margins_stay_finite() -> None:
    pairs = batch(policy_chosen_logps=(-9000.0, 0.0), policy_rejected_logps=(0.0, -9000.0))
    assert torch.isfinite(per_pair_loss("dpo", pairs, beta=1.0)).all()


@pytest.mark.parametrize(
    ("slug", "field"), [("dpo_pop", "weak_target_margin"), ("dpo_scaled", "score_margin")]
)
def test_a_missing_field_is_named(slug: str, field: str) -> None:
    pairs = batch()
    without = PairBatch(**{**pairs.__dict__, field: None})
    with pytest.raises(ValueError, match=field):
        per_pair_loss(slug, without)


@pytest.mark.parametrize("params", [{"beta": -1.0}, {"betta": 1.0}, {"target_rate": 0.0}])
def test_wrong_parameters_are_refused(params: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        per_pair_loss("dpo_pop", batch(), **params)


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(catalog.UnknownEntry, match="known: dpo_pop, dpo"):
        per_pair_loss("nothing", batch())
