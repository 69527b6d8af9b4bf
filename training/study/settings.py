"""What a cell of the study is made of: a world's data, its labels, a method. No torch here.

Settings are fixed before the seeds that are reported: docs/study.md has the date on which they were.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.study.world import Noise

RESULT = "result.json"
MADE = 3  # raised when the same settings would give another result

Twist = Literal["", "reversed", "shuffled_partners", "shuffled_strengths", "inferred"]


@dataclass(frozen=True)
class Data:
    """The preferences, and the base model that writes before anything is learned from them.

    `quality`: see `world.preferences`. `sft_samples` responses of the world's own writers teach the base.
    """

    pairs: int = 6000
    heldout: int = 2000
    noise: Noise = field(default_factory=Noise)
    quality: tuple[float, float] = (0.0, 1.0)
    hidden_size: int = 96
    layers: int = 3
    sft_samples: int = 20_000
    sft_epochs: float = 2.0
    sft_learning_rate: float = 3e-3


@dataclass(frozen=True)
class Corpus:
    """Real preferences that have scores, and real models: in the place of a world's `Data`.

    Attributes:
        source: a data set's id on the Hub, or a folder in the same layout.
        splits: its training preferences, and those that are held out.
        pairs, heldout: how many of each, from the beginning; None: all.
        base: a Hub id or a folder. It is fine-tuned on the chosen responses once, for all seeds.
        judge: the reward model that judges responses.
        training: of every run that trains; the reward model of the methods that need one is trained at
            `reward_learning_rate`.
    """

    source: str = "HuggingFaceH4/ultrafeedback_binarized"
    splits: tuple[str, str] = ("train_prefs", "test_prefs")
    pairs: int | None = None
    heldout: int | None = None
    base: str = "meta-llama/Llama-3.2-3B"
    judge: str = "openbmb/UltraRM-13b"
    sft_learning_rate: float = 2e-5
    reward_learning_rate: float = 1e-5
    max_length: int = 2048
    micro_batch: int = 4
    precision: Literal["fp32", "bf16"] = "bf16"


@dataclass(frozen=True)
class Labels:
    """How people were asked, and what was done to the rows since.

    Attributes:
        budget: labels a preference at which labelling stops; None: when the strategy has what it wants.
        twist: what was done to the rows. `reversed`: every row the other way round; `shuffled_partners`: the
            weak sides of the rows change places; `shuffled_strengths`: the rows are those of other
            preferences; `inferred`: with rows that follow from the answers, see `pool.inferred`.
    """

    strategy: str = "random"
    k: int = 2
    error: float = 0.0
    gap: float = 1.0
    overlap: int = 1
    reuse: bool = True
    budget: float | None = None
    twist: Twist = ""


@dataclass(frozen=True)
class Method:
    """A method and how it is trained.

    Attributes:
        params: beside β, which all share.
        epochs: over the preferences, or over the rows for methods that take rows.
        as_many_steps: as rows would be: epochs over the preferences are multiplied to that end.
        reward_model: it reads the margins of a reward model trained on the same preferences.
        margin_of: the variant whose mean margin, as it was subtracted, is this one's constant margin.
    """

    slug: str
    params: dict[str, Any] = field(default_factory=dict)
    beta: float = 1.0
    learning_rate: float = 5e-4
    rows_per_step: int = 32
    epochs: float = 1.0
    as_many_steps: bool = False
    reward_model: bool = False
    margin_of: str = ""


@dataclass(frozen=True)
class Sampling:
    """The responses that are judged."""

    prompts: int = 512
    samples: int = 2
    temperature: float = 1.0
    max_new_tokens: int = 24


@dataclass(frozen=True)
class Cell:
    """One method on one world: what is computed once and kept. All of it follows from this."""

    seed: int
    method: Method
    labels: Labels = field(default_factory=Labels)
    data: Data | Corpus = field(default_factory=Data)
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def key(self) -> str:
        return key_of(asdict(self))


def base_name(seed: int, data: Data | Corpus) -> str:
    """The name of the base model of a world: what it is made of, and nothing that comes after."""
    if isinstance(data, Corpus):
        return key_of(["base", asdict(data) | {"judge": ""}])
    made = [data.hidden_size, data.layers, data.sft_samples, data.sft_epochs, data.sft_learning_rate]
    return key_of([seed, made])


def rewards_name(seed: int, data: Data | Corpus) -> str:
    """The name of the reward model of a world's preferences."""
    if isinstance(data, Corpus):
        return key_of(["rewards", asdict(data) | {"judge": ""}])
    return key_of([seed, asdict(data)])


def place(root: Path, cell: Cell, margin: float | None = None) -> Path:
    """The folder of a cell, and in it, once it is made, `RESULT`."""
    return root / "cells" / folder_name(cell, margin)


def folder_name(cell: Cell, margin: float | None = None) -> str:
    """The name of a cell's folder."""
    return key_of([cell.key, margin])


def known(root: Path, cell: Cell, margin: float | None = None) -> dict[str, Any] | None:
    """The result of a cell that was made before."""
    file = place(root, cell, margin) / RESULT
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def key_of(document: Any) -> str:
    """A short name for what follows from a document."""
    text = json.dumps([MADE, document], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
