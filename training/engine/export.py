"""The finished model's folder: safetensors, tokenizer, model card."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.engine import catalog, measures
from training.engine.measures import Measure
from training.engine.spec import RunSpec

PAPER = "https://arxiv.org/abs/2509.22851"


def write_model(model: Any, tokenizer: Any, folder: Path, card: str) -> None:
    """Write `folder`, whole or not at all. LoRA adapters are merged, so that any loader takes the result."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    merged.save_pretrained(part)
    tokenizer.save_pretrained(part)
    (part / "README.md").write_text(card, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def model_card(
    spec: RunSpec, *, dataset_sha256: str, record: dict[str, Any], results: dict[str, Any], steps: int
) -> str:
    """The card's Markdown: what was trained, on what, how, and how well it does."""
    base = spec.model.base
    made = _made(spec)
    front = [
        "---",
        "library_name: transformers",
        f"pipeline_tag: {made.pipeline}",
        "tags:",
        *(f"- {tag}" for tag in made.tags),
        *([f"base_model: {base}"] if "/" in base and not base.startswith(("/", "sources/")) else []),
    ]
    lines = [
        *front,
        "---",
        f"# {spec.name or f'{made.title} on {base}'}",
        "",
        f"{base}, {made.how}",
        "",
        f"- Paper: {PAPER}",
        f"- Dataset SHA-256: `{dataset_sha256}`",
        f"- Optimizer steps: {steps}",
        *_reward_model(record),
        f"- Code: {record['commit'] or 'not a git checkout'}",
        "",
        "## Evaluation (held-out split, 95% intervals)",
        "",
        *_results(results),
        "",
        "## Run spec",
        "",
        "```json",
        spec.model_dump_json(indent=2),
        "```",
        "",
        "## Versions",
        "",
        "```json",
        json.dumps(record["versions"] | {"hardware": record["hardware"]}, indent=2),
        "```",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Made:
    """What a kind of run makes, for the head of the card."""

    title: str
    how: str
    tags: tuple[str, ...]
    pipeline: str = "text-generation"


def _made(spec: RunSpec) -> Made:
    if spec.kind == "sft":
        return Made(
            "SFT",
            "fine-tuned on the chosen responses of the training preferences, each once: the mean negative "
            "log-likelihood of their tokens.",
            ("sft",),
        )
    if spec.kind == "reward_model":
        return Made(
            "Reward model",
            "with a head of one output, trained as a **reward model** "
            f"(objective `{spec.reward.objective}`). The difference of two responses' outputs is the logit "
            "of one being preferred.",
            ("reward-model",),
            "text-classification",
        )
    method = catalog.method(spec.method.slug)
    how = f"trained with **{method.title}** ({method.source}): {method.summary}"
    return Made(method.title, how, ("preference-optimization", method.slug))


def _reward_model(record: dict[str, Any]) -> list[str]:
    found = record.get("reward_model")
    return [f"- Reward model: `{found['path']}`, SHA-256 of its weights `{found['sha256']}`"] if found else []


def _results(results: dict[str, Any]) -> list[str]:
    lines = []
    for name, result in results.items():
        title = catalog.evaluation(name).title
        if "skipped" in result:
            lines.append(f"- {title}: skipped. {result['skipped']}")
            continue
        shown = "; ".join(_number(one) for one in measures.measures(result))
        of = "" if result.get("n") is None else f" (n {result['n']})"
        lines.append(f"- {title}{of}: {shown or 'a curve'}")
        lines += [f"    - {name}: {text}" for name, text in measures.remarks(result)]
    return lines or ["None."]


def _number(one: Measure) -> str:
    around = "" if one.low is None or one.high is None else f" ({one.low:.4g} to {one.high:.4g})"
    return f"{one.name} {one.value:.4g}{around}"
