"""Small renderings of the manager's pages: states as badges, durations in words, bars with numbers."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from annotation.models import PopDataset, PreferenceImport, Project
from annotation.selectors import adjudication
from frontend.run_state import STAGES
from training.models import Run

register = template.Library()

_TONES = {
    "done": "ok",
    "frozen": "ok",
    "finished": "ok",
    "running": "info",
    "freezing": "info",
    "queued": "neutral",
    "cancelling": "warn",
    "cancelled": "warn",
    "failed": "bad",
    "delivered": "ok",
    "waiting": "info",
}


@register.simple_tag
def state_badge(state: str) -> SafeString:
    """A state as a badge: words first, colour second."""
    return format_html(
        '<span class="badge badge--{}">{}</span>', _TONES.get(state, "neutral"), state.capitalize()
    )


@register.simple_tag(takes_context=True)
def disputes_waiting(context: dict[str, Any], project: Project) -> str:
    """How many disputed comparisons wait for the person on this page; nothing when there are none."""
    return waiting_count(adjudication.count(context["request"].user, project))


@register.filter
def waiting_count(count: int) -> str:
    """A count of disputed comparisons in words: they are not counted to the end."""
    most = adjudication.MOST_COUNTED
    return f"{intcomma(most)}+" if count > most else intcomma(count or "")


@register.filter
def figure(value: Any) -> str:
    """A value of a table: fractions with three digits, counts with commas, a dash for nothing."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(intcomma(value))


@register.filter
def is_text(value: Any) -> bool:
    """Whether a value of a table is text, which begins at the left."""
    return isinstance(value, str)


@register.filter
def duration(seconds: float | None) -> str:
    """`95` → `1 min 35 s`; hours and days drop the smaller part."""
    if seconds is None:
        return ""
    whole = round(seconds)
    for name, size, small, step in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // step
            return f"{whole // size} {name}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


@register.simple_tag
def bar(done: int, total: int, label: str, qualifier: str = "") -> SafeString:
    """A labelled progress bar: `label … done of total`, with the share in per cent."""
    share = min(100, 100 * done // total) if total else 0
    aim = f"{qualifier} {intcomma(total)}".strip()
    words = intcomma(done)
    if total:
        words += f" of {aim}, reached" if done >= total else f" of {aim} · {share} %"
    return format_html(
        '<div class="meter"><div class="meter__head"><span>{}</span><span class="num">{}</span></div>'
        '<progress class="bar" max="100" value="{}" aria-label="{}"></progress></div>',
        label,
        words,
        share,
        f"{label}: {words}",
    )


@register.filter
def get(mapping: dict[str, Any], key: str) -> Any:
    """A dictionary's value under a key a template cannot spell, such as `rewards/margins`."""
    return mapping.get(key)


@register.filter
def as_json(value: Any) -> str:
    """A value as people read JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2)


@register.filter
def plainly(value: Any) -> str:
    """A value out of JSON as words: lists by commas, `yes` and `no`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plainly(one) for one in value) or "none"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


@register.filter
def sig(value: Any) -> str:
    """A number with four significant digits; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


@register.filter
def turns(messages: list[dict[str, str]]) -> str:
    """Chat messages as one plain text for an excerpt; roles are named when there is more than one."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in messages)


@register.filter
def source_name(found: PreferenceImport) -> str:
    """What was imported: the file's name, or the dataset's id."""
    return found.filename or str(found.source.get("dataset", "preferences"))


@register.filter
def training_rows(dataset: PopDataset) -> int:
    """Rows of the training split: `row_count` has the held-out ones too."""
    return dataset.row_count - dataset.heldout_row_count


@register.filter
def last_turn(messages: list[dict[str, str]]) -> str:
    """The newest message; an ellipsis says that a conversation came before it."""
    return ("… " if len(messages) > 1 else "") + (messages[-1]["content"] if messages else "")


@register.filter
def ticks(text: str) -> SafeString:
    """Plain text with `code` in back ticks, as HTML."""
    parts = text.split("`")
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", part) if index % 2 else part,) for index, part in enumerate(parts)),
    )


@register.filter
def run_title(run: Run) -> str:
    """A run's name as its heading; one without a name goes by its number."""
    return run.name or f"Run {run.number}"


@register.filter
def split_title(split: str) -> str:
    """Which part of a dataset something is measured on."""
    return {"heldout": "held-out split", "train": "training split"}.get(split, "all preferences")


@register.filter
def stage_title(stage: str) -> str:
    return STAGES.get(stage, stage)
