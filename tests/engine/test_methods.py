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


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def disco(h: float) -> float:
    """Half-way between its two parts as far as σ(h) says, for τ = 1."""
    return sigmoid(-h) * -log_sigmoid(h) + sigmoid(h) * math.exp(-h)


def soft(h: float, odds: float) -> float:
    """The cross entropy of σ(h) and a label that is right with these log-odds."""
    return -sigmoid(odds) * log_sigmoid(h) - sigmoid(-odds) * log_sigmoid(-h)


# r = ±½ of each side.
NCA_FIRST = -log_sigmoid(0.5) - log_sigmoid(-0.5) / 2 - log_sigmoid(0.5) / 2
CDPO_SECOND = -0.75 * log_sigmoid(-1) - 0.25 * log_sigmoid(1)
ROBUST_SECOND = -1.5 * log_sigmoid(-1) + 0.5 * log_sigmoid(1)
# γ = ½·log 3 and margins 2 and ½: p = ¾, and 3^¼/(1 + 3^¼).
P_SECOND = 3**0.25 / (1 + 3**0.25)
MMPO_SECOND = -P_SECOND * log_sigmoid(-1) - (1 - P_SECOND) * log_sigmoid(1)


def batch(**changes: Any) -> PairBatch:
    fields: dict[str, Any] = {
        "policy_chosen_logps": (-3.0, -2.0),
        "ref_chosen_logps": (-4.0, -1.0),
        "policy_rejected_logps": (-6.0, -1.0),
        "ref_rejected_logps": (-5.0, -2.0),
        "score_margin": SCORES,
        "weak_target_margin": WEAK,
        "weak_policy_margin": WEAK,
        "chosen_lengths": (2.0, 1.0),
        "rejected_lengths": (3.0, 1.0),
        "strength": (1.5, 0.5),
    } | changes
    fields.setdefault("reward_margin", fields["score_margin"])
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
        ("dpo_pop_raw", {}, [-log_sigmoid(1 - 0.4), -log_sigmoid(-1 + 3)]),
        ("dpo_pop_resampled", {}, [-log_sigmoid(1), -log_sigmoid(-1)]),
        ("odpo", {}, [-log_sigmoid(1 - math.log(2)), -log_sigmoid(-1 + math.log(2))]),
        ("odpo", {"alpha": 0.0}, [-log_sigmoid(1), -log_sigmoid(-1)]),
        ("mmpo", {"gamma": math.log(3) / 2}, [-0.75 * log_sigmoid(1) - 0.25 * log_sigmoid(-1), MMPO_SECOND]),
        ("ipo", {}, [(2 - 1) ** 2, (-2 - 1) ** 2]),
        ("ipo_mean", {}, [(1 / 2 + 1 / 3 - 1) ** 2, (-1 - 1 - 1) ** 2]),
        ("simpo", {"gamma_beta_ratio": 0.5}, [math.log(2), -log_sigmoid(0.5 * (-2 + 1) - 0.25)]),
        ("cdpo", {"epsilon": 0.25}, [-0.75 * log_sigmoid(1) - 0.25 * log_sigmoid(-1), CDPO_SECOND]),
        ("robust_dpo", {"epsilon": 0.25}, [-1.5 * log_sigmoid(1) + 0.5 * log_sigmoid(-1), ROBUST_SECOND]),
        (
            "ropo",
            {"alpha": 1.0},
            [-log_sigmoid(1) + 1 / (1 + math.e), -log_sigmoid(-1) + 1 / (1 + 1 / math.e)],
        ),
        ("dpo_pop_strength", {}, [-1.5 * log_sigmoid(1 - 3), -0.5 * log_sigmoid(-1 - 1)]),
        ("dpo_pop_strength", {"weighted": False, "mu": 1.0}, [-log_sigmoid(-0.5), -log_sigmoid(-1.5)]),
        ("dpo_pop_strength", {"soft": True, "weighted": False}, [soft(1, 3), soft(-1, 1)]),
        ("dpo_pop_strength", {"soft": True, "mu": 4.0}, [1.5 * soft(1, 6), 0.5 * soft(-1, 2)]),
        ("rdo", {}, [-1.6 * log_sigmoid(1), -0.4 * log_sigmoid(-1)]),
        ("gdpo_soft", {}, [-log_sigmoid(math.tanh(1)), -log_sigmoid(-math.tanh(0.25))]),
        ("hinge", {}, [0.0, 2.0]),
        ("exo_pair", {"epsilon": sigmoid(-1)}, [0.0, sigmoid(1) - sigmoid(-1)]),
        ("nca_pair", {}, [NCA_FIRST, -log_sigmoid(-0.5) - log_sigmoid(0.5) / 2 - log_sigmoid(-0.5) / 2]),
        ("bco_pair", {}, [-2 * log_sigmoid(0.5), -2 * log_sigmoid(-0.5)]),
        ("sppo_hard", {}, [0.0 + 0.0, 4.0 + 4.0]),
        ("aot", {}, [-log_sigmoid(0.5 * (-1 - 1)), -log_sigmoid(0.5 * (3 - 1))]),
        ("apo_zero", {}, [2 * sigmoid(-0.5), 2 * sigmoid(0.5)]),
        ("apo_down", {}, [sigmoid(0.5) + sigmoid(-1), sigmoid(-0.5) + sigmoid(1)]),
        ("discopop", {"tau": 1.0}, [disco(1.0), disco(-1.0)]),
        ("sigmoid_norm", {}, [-log_sigmoid(0.5 * (1 / 2 + 1 / 3)), -log_sigmoid(0.5 * -2)]),
    ],
)
def test_hand_worked_values(slug: str, params: dict[str, Any], expected: list[float]) -> None:
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
    if slug == "apo_down":  # it lowers the chosen response as well
        assert (pairs.policy_chosen_logps.grad > 0).all()
    else:
        assert (pairs.policy_chosen_logps.grad < 0).all()


@pytest.mark.parametrize(
    ("slug", "field"),
    [
        ("dpo_pop", "weak_target_margin"),
        ("dpo_pop_raw", "weak_policy_margin"),
        ("pop_rm", "weak_policy_margin"),
        ("madpo", "reward_margin"),
    ],
)
def test_no_gradient_reaches_the_pop_margin(slug: str, field: str) -> None:
    pairs = batch()
    pairs.policy_chosen_logps.requires_grad_()
    weak = getattr(pairs, field)
    weak.requires_grad_()
    torch.autograd.backward(per_pair_loss(slug, pairs).sum())
    assert weak.grad is None


def test_pop_gradient_is_minus_beta_times_the_probability_of_being_wrong() -> None:
    pairs = batch()
    pairs.policy_chosen_logps.requires_grad_()
    torch.autograd.backward(per_pair_loss("dpo_pop", pairs, beta=0.5).sum())
    expected = [-0.5 / (1 + math.exp(1 - 0.4)), -0.5 / (1 + math.exp(-1))]
    assert pairs.policy_chosen_logps.grad is not None
    assert pairs.policy_chosen_logps.grad.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("slug", catalog.METHODS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_large_margins_stay_finite_and_so_do_gradients(slug: str, kind: torch.dtype) -> None:
    """|Δ| = 10⁴, beyond what exp can hold."""
    far = batch(policy_chosen_logps=(-1e4, 0.0), policy_rejected_logps=(0.0, -1e4))
    pairs = PairBatch(**{name: value.to(kind) for name, value in far.__dict__.items() if value is not None})
    pairs.policy_chosen_logps.requires_grad_()
    params: dict[str, Any] = {} if slug == "pop_rm" else {"beta": 1.0}
    losses = per_pair_loss(slug, pairs, **params)
    torch.autograd.backward(losses.sum())
    assert torch.isfinite(losses).all()
    assert pairs.policy_chosen_logps.grad is not None
    assert torch.isfinite(pairs.policy_chosen_logps.grad).all()


UNITS = {"chosen_lengths": (1.0, 1.0), "rejected_lengths": (1.0, 1.0)}
ALIKE = {"policy_chosen_logps": (-3.0, -2.0), "policy_rejected_logps": (-6.0, -5.0)}  # no gap below the mean
NO_REFERENCE = {"ref_chosen_logps": (0.0, 0.0), "ref_rejected_logps": (0.0, 0.0)}
# What has no DPO in it: squared losses (two held to each other), ROPO, whose factor goes to 0 with its term,
# scaling, which adds 10⁻⁶ (held to it below), a reward model, and TRL's, which TRL itself is held against.
OTHERS = {"dpo", "ipo", "ipo_mean", "ropo", "aps", "pop_rm"}
TRLS = {"hinge", "exo_pair", "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "discopop"}
AS_DPO: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dpo_margin": ({"margin": 0.0}, {}),
    "dpo_margin_gt": ({}, {"score_margin": (0.0, 0.0)}),
    "dpo_scaled": ({}, {"score_margin": (1.0, 1.0)}),
    "dpo_pop": ({}, {"weak_target_margin": (0.0, -1.0)}),
    "dpo_pop_raw": ({}, {"weak_policy_margin": (0.0, 0.0)}),
    "dpo_pop_resampled": ({}, {}),
    "odpo": ({}, {"score_margin": (1.0, 1.0)}),
    "dpo_pop_strength": ({"mu": 0.0}, {"strength": (1.0, 1.0)}),
    "madpo": ({}, {"reward_margin": (0.0, -8.0)}),  # neither is weighted: nothing is known, or all is lost
    "rdo": ({}, {"reward_margin": (3.0, 3.0)}),
    "gdpo_soft": ({}, {"preference_probability": (1.0, 1.0)}),
    "aot": ({}, {**NO_REFERENCE, "policy_chosen_logps": (-7.0, 0.0)}),  # gaps in order: −1, 1
    "sigmoid_norm": ({}, UNITS),
    "mmpo": ({}, {"score_margin": (1e3, 1e3)}),
    "cdpo": ({"epsilon": 0.0}, {}),
    "robust_dpo": ({"epsilon": 0.0}, {}),
    "simpo": ({"gamma_beta_ratio": 0.0}, {**UNITS, **NO_REFERENCE}),
    "beta_dpo": ({"a": 0.0}, {}),
    "alpha_dpo": ({"gamma_beta_ratio": 0.0, "alpha": 0.0}, {**UNITS, **NO_REFERENCE}),
    "gamma_simpo": ({"gamma_beta_ratio": 0.0}, {**UNITS, **NO_REFERENCE}),
    "gamma_dpo": ({"gamma_beta_ratio": 0.0}, {}),
    "amapo": ({}, {**UNITS, **NO_REFERENCE, **ALIKE}),
}


@pytest.mark.parametrize("slug", AS_DPO)
def test_without_margin_or_weight_it_is_dpo(slug: str) -> None:
    params, changes = AS_DPO[slug]
    pairs = batch(**changes)
    expected = per_pair_loss("dpo", pairs, beta=0.5)
    torch.testing.assert_close(per_pair_loss(slug, pairs, beta=0.5, **params), expected, rtol=1e-12, atol=0)


def test_every_method_is_held_to_dpo_or_said_to_have_none_in_it() -> None:
    assert set(catalog.METHODS) - set(AS_DPO) == OTHERS | TRLS
    pairs = batch(**UNITS)
    assert per_pair_loss("ipo_mean", pairs).tolist() == pytest.approx(per_pair_loss("ipo", pairs).tolist())


def test_ropo_with_little_of_its_term_is_dpo_times_its_factor() -> None:
    tiny = 1e-9
    losses = per_pair_loss("ropo", batch(), beta=0.5, alpha=tiny) / (4 * tiny)
    expected = per_pair_loss("dpo", batch(), beta=0.5)
    torch.testing.assert_close(losses, expected, rtol=1e-7, atol=0)


@pytest.mark.parametrize("margin", [0.0, -1.0])
def test_odpo_refuses_a_score_margin_without_a_logarithm(margin: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        per_pair_loss("odpo", batch(score_margin=(1.0, margin)))


@pytest.mark.parametrize(("slug", "margin"), [("mmpo", 1e3), ("odpo", 1.0)])
def test_a_reward_models_margin_is_preferred_to_a_score_margin(slug: str, margin: float) -> None:
    assert catalog.METHODS[slug].reward_margin_instead
    expected = per_pair_loss("dpo", batch(), beta=0.5)
    torch.testing.assert_close(per_pair_loss(slug, batch(reward_margin=(margin, margin)), beta=0.5), expected)


@pytest.mark.parametrize(
    ("slug", "field"),
    [
        ("dpo_pop", "weak_target_margin"),
        ("dpo_pop_raw", "weak_policy_margin"),
        ("dpo_scaled", "score_margin"),
        ("dpo_pop_strength", "strength"),
        ("madpo", "reward_margin"),
        ("rdo", "reward_margin"),
        ("gdpo_soft", "reward_margin"),
        ("pop_rm", "weak_policy_margin"),
        ("simpo", "chosen_lengths"),
        ("ipo_mean", "rejected_lengths"),
        ("aot", "ref_rejected_logps"),
    ],
)
def test_a_missing_field_is_named(slug: str, field: str) -> None:
    pairs = batch()
    without = PairBatch(**{**pairs.__dict__, field: None})
    with pytest.raises(ValueError, match=field):
        per_pair_loss(slug, without)


@pytest.mark.parametrize("slug", ["mmpo", "odpo"])
def test_without_any_measured_margin_the_score_is_what_is_missing(slug: str) -> None:
    without = PairBatch(**{**batch().__dict__, "score_margin": None, "reward_margin": None})
    with pytest.raises(ValueError, match="score_margin"):
        per_pair_loss(slug, without)


@pytest.mark.parametrize("params", [{"beta": -1.0}, {"betta": 1.0}, {"target_rate": 0.0}])
def test_wrong_parameters_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        per_pair_loss("dpo_pop", batch(), **params)


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(catalog.UnknownEntry, match="known: dpo_pop, dpo"):
        per_pair_loss("nothing", batch())
