"""The registries: methods, evaluations, presets. One file plus one line each.

No torch here: functions are named by path and loaded when the engine calls `load`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training.engine.params import (
    AlphaDpo,
    Beta,
    BetaDpo,
    FixedMargin,
    GammaDpo,
    GammaSimpo,
    Mmpo,
    Odpo,
    Params,
    Pop,
    Ropo,
    Simpo,
    TokenBeta,
    TwoSided,
)


@dataclass(frozen=True)
class Method:
    """A preference loss: its name, its source, what it needs, and where its pure function is.

    `needs_positive_margin`: preferences whose score margin is not above 0 are left out. `target`: the weak
    preference's margin under a target policy. `weak_policy`: the same under the policy itself. `state`: the
    class of what it remembers between batches; `state_optional`: it can do with the batch alone.
    `batch_statistics`: it looks at the other pairs of a forward pass. `bare`: parameters that `per_pair_loss`
    takes in the place of a run's defaults.
    """

    slug: str
    title: str
    summary: str
    source: str
    function: str
    params: type[Params] = Beta
    needs_score_margin: bool = False
    needs_positive_margin: bool = False
    pop_rows: bool = False
    target: bool = False
    weak_policy: bool = False
    state: str = ""
    state_optional: bool = False
    batch_statistics: bool = False
    bare: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationEntry:
    """A named evaluation of a trained policy."""

    name: str
    title: str
    summary: str
    function: str
    needs_scores: bool = False
    needs_pop_rows: bool = False


@dataclass(frozen=True)
class Preset:
    """A starting point for a run spec: overrides on top of the defaults."""

    name: str
    title: str
    summary: str
    spec: dict[str, Any] = field(default_factory=dict)


_M = "training.engine.methods"
METHODS: dict[str, Method] = {
    entry.slug: entry
    for entry in (
        Method(
            "dpo_pop",
            "DPO-PoP",
            "The weak preference's margin under the target policy, as the margin of the strong one.",
            "arXiv 2509.22851, Eq. 7",
            f"{_M}.dpo_pop:loss",
            params=Pop,
            pop_rows=True,
            target=True,
        ),
        Method(
            "dpo",
            "DPO",
            "Direct preference optimisation, no margin.",
            "arXiv 2305.18290, Eq. 7",
            f"{_M}.dpo:loss",
        ),
        Method(
            "dpo_margin",
            "DPO, fixed margin",
            "The same margin for every preference.",
            "arXiv 2509.22851, DPO-margin-1",
            f"{_M}.dpo_margin:loss",
            params=FixedMargin,
        ),
        Method(
            "dpo_margin_gt",
            "DPO, ground-truth margin",
            "The imported score margin as the margin.",
            "arXiv 2509.22851, DPO-margin-gt",
            f"{_M}.dpo_margin_gt:loss",
            needs_score_margin=True,
        ),
        Method(
            "dpo_scaled",
            "DPO, scaled",
            "The imported score margin as a weight.",
            "arXiv 2410.01257; arXiv 2509.22851, Eq. 8",
            f"{_M}.dpo_scaled:loss",
            needs_score_margin=True,
        ),
        Method(
            "dpo_pop_raw",
            "DPO-PoP, raw margin",
            "The weak preference's margin under the policy itself: no target, no clipping.",
            "arXiv 2509.22851, Eq. 6",
            f"{_M}.dpo_pop_raw:loss",
            pop_rows=True,
            weak_policy=True,
        ),
        Method(
            "dpo_pop_resampled",
            "DPO on PoP rows",
            "Plain DPO on the strong sides of PoP rows: tells the choice of rows from the margin.",
            "A control for arXiv 2509.22851",
            f"{_M}.dpo_pop_resampled:loss",
            pop_rows=True,
        ),
        Method(
            "odpo",
            "ODPO",
            "The logarithm of the score margin as the margin.",
            "arXiv 2402.10571",
            f"{_M}.odpo:loss",
            params=Odpo,
            needs_score_margin=True,
            needs_positive_margin=True,
        ),
        Method(
            "mmpo",
            "MMPO",
            "The score margin says how probable the preference is.",
            "arXiv 2410.03145",
            f"{_M}.mmpo:loss",
            params=Mmpo,
            needs_score_margin=True,
        ),
        Method(
            "ipo",
            "IPO",
            "The margin is pulled to 1/(2β); summed log-probabilities.",
            "arXiv 2310.12036, Eq. 17",
            f"{_M}.ipo:loss",
        ),
        Method(
            "ipo_mean",
            "IPO, token mean",
            "IPO with log-probabilities a token, as TRL computes it.",
            "arXiv 2310.12036; TRL's loss_type ipo",
            f"{_M}.ipo_mean:loss",
        ),
        Method(
            "simpo",
            "SimPO",
            "No reference, log-probabilities a token, a fixed target margin.",
            "arXiv 2405.14734, Eq. 6",
            f"{_M}.simpo:loss",
            params=Simpo,
        ),
        Method(
            "cdpo",
            "Conservative DPO",
            "Every preference is taken to be wrong with the same probability.",
            "E. Mitchell, A note on DPO with noisy preferences (2023)",
            f"{_M}.cdpo:loss",
            params=TwoSided,
        ),
        Method(
            "robust_dpo",
            "Robust DPO",
            "An unbiased loss where labels are flipped at a known rate.",
            "arXiv 2403.00409",
            f"{_M}.robust_dpo:loss",
            params=TwoSided,
        ),
        Method(
            "ropo",
            "ROPO",
            "A bounded term keeps what looks wrong from pulling ever harder. Experimental.",
            "arXiv 2404.04102",
            f"{_M}.ropo:loss",
            params=Ropo,
        ),
        Method(
            "beta_dpo",
            "β-DPO",
            "β follows how far a batch's gaps lie from what they were.",
            "arXiv 2407.08639",
            f"{_M}.beta_dpo:loss",
            params=BetaDpo,
            state=f"{_M}.state:Gaps",
            batch_statistics=True,
            bare={"filter": False},
        ),
        Method(
            "alpha_dpo",
            "α-DPO",
            "SimPO's margin, moved by each pair's distance from the usual gap to the reference.",
            "arXiv 2410.10148",
            f"{_M}.alpha_dpo:loss",
            params=AlphaDpo,
            state=f"{_M}.state:Gaps",
            batch_statistics=True,
        ),
        Method(
            "amapo",
            "AMaPO",
            "Pairs below the batch's mean gap get a margin that grows with the distance.",
            "AMaPO and its public code",
            f"{_M}.amapo:loss",
            params=TokenBeta,
            batch_statistics=True,
        ),
        Method(
            "gamma_simpo",
            "γ-SimPO",
            "SimPO's target margin, given to pairs where it does most.",
            "arXiv 2506.03690, its public code",
            f"{_M}.gamma_simpo:loss",
            params=GammaSimpo,
            state=f"{_M}.state:Queue",
            state_optional=True,
        ),
        Method(
            "gamma_dpo",
            "γ-DPO",
            "DPO with margins that differ from pair to pair around 0.",
            "arXiv 2506.03690, its public code",
            f"{_M}.gamma_dpo:loss",
            params=GammaDpo,
            state=f"{_M}.state:Queue",
            state_optional=True,
        ),
    )
}

_E = "training.engine.evaluations"
EVALUATIONS: dict[str, EvaluationEntry] = {
    entry.name: entry
    for entry in (
        EvaluationEntry(
            "pair_accuracy",
            "Pair accuracy",
            "Share of held-out preferences with a positive margin.",
            f"{_E}.pair_accuracy:evaluate",
        ),
        EvaluationEntry(
            "margin_correlation",
            "Margin correlation",
            "Pearson and Spearman against the score margin.",
            f"{_E}.margin_correlation:evaluate",
            needs_scores=True,
        ),
        EvaluationEntry(
            "cumulative_accuracy",
            "Accuracy against margin",
            "Lower and upper cumulative accuracy and the margin histogram (paper Fig. 2).",
            f"{_E}.cumulative_accuracy:evaluate",
            needs_scores=True,
        ),
        EvaluationEntry(
            "pop_accuracy",
            "PoP accuracy",
            "Share of held-out comparisons whose stronger side has the larger margin.",
            f"{_E}.pop_accuracy:evaluate",
            needs_pop_rows=True,
        ),
    )
}

PRESETS: dict[str, Preset] = {
    entry.name: entry
    for entry in (
        Preset(
            "tiny-cpu",
            "Tiny model on a CPU",
            "Minutes on a laptop: to see the loop, not to judge the method.",
            {
                "model": {"base": "tiny", "tiny": {"hidden_size": 64, "layers": 2, "sft_steps": 60}},
                "method": {"slug": "dpo_pop", "params": {"beta": 0.5}},
                "training": {
                    "epochs": 2,
                    "learning_rate": 5e-4,
                    "rows_per_step": 16,
                    "micro_batch": 16,
                    "max_length": 384,
                    "save_steps": 25,
                },
            },
        ),
        Preset(
            "paper-3b",
            "Paper, Llama-3.2-3B",
            "The published settings: 64 rows a step, lr 1e-6, 2048 tokens. One 80 GB GPU. "
            "The paper starts from an SFT of this base: name yours.",
            {
                "model": {"base": "meta-llama/Llama-3.2-3B"},
                "method": {"slug": "dpo_pop"},
                "training": {"precision": "bf16", "micro_batch": 4, "gradient_checkpointing": True},
            },
        ),
        Preset(
            "paper-8b",
            "Paper, Llama-3.1-8B",
            "The published settings on the larger model. One GPU of about 180 GB; LoRA fits smaller ones.",
            {
                "model": {"base": "meta-llama/Llama-3.1-8B"},
                "method": {"slug": "dpo_pop"},
                "training": {"precision": "bf16", "micro_batch": 2, "gradient_checkpointing": True},
            },
        ),
        Preset(
            "lora-single-gpu",
            "LoRA on one GPU",
            "Adapters over one base: policy and target share its weights. One 24 GB GPU.",
            {
                "model": {"base": "meta-llama/Llama-3.2-3B", "lora": {"r": 16, "alpha": 32}},
                "method": {"slug": "dpo_pop"},
                "training": {
                    "precision": "bf16",
                    "learning_rate": 2e-5,
                    "micro_batch": 2,
                    "gradient_checkpointing": True,
                },
            },
        ),
    )
}


class UnknownEntry(ValueError):
    """A name that is in no registry."""


def method(slug: str) -> Method:
    """The method registered as `slug`.

    Raises:
        UnknownEntry: no such method; the message lists the ones there are.
    """
    if slug not in METHODS:
        raise UnknownEntry(f"unknown method {slug!r}; known: {', '.join(METHODS)}")
    return METHODS[slug]


def evaluation(name: str) -> EvaluationEntry:
    """The evaluation registered as `name`.

    Raises:
        UnknownEntry: no such evaluation; the message lists the ones there are.
    """
    if name not in EVALUATIONS:
        raise UnknownEntry(f"unknown evaluation {name!r}; known: {', '.join(EVALUATIONS)}")
    return EVALUATIONS[name]


def load(function: str) -> Callable[..., Any]:
    """Import `package.module:name`. Only the engine calls this: it brings torch in."""
    module, name = function.split(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return loaded
