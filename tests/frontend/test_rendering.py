"""Markdown of people and models as HTML that is safe to show."""

from __future__ import annotations

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend import rendering

SECONDS = 5.0  # what a page may take at the very worst on a slow machine; typical is a hundredth


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**b** _i_ ~~s~~ `c`", "<p><strong>b</strong> <em>i</em> <s>s</s> <code>c</code></p>"),
        ("# One", '<h4 class="md-h1">One</h4>'),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>x</p>"),
        ("<div>\n**a**\n</div>", "&lt;div&gt;\n**a**\n&lt;/div&gt;"),
        (
            "[x](https://a.example)",
            '<p><a href="https://a.example" target="_blank" rel="noopener noreferrer nofollow">x</a></p>',
        ),
        (
            "![a](https://a.example/p.png)",
            '<p><span class="md-image">Image: a (https://a.example/p.png)</span></p>',
        ),
        ("```py\nx < 1\n```", '<pre><code class="language-py">x &lt; 1\n</code></pre>'),
        ("```btn\nx\n```", '<pre><code class="language-btn">x\n</code></pre>'),
    ],
)
def test_what_becomes_of_markdown(text: str, expected: str) -> None:
    assert rendering.markdown(text).strip() == expected


def test_cells_are_aligned_by_class_because_style_attributes_are_forbidden() -> None:
    made = rendering.markdown("| a | b |\n|--:|:-:|\n| 1 | 2 |")
    assert '<td class="md-right">1</td>' in made
    assert '<td class="md-center">2</td>' in made
    assert "style" not in made


def test_a_line_break_is_kept_in_a_response_and_folded_in_guidelines() -> None:
    (turn,) = rendering.turns([{"role": "assistant", "content": "one\ntwo"}], alone="assistant")
    assert "<br>" in turn["html"]
    assert "<br>" not in rendering.markdown("one\ntwo")


def test_lines_of_html_in_a_response_stay_lines() -> None:
    (turn,) = rendering.turns([{"role": "assistant", "content": "<ul>\n<li>a\n</ul>"}], alone="assistant")
    assert turn["html"].strip() == "&lt;ul&gt;<br>\n&lt;li&gt;a<br>\n&lt;/ul&gt;"


def test_a_single_expected_turn_needs_no_name_and_several_are_named() -> None:
    single = rendering.turns([{"role": "user", "content": "hi"}], alone="user")
    assert [turn["name"] for turn in single] == [""]
    chat = [{"role": role, "content": "x"} for role in ("system", "user", "assistant", "critic")]
    assert [turn["name"] for turn in rendering.turns(chat, alone="user")] == [
        "System",
        "User",
        "Assistant",
        "Critic",
    ]
    odd = rendering.turns([{"role": "assistant", "content": "hi"}], alone="user")
    assert [turn["name"] for turn in odd] == ["Assistant"]


def test_broken_characters_are_replaced_and_shown() -> None:
    assert "a\N{REPLACEMENT CHARACTER}b?c" in rendering.markdown("a\x00b\ud800c")


@pytest.mark.parametrize("part", ["*", "[", "> ", "- ", "`", "![a](", "**a ", "_a_*", "<", "&amp;", "[a](b"])
def test_a_text_made_to_be_slow_is_not(part: str) -> None:
    text = part * (rendering.MARKDOWN_LIMIT // len(part))
    began = time.process_time()
    rendering.markdown(text)
    assert time.process_time() - began < SECONDS


def test_a_text_beyond_the_limit_is_shown_as_it_was_written() -> None:
    text = "<b>*x*\n" * rendering.MARKDOWN_LIMIT
    made = rendering.markdown(text)
    assert made.startswith("<pre>&lt;b&gt;*x*")
    assert html.unescape(made.removeprefix("<pre>").removesuffix("</pre>")) == text


@given(st.text(alphabet=st.sampled_from(list("<>\"'=()[]!`*_ \n/:&;#x1javascriptonload")), max_size=80))
def test_no_text_becomes_an_element_that_acts(text: str) -> None:
    made = rendering.markdown(text).lower()
    for tag in ("<script", "<img", "<svg", "<iframe", "<style", "<form", "<input", "<object", "<base"):
        assert tag not in made
    for link in made.split('href="')[1:]:
        assert not link.startswith(("javascript:", "data:", "vbscript:"))
