"""Small renderings of the manager's pages: states as badges, durations in words, bars with numbers."""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
}


@register.simple_tag
def state_badge(state: str) -> SafeString:
    """A state as a badge: words first, colour second."""
    return format_html(
        '<span class="badge badge--{}">{}</span>', _TONES.get(state, "neutral"), state.capitalize()
    )


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
    words = (
        f"{intcomma(done)} of {qualifier + ' ' if qualifier else ''}{intcomma(total)}"
        if total
        else intcomma(done)
    )
    return format_html(
        '<div class="meter"><div class="meter__head"><span>{}</span><span class="num">{}{}</span></div>'
        '<progress class="bar" max="100" value="{}" aria-label="{}"></progress></div>',
        label,
        words,
        f" · {share}%" if total else "",
        share,
        f"{label}: {words}",
    )


@register.filter
def get(mapping: dict[str, Any], key: str) -> Any:
    """A dictionary's value under a key a template cannot spell, such as `rewards/margins`."""
    return mapping.get(key)


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
