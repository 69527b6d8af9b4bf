"""The finished model's folder: safetensors, tokenizer, model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from training.engine import catalog
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
    method = catalog.method(spec.method.slug)
    base = spec.model.base
    front = [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags:",
        "- preference-optimization",
    ]
    front += [f"- {method.slug}"] + (
        [f"base_model: {base}"] if "/" in base and not base.startswith("/") else []
    )
    lines = [
        *front,
        "---",
        f"# {spec.name or f'{method.title} on {base}'}",
        "",
        f"{base}, trained with **{method.title}** ({method.source}): {method.summary}",
        "",
        f"- Paper: {PAPER}",
        f"- Dataset SHA-256: `{dataset_sha256}`",
        f"- Optimizer steps: {steps}",
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


def _results(results: dict[str, Any]) -> list[str]:
    lines = []
    for name, result in results.items():
        title = catalog.evaluation(name).title
        if "skipped" in result:
            lines.append(f"- {title}: skipped. {result['skipped']}")
            continue
        numbers = {key: value for key, value in result.items() if isinstance(value, int | float)}
        shown = ", ".join(f"{key} {value:.4g}" for key, value in numbers.items())
        lines.append(f"- {title}: {shown}")
    return lines or ["None."]
