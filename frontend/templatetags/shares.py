"""Shares and intervals as a person reads them."""

from __future__ import annotations

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotation.quality.shares import Share, share

register = template.Library()
NONE = "–"


@register.filter
def percent(value: float | None) -> str:
    """`.5342` → `53.4 %`; 0 and 100 without a decimal."""
    if value is None:
        return NONE
    return f"{100 * value:.0f} %" if value in (0, 1) else f"{100 * value:.1f} %"


@register.filter
def between(found: Share) -> str:
    """The interval of a share: `50–56 %`, with a decimal where whole numbers would hide its width."""
    if found.low is None or found.high is None:
        return ""
    digits = 1 if found.high - found.low < 0.02 else 0
    return f"{100 * found.low:.{digits}f}–{100 * found.high:.{digits}f} %"


@register.filter
def signed(value: float | None) -> str:
    """α, a strength and their bounds: two decimals and a true minus."""
    return NONE if value is None else f"{value:.2f}".replace("-", "−")


@register.simple_tag
def share_of(hits: int, of: int) -> Share:
    return share(hits, of)


@register.simple_tag
def share_cell(found: Share) -> SafeString:
    """A share in a table: the value, below it what it stands on."""
    if found.value is None:
        return format_html('<span class="muted">{}</span>', NONE)
    return format_html(
        '{}<span class="share__basis" title="95 % interval, and of how many">{} of {}</span>',
        percent(found.value),
        between(found),
        intcomma(found.of),
    )


@register.simple_tag
def range_bar(
    low: float | None, value: float | None, high: float | None, middle: str = "", floor: float = 0.0
) -> SafeString:
    """An interval on a line from `floor` to 1, drawn; `middle` marks the place halfway."""
    if low is None or value is None or high is None:
        return SafeString("")
    low, value, high = ((one - floor) / (1.0 - floor) for one in (low, value, high))
    start, end = max(0.0, low), min(1.0, max(high, 0.0))
    line = SafeString('<rect class="range__half" x="49.7" y="0" width="0.6" height="10"/>' if middle else "")
    return format_html(
        '<svg class="range" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="range__line" x="0" y="4.5" width="100" height="1"/>{}'
        '<rect class="range__interval" x="{}" y="3" width="{}" height="4"/>'
        '<rect class="range__value" x="{}" y="1" width="1" height="8"/></svg>',
        line,
        f"{100 * start:.2f}",
        f"{max(100 * (end - start), 0.6):.2f}",
        f"{min(99.0, max(0.0, 100 * value - 0.5)):.2f}",
    )
