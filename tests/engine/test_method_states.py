"""What stateful methods remember: the averages, the queue, and what comes of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from training.engine import catalog
from training.engine.methods import PairBatch, new_state, per_pair_loss
from training.engine.methods.adaptive_margin import margins
from training.engine.methods.state import Gaps, Queue

STATEFUL = [entry.slug for entry in catalog.METHODS.values() if entry.state]


def batch(gaps: list[float]) -> PairBatch:
    """Pairs with these Δ, of one token a side."""
    chosen = torch.tensor(gaps, dtype=torch.float64)
    zero, one = torch.zeros_like(chosen), torch.ones_like(chosen)
    return PairBatch(chosen, zero, zero, zero, one, one)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


@pytest.mark.parametrize("corrected", [True, False])
def test_averages_by_hand(corrected: bool) -> None:
    """Corrected, the first batch's are its own; from zero, a tenth of them."""
    state = Gaps()
    state.update(torch.tensor([1.0, 3.0]), corrected=corrected)
    assert state.moments(corrected=corrected) == pytest.approx(
        (2.0, math.sqrt(2)) if corrected else (0.2, 0.1 * math.sqrt(2))
    )
    state.update(torch.tensor([5.0, 5.0]), corrected=corrected)
    weight = 0.1 + 0.9 * 0.1 if corrected else 1.0
    assert state.moments(corrected=corrected)[0] == pytest.approx((0.1 * 5 + 0.09 * 2) / weight)


def test_a_first_step_in_which_the_policy_is_its_reference_says_nothing() -> None:
    state = Gaps()
    for _ in range(16):
        state.update(torch.tensor([1e-6, -1e-6, 0.0]), corrected=True)
    assert state.moments(corrected=True) == (0.0, math.inf)
    state.update(torch.tensor([1.0, 3.0]), corrected=True)
    assert state.moments(corrected=True) == pytest.approx((2.0, math.sqrt(2)))


def test_batches_of_one_have_no_deviation_and_blow_nothing_up() -> None:
    state = new_state("alpha_dpo")
    for gap in (0.5, 0.51, 0.49, 0.52):
        (loss,) = per_pair_loss("alpha_dpo", batch([gap]), beta=1.0, state=state).tolist()
        assert loss == pytest.approx(-log_sigmoid(gap - 0.6))  # z = 0: SimPO's margin


def test_beta_and_the_filter_go_by_what_was_before() -> None:
    """M₀ = (.1·4 + .09·2)/.19, so β_B is below β for a batch with a smaller mean."""
    state = new_state("beta_dpo")
    per_pair_loss("beta_dpo", batch([1.0, 3.0]), beta=0.5, state=state)
    losses = per_pair_loss("beta_dpo", batch([3.5, 4.5]), beta=0.5, state=state)
    mean = (0.1 * 4 + 0.09 * 2) / 0.19
    beta = 0.5 * (1 + 0.6 * (4 - mean))
    assert losses.tolist() == pytest.approx([-log_sigmoid(3.5 * beta), -log_sigmoid(4.5 * beta)])


def test_beta_follows_the_batch() -> None:
    """As published: averages from 0. M₀ = .1·2 = .2, so β_B = .5·(1 + .6·(2 − .2)) = 1.04."""
    losses = per_pair_loss("beta_dpo", batch([1.0, 3.0]), beta=0.5, stats_init="zero")
    assert losses.tolist() == pytest.approx([-log_sigmoid(1.04), -log_sigmoid(3 * 1.04)])


def test_beta_never_falls_to_zero() -> None:
    state = new_state("beta_dpo")
    per_pair_loss("beta_dpo", batch([50.0, 50.0]), state=state)
    losses = per_pair_loss("beta_dpo", batch([-50.0, -50.0]), state=state)
    assert losses.tolist() == pytest.approx([-log_sigmoid(-50 * 1e-3)] * 2)


def test_with_the_filter_the_mean_is_that_of_the_kept_pairs() -> None:
    gaps = [0.0, 0.1, -0.1, 0.2, 1e6]  # nobody draws the last one
    losses = per_pair_loss("beta_dpo", batch(gaps), a=0.0, filter=True, state=new_state("beta_dpo", 3))
    assert (losses == 0).sum() == 1
    plain = per_pair_loss("dpo", batch(gaps))
    kept = losses != 0
    torch.testing.assert_close(losses.mean(), plain[kept].mean())


def test_alpha_dpo_moves_its_margin_by_the_distance_from_the_mean() -> None:
    """Gaps 1 and 3: z = ∓1/√2. Margin β·(.6 ∓ .2/√2)."""
    losses = per_pair_loss("alpha_dpo", batch([1.0, 3.0]), beta=1.0)
    shift = 0.2 / math.sqrt(2)
    assert losses.tolist() == pytest.approx([-log_sigmoid(1 - 0.6 + shift), -log_sigmoid(3 - 0.6 - shift)])


def test_amapo_gives_a_margin_below_the_mean_only() -> None:
    """Gaps 1 and 3: mean 2, deviation √2: M = β·exp(2/√2) for the first."""
    losses = per_pair_loss("amapo", batch([1.0, 3.0]), beta=1.0)
    margin = math.exp(2 / math.sqrt(2))
    assert losses.tolist() == pytest.approx([-log_sigmoid(1 - margin), -log_sigmoid(3.0)])


@pytest.mark.parametrize("slug", ["amapo", "beta_dpo", "alpha_dpo", "gamma_dpo", "gamma_simpo"])
@pytest.mark.parametrize("gaps", [[0.7], [0.7, 0.7], [1e4, -1e4, 0.0], [1e4, 1e4 + 1, 1e4 + 2]])
def test_a_batch_of_one_or_of_equals_or_of_extremes_is_finite(slug: str, gaps: list[float]) -> None:
    pairs = batch(gaps)
    pairs.policy_chosen_logps.requires_grad_()
    losses = per_pair_loss(slug, replace(pairs), state=new_state(slug))
    torch.autograd.backward(losses.sum())
    assert torch.isfinite(losses).all()
    assert pairs.policy_chosen_logps.grad is not None
    assert torch.isfinite(pairs.policy_chosen_logps.grad).all()


@given(gaps=st.lists(st.floats(-20, 20), min_size=1, max_size=30), tau=st.floats(0.01, 50))
def test_the_margins_of_gamma_po_have_their_mean_and_follow_the_gaps(gaps: list[float], tau: float) -> None:
    found = margins(torch.tensor(gaps, dtype=torch.float64), gamma=1.5, kl_tau=tau, state=None)
    assert found.mean().item() == pytest.approx(1.5)
    assert (found >= 0).all()
    order = sorted(range(len(gaps)), key=gaps.__getitem__)
    rising = found[order]
    assert (rising[1:] - rising[:-1] > -1e-9).all()  # a margin costs least where the gap is large


def test_the_margins_of_gamma_po_are_the_minimum_of_their_problem() -> None:
    """With small rates 20 steps get near it: no exchange between two pairs makes the objective smaller."""
    gaps, gamma, tau = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64), 1.0, 0.6

    def objective(p: Tensor) -> float:
        lost = -torch.nn.functional.logsigmoid(gaps - gamma * 3 * p).mean()
        return float(lost + tau * (p * torch.log(3 * p)).sum())

    p = margins(gaps, gamma=gamma, kl_tau=tau, state=None) / (gamma * 3)
    for one, other in ((0, 1), (1, 2), (0, 2)):
        for step in (0.02, -0.02):
            moved = p.clone()
            moved[one] += step
            moved[other] -= step
            assert objective(moved) > objective(p)


def test_the_queue_begins_with_eight_and_keeps_the_last_of_many() -> None:
    queue = Queue()
    assert len(queue.some()) == 8
    for start in range(0, 4000, 500):
        queue.add(torch.arange(start, start + 500).double())
    assert len(queue.state_dict()["gaps"]) == 2048
    assert queue.state_dict()["gaps"].min() == 4000 - 2048
    drawn = queue.some()
    assert len(drawn) == 256
    assert len(set(drawn.tolist())) == 256


def test_a_queue_takes_part_in_the_problem_and_a_fresh_call_does_without() -> None:
    queue = new_state("gamma_dpo")
    pairs = batch([1.0, 3.0])
    alone = per_pair_loss("gamma_dpo", pairs, kl_tau=0.1, beta=1.0)
    torch.testing.assert_close(alone, per_pair_loss("gamma_dpo", pairs, kl_tau=0.1, beta=1.0), rtol=0, atol=0)
    assert not torch.allclose(alone, per_pair_loss("gamma_dpo", pairs, kl_tau=0.1, beta=1.0, state=queue))


@pytest.mark.parametrize("slug", STATEFUL)
def test_a_state_that_was_stored_goes_on_as_if_it_had_not_been(slug: str) -> None:
    params: dict[str, Any] = {"filter": True} if slug == "beta_dpo" else {}
    state, other = new_state(slug, 1), new_state(slug, 2)
    draws = torch.Generator().manual_seed(0)
    batches = [batch(torch.randn(6, generator=draws).tolist()) for _ in range(4)]
    for one in batches[:2]:
        per_pair_loss(slug, one, state=state, **params)
    assert state is not None
    assert other is not None
    other.load_state_dict({name: value.clone() for name, value in state.state_dict().items()})
    for one in batches[2:]:
        expected = per_pair_loss(slug, one, state=state, **params)
        torch.testing.assert_close(per_pair_loss(slug, one, state=other, **params), expected, rtol=0, atol=0)


@pytest.mark.parametrize("slug", STATEFUL)
def test_no_gradient_reaches_what_is_remembered(slug: str) -> None:
    state = new_state(slug)
    pairs = batch([1.0, 3.0])
    pairs.policy_chosen_logps.requires_grad_()
    per_pair_loss(slug, pairs, state=state)
    assert state is not None
    assert not any(value.requires_grad for value in state.state_dict().values())
