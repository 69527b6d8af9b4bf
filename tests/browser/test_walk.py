"""The main job, end to end, in two browsers: from a file of preferences to a trained model that loads.

Real processes: gunicorn, a Celery worker, the engine. PostgreSQL and Redis where they answer, else embedded.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import redis
from playwright.sync_api import expect

from tests.browser import walking
from tests.browser.labelling import Labelling
from tests.browser.walking import Admin
from tests.live import PYTHON, LiveStack, stack
from tests.services import POSTGRES_URL, REDIS_URL, missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from annotation.models import Project
    from tests.browser.conftest import Console

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

PREFERENCES = 70
SMALL_RUN = {
    "model.tiny.hidden_size": "32",
    "model.tiny.layers": "2",
    "model.tiny.heads": "2",
    "model.tiny.sft_steps": "600",  # some ten seconds: the page looks every two
    "training.epochs": "20",
    "training.max_length": "128",
    "training.save_steps": "10",
}


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """An empty Redis database of the test's own, or the filesystem."""
    if "redis" in missing():
        yield "filesystem://"
        return
    server = REDIS_URL.rpartition("/")[0]
    for number in range(15, 0, -1):
        with redis.Redis.from_url(f"{server}/{number}") as client:
            # Whoever sets the mark has the database: two walks at once take two.
            if client.dbsize() == 0 and client.set("walk", 1, nx=True):
                yield f"{server}/{number}"
                client.flushdb()
                return
    yield "filesystem://"


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveStack]:
    if "postgres" not in missing():
        monkeypatch.setenv("DATABASE_URL", POSTGRES_URL)
    with broker() as url, stack(tmp_path / "live", url) as served:
        served.manage("collectstatic", "--noinput", "-v0")
        served.code(
            "from annotation.services import accounts;"
            f"accounts.ensure('ada', {walking.PASSWORD!r}, can_create_projects=True); print('null')"
        )
        served.start_web()
        served.start_worker()
        yield served


def label_a_few(page: Page, link: str, base: str, slug: str) -> None:
    """Somebody new follows the link, makes an account, labels with keys and mouse, and takes one back."""
    page.goto(link)
    page.get_by_label("User name").fill("grace")
    for field in page.locator("input[type=password]").all():
        field.fill(walking.PASSWORD)
    page.get_by_role("button", name="Make an account and join").click()
    page.wait_for_url(f"{base}/")
    labelling = Labelling(page, base, cast("Project", SimpleNamespace(slug=slug)))
    labelling.open()
    labelling.press("1")
    labelling.click("B is stronger")
    labelling.press("0")
    labelling.press("z")
    labelling.press("2")
    labelling.all_sent()


def test_from_a_file_to_a_model_that_loads(
    *, live: LiveStack, page: Page, browser: Browser, console: Console, tmp_path: Path
) -> None:
    admin = Admin(page, live.url)
    admin.sign_in("ada")
    admin.create_project("The walk")
    file = walking.broken_file(tmp_path, walking.scored_lines(PREFERENCES))
    expected = {"imported": PREFERENCES, "duplicates skipped": 1, "rejected": 2}
    assert walking.counts(admin.import_file(file)) == expected
    link = admin.invite()

    with browser.new_context(viewport={"width": 1440, "height": 900}) as second:
        second.on("page", console.watch)
        label_a_few(second.new_page(), link, live.url, admin.slug)

    admin.tab("Overview")
    expect(page.locator(".funnel__value").nth(2)).to_have_text("3")
    live.manage("simulate_annotators", admin.slug, "--annotators", "4", "--labels", "400", "--noise", "0.1")
    admin.watch_labels_rise()
    expect(page.get_by_role("row", name="grace")).to_be_visible()

    sha256 = admin.freeze("First pass")
    dataset_url = page.url
    downloaded = admin.download(page.get_by_role("link", name="JSON Lines"), tmp_path)
    check_rows(downloaded, admin, dataset_url, sha256, tmp_path)

    admin.launch(dataset_url, SMALL_RUN)
    admin.watch_run()
    measures = admin.read_results()
    assert {"Pair accuracy", "Margin correlation", "PoP accuracy"} <= measures
    archive = admin.download(page.get_by_role("link", name="Download ("), tmp_path)
    model = walking.unpacked(archive, tmp_path / "model")
    assert sha256 in (model / "README.md").read_text(encoding="utf-8")
    assert loads(model, live)


def check_rows(file: Path, admin: Admin, dataset_url: str, sha256: str, tmp_path: Path) -> None:
    """What the browser saved is what the API gives to a token, and `datasets` reads it."""
    from datasets import load_dataset

    number = dataset_url.rstrip("/").rpartition("/")[2]
    secret = admin.make_token()
    url = f"{admin.base}/api/v1/datasets/{number}"
    assert walking.by_token(f"{url}/download?format=jsonl", secret) == file.read_bytes()
    assert sha256 in walking.by_token(f"{url}/", secret).decode()
    rows = load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == file.read_text(encoding="utf-8").count("\n") > 50
    assert {"strong_prompt", "weak_chosen", "split", "confidence"} <= set(rows.column_names)
    assert set(rows["split"]) == {"train", "heldout"}


def loads(model: Path, live: LiveStack) -> bool:
    """A process of its own: transformers reads the folder and the model says three tokens more."""
    done = subprocess.run(
        [PYTHON, "-c", walking.LOADS_MODEL, str(model)],
        env=live.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1] == "3"
