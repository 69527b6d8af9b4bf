"""How a value stands to the best, in words; a setting as the spec has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotation.models import Contender
from training import lineage as names
from training import run_words
from training.comparing import Standing
from training.models import Run, RunLink
from training.selectors import lineage
from training.services import arenas

register = template.Library()

_MARKS = {
    Standing.BEST: ("ok", "best"),
    Standing.NOT_DISTINGUISHABLE: ("info", "not distinguishable"),
    Standing.UNKNOWN: ("neutral", "no interval to tell by"),
}


@register.simple_tag
def standing_mark(standing: Standing) -> SafeString:
    """A badge with words; nothing for what is worse, or not compared."""
    if standing not in _MARKS:
        return SafeString("")
    return format_html('<span class="badge badge--{} mark">{}</span>', *_MARKS[standing])


@register.filter
def subject(run: Run) -> Run | None:
    """The run that an evaluation is of."""
    return lineage.evaluated(run)


@register.filter
def hidden_roles(run: Run) -> list[str]:
    """What those runs are to this one that its spec names and its `sources`, which are there, lack."""
    told = {link.role for link in run.sources.all()}
    return [str(RunLink.Role(role).label) for role in names.sources(run.spec) if role not in told]


@register.filter
def run_of(contender: Contender) -> int | None:
    """The run whose model wrote the responses of an arena's contender; None where it came from elsewhere."""
    found = re.fullmatch(arenas.SOURCE, contender.source)
    return int(found[1]) if found else None


@register.filter
def naming(text: Any, names: Mapping[int, str]) -> str:
    """What the engine says, with the names of other runs in the place of their folders."""
    return run_words.named(str(text), names)


@register.filter
def setting(value: Any) -> str:
    """A value of a spec: text as it is, the rest as JSON; a dash for none."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
