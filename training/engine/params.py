"""The parameters of the methods, one spelling everywhere: spec, form, API, docs. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MEAN_BETA = "Reward units per nat a token."


class Params(BaseModel):
    """Parameters of a method; unknown names are errors."""

    model_config = ConfigDict(extra="forbid")


class Beta(Params):
    beta: float = Field(
        0.1, gt=0, title="β", description="Strength of the pull towards the reference policy."
    )


class FixedMargin(Beta):
    margin: float = Field(1.0, title="Margin", description="Subtracted from every implicit-reward margin.")


class Pop(Beta):
    max_margin: float = Field(
        10.0, ge=0, title="M_max", description="The weak preference's margin is clipped to [0, M_max]."
    )
    target_rate: float = Field(
        0.01,
        gt=0,
        le=1,
        title="Target rate",
        description="Polyak coefficient of the target policy (ours: the paper gives none).",
    )
    target_interval: int = Field(
        1, ge=1, title="Target interval", description="Optimizer steps between target updates."
    )


class TwoSided(Beta):
    """For losses that believe a label with a probability below one."""

    epsilon: float = Field(
        0.1, ge=0, lt=0.5, title="ε", description="Probability that a preference is labelled the wrong way."
    )


class TokenBeta(Beta):
    """For rewards that are means over tokens."""

    beta: float = Field(2.5, gt=0, title="β", description=MEAN_BETA)


class Simpo(TokenBeta):
    gamma_beta_ratio: float = Field(
        0.55, ge=0, title="γ/β", description="The target margin, as a share of β."
    )


class Odpo(Beta):
    alpha: float = Field(
        1.0, ge=0, title="α", description="Weight of the logarithm of the score margin in the offset."
    )


class Mmpo(Beta):
    gamma: float = Field(
        2.2, gt=0, title="γ", description="How fast a score margin turns into certainty: p = σ(γ·margin)."
    )


class Ropo(Beta):
    alpha: float = Field(14.0, gt=0, title="α", description="Weight of the bounded term σ(−h).")


StatsInit = Literal["corrected", "zero"]
STATS_INIT = "How the averages begin: corrected for their beginning, or at zero as published."


class BetaDpo(Beta):
    a: float = Field(0.6, ge=0, title="a", description="How fast β follows the batch's gap, per nat.")
    filter: bool = Field(
        True, title="Leave out outliers", description="Draw a share of each batch near the usual gap."
    )
    keep: float = Field(0.8, gt=0, le=1, title="Kept share", description="The share that is drawn.")
    stats_init: StatsInit = Field("corrected", title="Averages", description=STATS_INIT)


class AlphaDpo(Simpo):
    gamma_beta_ratio: float = Field(0.6, ge=0, title="γ/β", description="The mean margin, as a share of β.")
    alpha: float = Field(
        0.2, ge=0, title="α", description="How much a pair's distance from the usual moves it."
    )
    stats_init: StatsInit = Field("corrected", title="Averages", description=STATS_INIT)


class GammaDpo(Beta):
    gamma_beta_ratio: float = Field(0.4, ge=0, title="γ₀/β", description="The mean margin, as a share of β.")
    kl_tau: float = Field(10.0, gt=0, title="τ", description="Pull towards equal margins.")


class GammaSimpo(GammaDpo):
    beta: float = Field(10.0, gt=0, title="β", description=MEAN_BETA)
