"""The manager's pages in Chromium: axe finds nothing, nothing overflows, the console stays silent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Label
from tests.browser.test_accessibility import LOOKS, findings, theme, width
from tests.frontend.conftest import LINES, Desk, bring, desk, folders, make_run
from tests.frontend.test_study_pages import computed
from training.models import RunEvent

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

    from annotation.models import User
    from tests.browser.conftest import Console
    from tests.cast import Cast

__all__ = ["desk", "folders", "theme", "width"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MARGINS = {
    "n": 4,
    "margin": [0.5, 1.0, 2.0],
    "lower": [0.5, 0.6, 0.75],
    "lower_n": [1, 2, 4],
    "upper": [0.75, 0.9, 1.0],
    "upper_n": [4, 3, 1],
    "histogram": {"edges": [0.0, 1.0, 2.0], "counts": [3, 1]},
}


@pytest.fixture
def manager(page: Page, cast: Cast, sign_in: Callable[[User], None], console: Console) -> Page:
    sign_in(cast.owner)
    return page


def addresses(desk: Desk) -> list[str]:
    """Every page a manager reads, with something on it."""
    slug, finished = desk.project.slug, desk.run
    finished.evaluations.create(
        name="cumulative_accuracy", result=MARGINS, dataset_sha256="ab", created_at=finished.created_at
    )
    found = [one.content_hash for one in desk.project.preferences.filter(split="train")[:3]]
    points = {"id": found, "score_margin": [0.5, 1.0, 2.0], "margin": [1.5, -0.5, 0.25]}
    correlated = {"n": 3, "pearson": -0.5, "spearman": -0.5, "points": points}
    finished.evaluations.create(
        name="margin_correlation", result=correlated, dataset_sha256="ab", created_at=finished.created_at
    )
    failed = make_run(desk.dataset, state="failed", stage="train", error="Out of memory.", hint="Use LoRA.")
    queued = make_run(desk.dataset, warnings=[{"code": "margin_inert", "message": "The margin is inert."}])
    mine = desk.label
    Label.objects.filter(pk=mine.pk).update(annotator=desk.cast.owner)
    of_project = ("project", "project-settings", "project-members", "project-imports", "project-preferences")
    read = ("project-labels", "project-quality", "project-audit", "my-labels")
    return [
        reverse("project-new"),
        reverse("tokens"),
        reverse("studies"),
        reverse("study", args=["k"]),
        *(reverse(name, args=[slug]) for name in (*of_project, *read, "datasets", "runs", "run-new")),
        *(reverse("label", args=[label.pk]) for label in (mine, desk.label)),
        reverse("project-webhooks", args=[slug]),
        reverse("dataset-pushes", args=[desk.dataset.pk]),
        reverse("webhook", args=[slug, desk.webhook.pk]),
        reverse("import-detail", args=[desk.done_import.pk]),
        reverse("dataset", args=[desk.dataset.pk]),
        *(reverse("run", args=[run.pk]) for run in (finished, failed, queued)),
        reverse("run-evaluate", args=[finished.pk]),
        reverse("run-preference", args=[finished.pk, found[0]]),
        reverse("leaderboard", args=[slug]),
        f"{reverse('compare', args=[slug])}?run={finished.pk}&run={failed.pk}",
    ]


def test_axe_finds_nothing_and_nothing_overflows(
    *,
    manager: Page,
    live_server: LiveServer,
    desk: Desk,
    theme: str,
    width: int,
    settings: Any,
    tmp_path: Path,
) -> None:
    settings.STUDY_DIR = tmp_path / "study"
    computed(settings.STUDY_DIR, "k")
    for path in addresses(desk):
        manager.goto(live_server.url + path)
        manager.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true; })")
        assert findings(manager, LOOKS if theme == "dark" else ()) == [], path
        assert manager.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("tab", ["project", "datasets", "project-settings"])
def test_the_open_tab_is_in_sight_on_a_phone(
    manager: Page, live_server: LiveServer, desk: Desk, tab: str
) -> None:
    manager.set_viewport_size({"width": 390, "height": 844})
    manager.goto(live_server.url + reverse(tab, args=[desk.project.slug]))
    expect(manager.locator(".tabs [aria-current=page]")).to_be_in_viewport(ratio=0.95)


def test_plots_are_drawn_under_the_strict_policy_with_titles_and_tables(
    manager: Page, live_server: LiveServer, desk: Desk
) -> None:
    addresses(desk)
    manager.goto(live_server.url + reverse("run", args=[desk.run.pk]))
    expect(manager.locator("#plot-loss .plot-container")).to_be_visible()
    expect(manager.locator("#plot-margin-accuracy-plot .plot-container")).to_be_visible()
    loss = manager.locator("#plot-loss")
    loss.locator("summary").click()
    expect(loss.get_by_role("row")).to_have_text(["optimizer steptraining loss", "10.7", "20.35"])
    expect(loss.locator(".plot__canvas")).to_have_accessible_name(
        "Loss, nats. Latest: training loss 0.35 at optimizer step 2. The data table below has the values."
    )
    scatter = manager.locator("#plot-margin-scatter")
    scatter.locator("summary").click()
    worst = scatter.get_by_role("link").first
    expect(scatter.get_by_role("row").nth(1)).to_contain_text("-0.5")
    behind = worst.get_attribute("href") or ""
    scatter.locator(".points path").last.click(force=True)  # the layer above takes clicks: Plotly's own
    manager.wait_for_url(live_server.url + behind)
    expect(manager.get_by_text("The model prefers the rejected response.")).to_be_visible()


def test_a_run_moves_without_a_reload_and_ends_by_itself(
    manager: Page, live_server: LiveServer, desk: Desk
) -> None:
    run = make_run(desk.dataset, state="running", slot="a/0", stage="train")
    manager.goto(live_server.url + reverse("run", args=[run.pk]))
    expect(manager.get_by_text("No metrics yet")).to_be_visible()
    RunEvent.objects.create(
        run=run,
        seq=1,
        kind="metrics",
        step=1,
        at=run.created_at,
        data={"loss": 0.6931, "rewards/margins": 0.0},
    )
    type(run).objects.filter(pk=run.pk).update(step=1, latest={"loss": 0.6931})
    expect(manager.get_by_text("0.6931")).to_be_visible(timeout=15_000)
    expect(manager.locator("#plot-margins .plot-container")).to_be_visible(timeout=15_000)
    type(run).objects.filter(pk=run.pk).update(state="finished")
    expect(manager.get_by_role("heading", name="Evaluations")).to_be_visible(timeout=15_000)


def test_the_method_brings_its_parameters_and_what_was_typed_stays(
    manager: Page, live_server: LiveServer, desk: Desk
) -> None:
    manager.goto(live_server.url + reverse("run-new", args=[desk.project.slug]))
    manager.get_by_label("β").fill("0.31")
    manager.get_by_label("Loss", exact=True).select_option("dpo_margin")
    expect(manager.get_by_label("Margin", exact=True)).to_be_visible()
    expect(manager.get_by_label("β")).to_have_value("0.31")
    expect(manager.locator("#spec")).to_contain_text('"slug": "dpo_margin"')
    manager.get_by_role("combobox", name="Base model").fill("some/model")
    expect(manager.get_by_label("Hidden size")).to_be_hidden()
    expect(manager.get_by_label("LoRA rank")).to_be_hidden()
    manager.get_by_label("Use it").check()
    expect(manager.get_by_label("LoRA rank")).to_be_visible()


def test_a_file_over_the_limit_is_not_even_sent(
    *, manager: Page, live_server: LiveServer, desk: Desk, settings: object
) -> None:
    settings.MAX_UPLOAD_BYTES = 10_000  # type: ignore[attr-defined]
    manager.goto(live_server.url + reverse("project-imports", args=[desk.project.slug]))
    big = {"name": "big.jsonl", "mimeType": "application/json", "buffer": b"x" * 20_000}
    manager.get_by_label("File", exact=True).set_input_files(big)  # type: ignore[arg-type]
    manager.get_by_role("button", name="Import file").click()
    expect(manager.get_by_text("Split the file")).to_be_visible()
    assert manager.url.endswith("/imports/")


def test_a_wrong_file_is_refused_in_words_beside_the_field(
    *, manager: Page, live_server: LiveServer, desk: Desk, console: Console
) -> None:
    console.expected = ("422",)
    manager.goto(live_server.url + reverse("project-imports", args=[desk.project.slug]))
    odd = {"name": "letter.docx", "mimeType": "text/plain", "buffer": b"Dear all"}
    manager.get_by_label("File", exact=True).set_input_files(odd)  # type: ignore[arg-type]
    manager.get_by_role("button", name="Import file").click()
    expect(manager.get_by_text("The kind of file cannot be told from its name")).to_be_visible()
    expect(manager.get_by_role("button", name="Import file")).to_be_enabled()


def test_deleting_asks_and_no_means_no(manager: Page, live_server: LiveServer, desk: Desk) -> None:
    manager.goto(live_server.url + reverse("run", args=[desk.run.pk]))
    asked: list[str] = []

    def refuse(dialog: object) -> None:
        asked.append(dialog.message)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    manager.on("dialog", refuse)
    manager.get_by_role("button", name="Delete").click()
    assert asked
    assert type(desk.run).objects.filter(pk=desk.run.pk).exists()


def test_the_page_of_an_import_follows_it(manager: Page, live_server: LiveServer, desk: Desk) -> None:
    found = bring(desk.cast, LINES.replace(b"blue", b"grey"))
    type(found).objects.filter(pk=found.pk).update(state="running", bytes_done=10)
    manager.goto(live_server.url + reverse("import-detail", args=[found.pk]))
    expect(manager.locator("#import .badge").first).to_have_text("Running")
    type(found).objects.filter(pk=found.pk).update(state="done")
    expect(manager.locator("#import .badge").first).to_have_text("Done", timeout=15_000)


def test_a_double_click_freezes_once(manager: Page, live_server: LiveServer, desk: Desk) -> None:
    manager.goto(live_server.url + reverse("datasets", args=[desk.project.slug]))
    manager.get_by_role("button", name="Freeze").dblclick()
    manager.wait_for_url("**/datasets/*/")
    assert desk.project.datasets.count() == 2


def test_a_session_that_ends_while_a_page_is_open_leads_to_the_sign_in_form(
    manager: Page, live_server: LiveServer, desk: Desk
) -> None:
    run = make_run(desk.dataset, state="running", slot="a/0", stage="train")
    manager.goto(live_server.url + reverse("run", args=[run.pk]))
    manager.context.clear_cookies()
    manager.wait_for_url("**/login/?next=*", timeout=15_000)
    expect(manager.get_by_role("heading", name="Sign in")).to_be_visible()
