"""Texts people and models wrote, as HTML that is safe to show.

Raw HTML in Markdown is escaped (a tag in a response is text to be judged, so it is shown as
text), and what comes out is sanitised again against a short list of elements. Nothing loads from elsewhere:
an image becomes its description and address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import comrak
import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

CACHED_TEXTS = 512
# Beyond this a text is shown as it was written: parsing a megabyte of Markdown takes seconds.
MARKDOWN_LIMIT = 60_000
TAGS = {
    *("p", "br", "hr", "h4", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a"),
    *("table", "thead", "tbody", "tr", "th", "td", "span"),
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    **{tag: {"class"} for tag in ("code", "h4", "th", "td", "span")},
}
CLASSES = re.compile(r"^(md-[a-z0-9]+|language-[\w+#.-]{1,30})$")


def _attribute(tag: str, name: str, value: str) -> str | None:
    """The sanitiser's last word on an attribute: only our own class names stay."""
    if name == "class":
        return value if CLASSES.match(value) else None
    return value


BLOCKS = "p|h[1-6]|ul|ol|li|blockquote|table|thead|tbody|tr|th|td|hr|br"
# Lines of HTML that a model wrote stand between blocks, as text: a newline there is a line of it.
BARE_BREAK = re.compile(
    rf"(<pre>.*?</pre>|</?(?:{BLOCKS})\b[^>]*>\n?|\n(?=</?(?:{BLOCKS}|pre)\b))|\n(?!$)", re.S
)
# Written over what the parser made, where no text can hold a tag. The sanitiser reads the result.
OURS = (
    # Headings sit below the page's own (h1 to h3), images are words, alignment is a class.
    (re.compile(r"<h([1-6])>"), r'<h4 class="md-h\1">'),
    (re.compile(r"</h[1-6]>"), "</h4>"),
    (re.compile(r'<img src="([^"]*)" alt="([^"]*)"[^>]*>'), r'<span class="md-image">Image: \2 (\1)</span>'),
    (re.compile(r'<(t[hd]) align="(right|center)">'), r'<\1 class="md-\2">'),
    (re.compile(r"<(/?)del>"), r"<\1s>"),
    (re.compile(r'<a href=""[^>]*>(.*?)</a>', re.S), r"\1"),  # where the address was no web address
)
# Quotes or lists in each other a hundred deep: nobody writes that, and parsing it takes seconds.
DEEP = re.compile(r"(?:[>*+-][ \t]*){100}")


def _options(*, breaks: bool) -> dict[str, Any]:
    added, shown = comrak.ExtensionOptions(), comrak.RenderOptions()
    added.table = added.strikethrough = True
    shown.escape, shown.hardbreaks = True, breaks
    return {"extension_options": added, "render_options": shown}


# People wrap the guidelines they write; a line break in a response is part of the response.
_WRITTEN, _SAID = _options(breaks=False), _options(breaks=True)
_CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


@lru_cache(maxsize=CACHED_TEXTS)
def _html(text: str, breaks: bool) -> str:
    if len(text) > MARKDOWN_LIMIT or DEEP.search(text):
        return f"<pre>{escape(text)}</pre>"
    made = comrak.render_markdown(text, **(_SAID if breaks else _WRITTEN))
    if breaks and "<" in text:
        made = BARE_BREAK.sub(lambda found: found[1] or "<br>\n", made)
    for pattern, written in OURS:
        made = pattern.sub(written, made)
    return _CLEANER.clean(made)


def markdown(text: str, *, breaks: bool = False) -> SafeString:
    """Markdown as sanitised HTML. `breaks`: a line break in a paragraph is shown, as in what a model said."""
    whole = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return mark_safe(_html(whole, breaks))  # noqa: S308 - sanitised


ROLES = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def turns(messages: Sequence[Mapping[str, Any]] | str, *, alone: str) -> list[dict[str, Any]]:
    """Chat messages as `{"role", "name", "html"}`.

    A single message of the expected role `alone` gets no name: "Prompt" or "Preferred" above it says it all.
    """
    if isinstance(messages, str):
        messages = [{"role": alone, "content": messages}]
    expected = len(messages) == 1 and messages[0].get("role") == alone
    return [_turn(message, named=not expected) for message in messages]


def _turn(message: Mapping[str, Any], *, named: bool) -> dict[str, Any]:
    role = str(message.get("role", ""))
    name = ROLES.get(role, role.capitalize()) if named else ""
    content = message.get("content")
    html = markdown(content if isinstance(content, str) else "", breaks=True)
    return {"role": role, "name": name, "html": html}
