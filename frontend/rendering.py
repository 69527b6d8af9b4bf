"""Texts people and models wrote, as HTML that is safe to show.

Markdown is parsed with raw HTML switched off (a tag in a response is text to be judged, so it is shown as
text), and what comes out is sanitised again against a short list of elements. Nothing loads from elsewhere:
an image becomes its description and address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

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
ALIGNMENT = re.compile(r"text-align:(right|center)")


def _attribute(tag: str, name: str, value: str) -> str | None:
    """The sanitiser's last word on an attribute: only our own class names stay."""
    if name == "class":
        return value if CLASSES.match(value) else None
    return value


class _Renderer(RendererHTML):
    """Headings sit below the page's own (h1 to h3), images are words, alignment is a class."""

    def heading_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<h4 class="md-{tokens[idx].tag}">'

    def heading_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</h4>\n"

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        address = escape(str(tokens[idx].attrGet("src") or ""))
        return f'<span class="md-image">Image: {escape(tokens[idx].content)} ({address})</span>'

    def th_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return _cell(tokens[idx])

    def td_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return _cell(tokens[idx])


def _cell(token: Token) -> str:
    found = ALIGNMENT.search(str(token.attrGet("style") or ""))
    return f'<{token.tag} class="md-{found[1]}">' if found else f"<{token.tag}>"


def _parser(*, breaks: bool) -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": breaks}, renderer_cls=_Renderer)
    return made.enable(["table", "strikethrough"])


# People wrap the guidelines they write; a line break in a response is part of the response.
_WRITTEN = _parser(breaks=False)
_SAID = _parser(breaks=True)


@lru_cache(maxsize=CACHED_TEXTS)
def _html(text: str, parser: MarkdownIt) -> str:
    if len(text) > MARKDOWN_LIMIT:
        return f"<pre>{escape(text)}</pre>"
    return nh3.clean(
        parser.render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def markdown(text: str, *, parser: MarkdownIt = _WRITTEN) -> SafeString:
    """Markdown as sanitised HTML."""
    whole = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return mark_safe(_html(whole, parser))  # noqa: S308 - sanitised


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
    html = markdown(content if isinstance(content, str) else "", parser=_SAID)
    return {"role": role, "name": name, "html": html}
