"""The comparison page as a person uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from annotation.models import Project

SHORTEST_LOOK_MS = 350  # as in session.js: an answer given sooner is taken for a double press


class Labelling:
    def __init__(self, page: Page, base: str, project: Project) -> None:
        self.page = page
        self.base = base
        self.project = project

    @property
    def url(self) -> str:
        return f"{self.base}/projects/{self.project.slug}/label/"

    def open(self) -> None:
        self.page.goto(self.url)

    @property
    def cards(self) -> Locator:
        return self.page.locator(".pref")

    @property
    def banner(self) -> Locator:
        return self.page.locator("#banner")

    @property
    def notice(self) -> Locator:
        return self.page.locator("#notice")

    def texts(self) -> str:
        """What identifies the comparison on screen."""
        expect(self.cards).to_have_count(2)
        return " | ".join(self.page.locator(".text--prompt .prose").all_inner_texts())

    def look(self) -> str:
        """Read the comparison on screen for as long as the guard against double presses lasts."""
        seen = self.texts()
        self.page.wait_for_function(
            "since => performance.now() - since > 0",
            arg=self.page.evaluate("performance.now()") + SHORTEST_LOOK_MS,
        )
        return seen

    def press(self, key: str) -> str:
        """Look, press, and wait for the screen to move on; the comparison that was answered."""
        seen = self.look()
        self.page.keyboard.press(key)
        self.moved_on_from(seen)
        return seen

    def click(self, name: str) -> str:
        seen = self.look()
        self.page.get_by_role("button", name=name).click()
        self.moved_on_from(seen)
        return seen

    def moved_on_from(self, seen: str) -> None:
        self.page.wait_for_function(
            """seen => [...document.querySelectorAll('.text--prompt .prose')]
                 .map(one => one.innerText).join(' | ') !== seen""",
            arg=seen,
        )

    def all_sent(self) -> None:
        self.page.wait_for_function(
            "() => !Object.keys(localStorage).some(name => name.startsWith('pop.outbox.'))"
        )

    def unsent(self) -> int:
        return int(
            self.page.evaluate(
                "() => Object.keys(localStorage).filter(name => name.startsWith('pop.outbox.')).length"
            )
        )
