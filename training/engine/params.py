"""The parameters of the methods, one spelling everywhere: spec, form, API, docs. No torch here."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


WRONG = "Probability that a preference is labelled the wrong way."


class TwoSided(Beta):
    """For losses that believe a label with a probability below one."""

    epsilon: float = Field(0.1, ge=0, lt=0.5, title="ε", description=WRONG)


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


class Aps(Beta):
    rho: float = Field(
        0.2,
        gt=0,
        le=0.65,
        title="ρ",
        description="How far a label may be doubted (a KL divergence, nats): more makes scales smaller.",
    )


class Madpo(Beta):
    c_max: float = Field(2.0, gt=1, title="c_max", description="Most that a small margin is amplified.")
    c_min: float | None = Field(
        None, gt=0, lt=1, title="c_min", description="Least that a large one is dampened to; empty: 1/c_max."
    )
    lam: float = Field(1.0, gt=0, title="λ", description="How sharply it changes, per unit of reward.")
    tau: float = Field(7.0, gt=0, title="τ", description="The reward margin that is neither hard nor easy.")
    amplify_only: bool = Field(False, title="Amplify only", description="Easy pairs keep weight 1.")
    regularize_only: bool = Field(False, title="Regularise only", description="Hard pairs keep weight 1.")

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        if self.amplify_only and self.regularize_only:
            raise ValueError("amplify_only and regularize_only leave nothing together: this is DPO")
        return self


class Strength(Beta):
    mu: float = Field(2.0, ge=0, title="μ", description="The mean margin, in reward units.")
    prior_precision: float = Field(
        0.3, gt=0, title="Prior precision", description="Of a strength before any label, per nat²."
    )
    weighted: bool = Field(
        True, title="Weighted", description="Stronger preferences also count more, with mean 1."
    )
    uncertainty: float = Field(
        0.0,
        ge=0,
        title="Doubt",
        description="Standard deviations taken off each strength: what few labels say counts less.",
    )
    soft: bool = Field(
        False,
        title="Soft labels",
        description="μ·strength is how far a preference is believed, as log-odds, and no margin.",
    )


class Exo(Beta):
    epsilon: float = Field(1e-3, gt=0, lt=0.5, title="ε", description=WRONG)


class Aot(Beta):
    epsilon: float = Field(0.0, ge=0, lt=0.5, title="ε", description=WRONG)


class DiscoPop(Beta):
    tau: float = Field(0.05, gt=0, le=1, title="τ", description="How sharply one part turns into the other.")
