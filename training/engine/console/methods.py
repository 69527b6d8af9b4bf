"""A method in words: its parameters with defaults and limits, what it needs, its source. No torch here."""

from __future__ import annotations

import json
from typing import Any

from training.engine import catalog
from training.engine.cli import FINISHED, say
from training.engine.errors import SpecError

LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def explain(slug: str, *, as_json: bool) -> int:
    """Print one method.

    Raises:
        SpecError: there is none of that name.
    """
    try:
        found = described(catalog.method(slug))
    except catalog.UnknownEntry as error:
        raise SpecError(f"{error}.") from error
    say(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _words(found))
    return FINISHED


def described(method: catalog.Method) -> dict[str, Any]:
    """What the registry knows of a method, as plain JSON."""
    properties = method.params.model_json_schema().get("properties", {})
    return {
        "slug": method.slug,
        "title": method.title,
        "summary": method.summary,
        "source": method.source,
        "needs": needs(method),
        "parameters": [_parameter(name, schema) for name, schema in properties.items()],
    }


def needs(method: catalog.Method) -> list[str]:
    """What a run of this method must have, in words."""
    found = ["PoP rows" if method.pop_rows else "preferences"]
    if method.needs_score_margin:
        above = ", the chosen response's above the rejected one's" if method.needs_positive_margin else ""
        instead = " (or a reward model's run: reward_model)" if method.reward_margin_instead else ""
        found.append(f"scores{instead}{above}")
    if method.needs_reward_margin:
        found.append("a reward model's run (reward_model)")
    if method.needs_rows and not method.pop_rows:
        found.append("PoP rows to fit strengths to")
    if method.batch_statistics:
        found.append("several rows in a forward pass (micro_batch)")
    return found


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    limits = [words.format(schema[key]) for key, words in LIMITS.items() if key in schema]
    limits += [f"one of {', '.join(schema['enum'])}"] if "enum" in schema else []
    return {
        "name": name,
        "title": schema.get("title", name),
        "default": schema.get("default"),
        "limits": ", ".join(limits),
        "description": schema.get("description", ""),
    }


def _words(found: dict[str, Any]) -> str:
    lines = [f"{found['slug']}: {found['title']}. {found['summary']}", f"Source: {found['source']}"]
    lines += [f"Needs: {', '.join(found['needs'])}", ""]
    for one in found["parameters"]:
        limits = f", {one['limits']}" if one["limits"] else ""
        lines.append(f"  {one['name']:18} {one['default']}{limits}. {one['description']}")
    return "\n".join(lines)
