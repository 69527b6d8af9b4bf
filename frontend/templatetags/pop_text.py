"""Texts in templates: `{{ project.guidelines|markdown }}`."""

from __future__ import annotations

from datetime import timedelta
from math import ceil

from django import template
from django.utils.safestring import SafeString

from frontend import rendering

register = template.Library()


@register.filter(name="markdown")
def markdown_filter(text: str) -> SafeString:
    """Markdown as sanitised HTML; wrap it in `<div class="prose" dir="auto">`."""
    return rendering.markdown(text or "")


@register.filter
def in_words(span: timedelta) -> str:
    """A short time span: "10 minutes"."""
    minutes = max(1, ceil(span.total_seconds() / 60))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
