"""The steps of the walk: what an admin and an annotator do in the browser, one method a step."""

from __future__ import annotations

import itertools
import json
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "pairs.jsonl"
DEMO = ROOT / "annotation" / "demo" / "preferences.jsonl"
PASSWORD = "a long enough passphrase"
WORKER_MS = 60_000  # until a worker has done something small
RUN_MS = 240_000  # until a tiny run has trained and is evaluated


def scored_lines(count: int) -> list[str]:
    """Real preferences with scores; the demo project's where the shared data is not there."""
    with (SHARED if SHARED.exists() else DEMO).open(encoding="utf-8") as lines:
        scored = (line.strip() for line in lines if '"score_chosen"' in line and len(line) < 4000)
        return list(itertools.islice(scored, count))


class Admin:
    """Somebody who manages a project, in a browser."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.slug = ""

    def tab(self, name: str) -> None:
        self.page.get_by_role("navigation", name="Project").get_by_role("link", name=name).click()
        self.page.wait_for_load_state()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("main").get_by_role("button", name=name)

    def sign_in(self, username: str) -> None:
        self.page.goto(self.base)
        self.page.get_by_label("User name").fill(username)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.button("Sign in").click()
        expect(self.page.get_by_role("heading", name="Projects")).to_be_visible()

    def create_project(self, name: str) -> None:
        self.page.get_by_role("link", name="New project").first.click()
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Guidelines").fill(
            "# How to judge\n\nAsk *how much* better, not which is better."
        )
        self.page.get_by_label("Iterative anchors").check()
        self.page.get_by_label("Held out, percent").fill("20")
        expect(self.page.locator("#estimate")).to_contain_text("800 training and 200 held-out")
        self.button("Create project").click()
        self.page.wait_for_url("**/imports/")
        self.slug = self.page.url.rstrip("/").split("/")[-2]

    def import_file(self, file: Path) -> str:
        self.page.get_by_label("File", exact=True).set_input_files(file)
        self.button("Import file").click()
        self.page.wait_for_url(re.compile(r"/imports/\d+/$"))
        expect(self.page.locator("#import .badge").first).to_have_text("Done", timeout=WORKER_MS)
        return self.page.locator("#import").inner_text()

    def invite(self) -> str:
        self.tab("Members")
        self.button("Make an invite link").click()
        link = self.page.locator("#invite-link").inner_text().strip()
        assert link.startswith(f"{self.base}/join/")
        return link

    def watch_labels_rise(self) -> None:
        """The overview moves by itself, into the hundreds: no reload."""
        labels = self.page.locator(".funnel__value").nth(2)
        expect(labels).to_have_text(re.compile(r"\d{3}"), timeout=WORKER_MS)

    def freeze(self, name: str) -> str:
        """The SHA-256 the page shows."""
        self.tab("Datasets")
        expect(self.page.locator("#freeze-preview")).to_contain_text("as it stands")
        self.page.get_by_label("Name (optional)").fill(name)
        self.button("Freeze").click()
        expect(self.page.locator("#dataset .badge").first).to_have_text("Frozen", timeout=WORKER_MS)
        return self.page.locator("#sha").inner_text()

    def download(self, link: Locator, folder: Path) -> Path:
        with self.page.expect_download(timeout=WORKER_MS) as started:
            link.click()
        target = folder / started.value.suggested_filename
        started.value.save_as(target)
        return target

    def make_token(self) -> str:
        self.page.goto(f"{self.base}/tokens/")
        self.page.get_by_label("Name", exact=True).fill("Script")
        self.button("Make a token").click()
        return self.page.locator("#new-token").inner_text().strip()

    def launch(self, dataset_url: str, settings: dict[str, str]) -> None:
        """From the dataset's page, with the settings typed over the first preset's."""
        self.page.goto(dataset_url)
        self.page.get_by_role("link", name="Train on it").click()
        self.page.wait_for_url("**/runs/new/**")
        for path, value in settings.items():
            self.page.locator(f"[name='{path}']").fill(value)
        self.button("Launch run").click()
        self.page.wait_for_url(re.compile(r"/runs/\d+/$"))

    def watch_run(self) -> None:
        """Live progress, through a reload, to the end."""
        live = self.page.locator("#run-live")
        expect(live).to_have_attribute("data-state", "running", timeout=WORKER_MS)
        expect(live.locator(".stages__now")).to_be_visible(timeout=WORKER_MS)
        self.page.reload()
        expect(live.locator("progress")).to_be_visible(timeout=WORKER_MS)
        expect(self.page.locator("#plot-loss .plot-container")).to_be_visible(timeout=RUN_MS)
        expect(live).to_have_attribute("data-state", "finished", timeout=RUN_MS)

    def read_results(self) -> set[str]:
        """The evaluations that have a measure; the plots are drawn and have their tables."""
        self.page.get_by_role("heading", name="Evaluations").wait_for()
        plot = self.page.locator("#plot-margin-accuracy-plot")
        expect(plot.locator(".plot-container")).to_be_visible()
        plot.locator("summary").click()
        expect(plot.locator("tbody tr").first).to_be_visible()
        measured = self.page.locator(".table--reports tbody", has=self.page.locator("th[scope=row]"))
        return set(measured.locator(".reports__group span:first-child").all_inner_texts())


def by_token(url: str, secret: str) -> bytes:
    """What the API gives to whoever holds the token."""
    answer = requests.get(url, headers={"Authorization": f"Token {secret}"}, timeout=60)
    answer.raise_for_status()
    return answer.content


def unpacked(archive: Path, folder: Path) -> Path:
    """The one folder a tar file holds."""
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    (top,) = [path for path in folder.iterdir() if path.is_dir()]
    return top


def broken_file(folder: Path, lines: list[str]) -> Path:
    """The lines, one of them twice, one of identical responses, and a last one half-written."""
    same = json.dumps({"prompt": "Which?", "chosen": "This.", "rejected": "This."})
    file = folder / "preferences.jsonl"
    file.write_text("\n".join([*lines, lines[0], same, lines[1][:40]]), encoding="utf-8")
    return file


LOADS_MODEL = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
tokens = AutoTokenizer.from_pretrained(sys.argv[1])("Hello", return_tensors="pt")
made = model.generate(**tokens, max_new_tokens=3, min_new_tokens=3, do_sample=False)
print(json.dumps(int(made.shape[1] - tokens["input_ids"].shape[1])))
"""


def counts(text: str) -> dict[str, Any]:
    """`70\\nimported` in a page's text, as {"imported": 70, …}."""
    return {
        name: int(found.group(1).replace(",", ""))
        for name in ("imported", "duplicates skipped", "rejected")
        if (found := re.search(rf"([\d,]+)\s+{name}\b", text))
    }
