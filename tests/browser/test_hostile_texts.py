"""Nothing a person imports or writes is run, loads anything, or changes the page around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from annotation.models import Preference, Project, User
from tests.cast import add_preferences

if TYPE_CHECKING:
    from playwright.sync_api import Request

    from tests.browser.labelling import Labelling

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ATTACKS = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "<svg/onload=window.hacked=3>",
    "[click](javascript:window.hacked=4)",
    "<javascript:window.hacked=5>",
    "![pixel](https://tracker.example/pixel.png)",
    "<iframe srcdoc='<script>parent.hacked=6</script>'></iframe>",
    "<style>body { display: none }</style>",
    "</div></article></main><script>window.hacked = 7</script>",
    "{{ settings }} {% csrf_token %} ${window.hacked=8}",
    '[a](https://x.example "\\" onmouseover=\\"window.hacked=9")',
    "```html\" onclick=\"window.hacked=10\n<b onclick='window.hacked=11'>x</b>\n```",
    "<a href='data:text/html,<script>opener.hacked=12</script>'>x</a>",
    "</template><form action='https://evil.example'><button id='answers'>",
    "\u202e reversed \u0000 nul",
]


@pytest.fixture
def hostile(project: Project, ann_one: User) -> str:
    text = "\n\n".join(ATTACKS)
    stored = text.replace("\u0000", "")  # PostgreSQL keeps no NUL in JSON
    add_preferences(project, 4)
    Preference.objects.update(
        prompt=[
            {"role": "<b onclick='window.hacked=13'>system</b>", "content": stored},
            {"role": "user", "content": stored},
        ],
        chosen=[{"role": "assistant", "content": stored}],
        rejected=[{"role": "assistant", "content": stored}],
    )
    Project.objects.filter(pk=project.pk).update(
        guidelines=stored, question="<script>window.hacked=14</script>?", name="<img src=x onerror=alert(1)>"
    )
    User.objects.filter(pk=ann_one.pk).update(first_name="<script>window.hacked=15</script>")
    return stored


def test_imported_texts_and_guidelines_are_shown_and_never_run(labelling: Labelling, hostile: str) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    labelling.page.on("request", note)
    labelling.open()
    labelling.look()
    labelling.page.keyboard.press("g")
    expect(labelling.page.locator("#guidelines")).to_contain_text("<script>window.hacked = 1</script>")
    labelling.page.keyboard.press("Escape")
    for link in labelling.page.locator(".prose a").all():
        href = link.get_attribute("href") or ""
        assert href.startswith("https://x.example"), href
        link.dispatch_event("mouseover")
    texts = labelling.page.locator(".text--chosen .prose").first
    expect(texts).to_contain_text("<img src=x onerror='window.hacked = 2'>")
    expect(texts.locator("script, iframe, img, svg, style, form, [onclick], [onmouseover]")).to_have_count(0)
    assert labelling.page.evaluate("window.hacked") is None
    assert [url for url in asked if not url.startswith(labelling.base)] == []


def test_names_are_text_on_the_list_of_projects(labelling: Labelling, hostile: str) -> None:
    labelling.page.goto(labelling.base)
    expect(labelling.page.get_by_role("heading", name="<img src=x onerror=alert(1)>")).to_be_visible()
    expect(labelling.page.locator(".top__name").first).to_have_text("<script>window.hacked=15</script>")
    assert labelling.page.evaluate("window.hacked") is None


def test_inline_script_would_not_run_even_if_it_got_in(labelling: Labelling) -> None:
    response = labelling.page.goto(labelling.url)
    assert response
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
