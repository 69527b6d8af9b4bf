"""Starting points for run specs. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A starting point for a run spec: overrides on top of the defaults."""

    name: str
    title: str
    summary: str
    spec: dict[str, Any] = field(default_factory=dict)


_TINY: dict[str, Any] = {"base": "tiny", "tiny": {"hidden_size": 64, "layers": 2, "sft_steps": 60}}
_TINY_TRAINING: dict[str, Any] = {
    "epochs": 2,
    "rows_per_step": 16,
    "micro_batch": 16,
    "max_length": 384,
    "save_steps": 25,
}
PRESETS: dict[str, Preset] = {
    entry.name: entry
    for entry in (
        Preset(
            "tiny-cpu",
            "Tiny model on a CPU",
            "Minutes on a laptop: to see the loop, not to judge the method.",
            {
                "model": _TINY,
                "method": {"slug": "dpo_pop", "params": {"beta": 0.5}},
                "training": {**_TINY_TRAINING, "learning_rate": 5e-4},
            },
        ),
        Preset(
            "paper-3b",
            "Paper, Llama-3.2-3B",
            "The published settings: 64 rows a step, lr 1e-6, 2048 tokens. One 80 GB GPU. "
            "The paper starts from an SFT of this base: train one first, and name it.",
            {
                "model": {"base": "meta-llama/Llama-3.2-3B"},
                "method": {"slug": "dpo_pop"},
                "training": {"precision": "bf16", "micro_batch": 4, "gradient_checkpointing": "on"},
            },
        ),
        Preset(
            "paper-8b",
            "Paper, Llama-3.1-8B",
            "The published settings on the larger model. One GPU of about 180 GB; LoRA fits smaller ones.",
            {
                "model": {"base": "meta-llama/Llama-3.1-8B"},
                "method": {"slug": "dpo_pop"},
                "training": {"precision": "bf16", "micro_batch": 2, "gradient_checkpointing": "on"},
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
                    "gradient_checkpointing": "on",
                },
            },
        ),
        Preset(
            "paper-sft",
            "Paper, SFT of Llama-3.2-3B",
            "The step before the paper's runs (its Table 5): lr 2e-5, cosine, one epoch on the chosen "
            "responses. One 80 GB GPU.",
            {
                "kind": "sft",
                "model": {"base": "meta-llama/Llama-3.2-3B"},
                "training": {
                    "learning_rate": 2e-5,
                    "precision": "bf16",
                    "micro_batch": 4,
                    "gradient_checkpointing": "on",
                },
            },
        ),
        Preset(
            "tiny-cpu-sft",
            "Tiny SFT on a CPU",
            "Minutes on a laptop: a base model for the tiny runs to start from.",
            {
                "kind": "sft",
                "model": _TINY,
                "training": {**_TINY_TRAINING, "epochs": 12, "learning_rate": 3e-3},
            },
        ),
        Preset(
            "tiny-cpu-reward",
            "Tiny reward model on a CPU",
            "Minutes on a laptop: margins for methods that read a reward model's.",
            {
                "kind": "reward_model",
                "model": _TINY,
                "reward": {"objective": "bradley_terry"},
                "training": {**_TINY_TRAINING, "epochs": 6, "learning_rate": 1e-3, "save_steps": 5},
            },
        ),
    )
}
