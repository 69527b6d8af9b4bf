"""What a run is doing, in the words of its page: stages, the newest progress, the newest metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from frontend.rendering import markdown
from training.artifacts import Artifact
from training.models import Run, RunEvent

STAGES = {
    "rewards": "Reward scores",
    "sft": "SFT warm-up",
    "reference": "Reference scores",
    "train": "Training",
    "evaluate": "Evaluation",
    "generate": "Responses",
    "judge": "Judging",
    "rewardbench": "RewardBench",
    "alpaca_eval": "AlpacaEval",
    "save": "Saving",
}
TILES = {
    "loss": "Loss, nats",
    "rewards/accuracies": "Accuracy",
    "rewards/margins": "Margin, β·nats",
    "pop/weak_margin": "Weak margin, β·nats",
    "reward/accuracies": "Accuracy",
    "reward/margins": "Reward difference",
    "heldout/loss": "Held-out loss, nats",
    "heldout/accuracy": "Held-out accuracy",
    "learning_rate": "Learning rate",
    "grad_norm": "Gradient norm",
}
MAX_CARD_BYTES = 200_000


@dataclass(frozen=True)
class Stage:
    title: str
    state: str  # done, now or next


@dataclass(frozen=True)
class Tile:
    title: str
    value: Any


@dataclass(frozen=True)
class StageProgress:
    title: str
    done: int
    total: int
    rate: float | None


def stages(run: Run, of: Run | None = None) -> list[Stage]:
    """The way through a run of its kind; through an evaluation `of` another run."""
    absent = _absent_stages(run, of)
    names = [name for name in STAGES if name not in absent]
    at = names.index(run.stage) if run.stage in names else -1
    if run.state == Run.State.QUEUED:
        at = -1
    return [
        Stage(STAGES[name], "done" if index < at else "now" if index == at else "next")
        for index, name in enumerate(names)
    ]


def _absent_stages(run: Run, of: Run | None) -> set[str]:
    """Stages that runs of this kind, base and method do without."""
    absent = {"train", "save"} if run.kind == Run.Kind.EVALUATION else set()
    if run.spec.get("model", {}).get("base") != "tiny" or run.kind == Run.Kind.SFT:
        absent.add("sft")
    if not run.spec.get("method", {}).get("reward_model"):
        absent.add("rewards")
    if (of or run).kind != Run.Kind.PREFERENCE:
        absent.add("reference")
    evaluation = run.spec.get("evaluation", {})
    if not evaluation.get("generation", {}).get("prompts"):
        absent |= {"generate", "judge"}
    elif not evaluation.get("judge"):
        absent.add("judge")
    benchmarks = {"rewardbench": "data", "alpaca_eval": "baseline"}
    unasked = {name for name, field in benchmarks.items() if not (evaluation.get(name) or {}).get(field)}
    absent |= unasked
    if len(unasked) < len(benchmarks) and not (
        evaluation.get("names") or evaluation.get("generation", {}).get("prompts")
    ):
        absent |= {"reference", "evaluate"}
    return absent


def tiles(run: Run) -> list[Tile]:
    return [
        Tile(title, run.latest[name]) for name, title in TILES.items() if run.latest.get(name) is not None
    ]


def stage_progress(events: QuerySet[RunEvent], run: Run) -> StageProgress | None:
    """The newest progress line, if it is of the stage the run is in and says how much there is."""
    latest = events.order_by("-seq").values_list("data", flat=True).first()
    if not latest or latest.get("stage") != run.stage or not latest.get("total"):
        return None
    title = STAGES.get(run.stage, run.stage)
    return StageProgress(title, latest["done"], latest["total"], latest.get("rate"))


def model_card(files: Sequence[Artifact]) -> SafeString:
    """The model's README.md as clean HTML; empty when there is none. Its YAML head is for the Hub."""
    found = next((file for file in files if file.name.endswith("model/README.md")), None)
    if found is None or found.size > MAX_CARD_BYTES:
        return SafeString("")
    text = b"".join(found.chunks()).decode(errors="replace")
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    return markdown(text)
