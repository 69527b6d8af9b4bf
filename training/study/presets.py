"""Grounds for a study that are not the synthetic world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from training.study.settings import Corpus, Data, Sampling
from training.study.studies import Study


@dataclass(frozen=True)
class Preset:
    """What takes the place of the world, and of a study's settings.

    Attributes:
        training: of every method.
        processes: cells at the same time; each has all GPUs to itself.
    """

    title: str
    data: Corpus
    sampling: Sampling
    training: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1
    processes: int = 1


PRESETS: dict[str, Preset] = {
    "paper-3b": Preset(
        "Llama-3.2-3B on UltraFeedback, judged by UltraRM: the paper's own ground (its Table 5)",
        Corpus(),
        Sampling(prompts=512, samples=1, max_new_tokens=512),
        {"beta": 0.1, "learning_rate": 1e-6, "rows_per_step": 64},
    )
}


class NothingLeft(ValueError):
    """A study whose settings are all about the synthetic world."""


def on(study: Study, preset: Preset, data: Corpus) -> tuple[Study, list[str]]:
    """A study on a preset's ground, and the titles of the settings that only a world can have.

    Raises:
        NothingLeft: see there.
    """
    known = [one for one in study.settings if one.data == Data()]
    left_out = [one.title for one in study.settings if one.data != Data()]
    if not known:
        raise NothingLeft(
            f"The study {study.name!r} changes the synthetic world: no corpus can take its place."
        )
    settings = [
        replace(one, data=data, sampling=preset.sampling, training={**preset.training, **one.training})
        for one in known
    ]
    return replace(study, settings=tuple(settings), seeds=preset.seeds, demands=()), left_out
