"""What the run page plots: which metrics stand in one plot, its title and its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Points = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Plot:
    """Curves over optimizer steps; those a run has not logged are left out."""

    id: str
    title: str
    unit: str
    series: tuple[tuple[str, str], ...]  # metric, words
    about: str = ""


PLOTS = (
    Plot("loss", "Loss", "nats", (("loss", "training loss"), ("heldout/loss", "held-out loss"))),
    Plot(
        "margins",
        "Reward margins",
        "β·nats",
        (
            ("rewards/margins", "margin of the strong preference"),
            ("pop/weak_margin", "weak margin (target policy)"),
            ("pop/margin", "what is subtracted: the weak margin, cut"),
        ),
        "Chosen minus rejected, as implicit rewards. DPO-PoP asks the first to exceed the second.",
    ),
    Plot(
        "accuracy",
        "Accuracy",
        "share of rows",
        (("rewards/accuracies", "margin above 0"),),
        "On training rows, as they come.",
    ),
    Plot(
        "reward-accuracy",
        "Accuracy",
        "share",
        (("reward/accuracies", "training rows"), ("heldout/accuracy", "held-out preferences")),
        "How often the chosen response gets the larger reward.",
    ),
    Plot(
        "reward-margins",
        "Reward differences",
        "logits",
        (("reward/margins", "chosen minus rejected"),),
        "On training rows, as they come.",
    ),
    Plot(
        "shares",
        "Weak margins cut",
        "share of rows",
        (("pop/zero_share", "at 0 or below"), ("pop/clip_share", "at M_max")),
        "Cut margins carry no difference: all at 0 is plain DPO, all at M_max a constant margin.",
    ),
    Plot(
        "drift",
        "Target drift",
        "‖θ̂ − θ₀‖ / ‖θ − θ₀‖",
        (("pop/drift_ratio", "target against policy"),),
        "How far the target policy has followed the policy.",
    ),
    Plot(
        "rewards",
        "Implicit rewards",
        "β·nats",
        (("rewards/chosen", "chosen"), ("rewards/rejected", "rejected")),
        "Both may fall: only their difference is trained.",
    ),
    Plot(
        "logps",
        "Log-probabilities",
        "nats a response",
        (("logps/chosen", "chosen"), ("logps/rejected", "rejected")),
        "Under the policy. Where the chosen ones fall too, mass goes to responses that are in no pair.",
    ),
    Plot(
        "kl",
        "KL to the reference",
        "nats a token",
        (("policy/kl_token", "policy against reference"),),
        "Over the whole vocabulary, at the same contexts of the data's responses throughout.",
    ),
    Plot(
        "log-ratio",
        "Log-ratio to the reference",
        "nats a response",
        (("policy/log_ratio", "policy against reference"),),
        "Mean over the chosen and rejected responses of the data: not the KL of what the policy writes.",
    ),
    Plot(
        "lengths",
        "Response lengths",
        "tokens",
        (("lengths/chosen", "chosen"), ("lengths/rejected", "rejected")),
        "Of the responses trained on, after cutting.",
    ),
    Plot("rate", "Learning rate", "per step", (("learning_rate", "learning rate"),)),
    Plot("gradient", "Gradient norm", "before clipping", (("grad_norm", "gradient norm"),)),
    Plot(
        "speed",
        "Speed",
        "tokens a second",
        (("work/tokens_per_second", "tokens through the models"),),
        "Without padding, each forward pass once. Checkpoints are not counted.",
    ),
    Plot("memory", "Peak memory", "GB", (("memory/peak_gb", "most so far"),)),
    Plot("padding", "Padding", "share of a batch", (("work/padding_share", "padding"),)),
    Plot(
        "sharing",
        "Preferences through the models",
        "for each row",
        (("work/preferences_per_row", "policy and target"),),
        "Rows of a step share them: without sharing it is 2 for rows with a weak preference, else 1.",
    ),
)


def curves(metrics: Mapping[str, Points]) -> list[dict[str, Any]]:
    """The plots that have data, as the page's script reads them."""
    return [made for plot in PLOTS if (made := _curve(plot, metrics))["series"]]


def _curve(plot: Plot, metrics: Mapping[str, Points]) -> dict[str, Any]:
    return {
        "id": plot.id,
        "title": plot.title,
        "about": plot.about,
        "x": "optimizer step",
        "y": plot.unit,
        "series": [
            {"name": words, "kind": "line", "points": metrics[name]}
            for name, words in plot.series
            if metrics.get(name)
        ],
    }
