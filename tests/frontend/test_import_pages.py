"""Starting imports, watching them, reading what they left out."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.test import Client
from django.urls import reverse

from annotation.models import PreferenceImport
from tests.cast import Cast, add_preferences
from tests.frontend.conftest import LINES, Desk, bring
from tests.frontend.test_project_pages import text

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def upload(client: Client, cast: Cast, name: str = "set.jsonl", data: bytes = LINES) -> Any:
    url = reverse("project-imports", args=[cast.project.slug])
    return client.post(url, {"kind": "file", "upload": SimpleUploadedFile(name, data)})


def test_an_upload_is_queued_and_its_page_watches_it(owner_client: Client, cast: Cast) -> None:
    answer = upload(owner_client, cast)
    started = PreferenceImport.objects.get()
    assert answer["Location"] == reverse("import-detail", args=[started.pk])
    page = text(owner_client.get(answer["Location"]))
    assert f'hx-get="{reverse("import-live", args=[started.pk])}"' in page
    assert "No worker is running" in page


def test_a_finished_import_is_no_longer_asked_for(owner_client: Client, desk: Desk) -> None:
    page = text(owner_client.get(reverse("import-live", args=[desk.done_import.pk])))
    assert "hx-get" not in page
    assert "Rejected rows" in page


def test_rejected_rows_stand_there_with_line_and_reason_and_as_csv(owner_client: Client, desk: Desk) -> None:
    found = desk.done_import
    assert (found.rows_imported, found.rows_rejected) == (1, 2)
    reasons = list(found.rejections.values_list("line", "reason"))
    assert [line for line, _ in reasons] == [2, 3]
    csv = b"".join(owner_client.get(reverse("import-rejections", args=[found.pk]))).decode()
    lines = csv.splitlines()
    assert lines[0] == "line,reason,excerpt"
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "3"]


def test_a_spreadsheet_does_not_run_what_stood_in_a_rejected_row(owner_client: Client, cast: Cast) -> None:
    found = bring(cast, b'=cmd|"/c calc"\n')
    csv = b"".join(owner_client.get(reverse("import-rejections", args=[found.pk]))).decode()
    assert ",\"'=cmd" in csv


def test_an_empty_cell_stays_empty(owner_client: Client, desk: Desk) -> None:
    desk.done_import.rejections.update(excerpt="")
    csv = b"".join(owner_client.get(reverse("import-rejections", args=[desk.done_import.pk]))).decode()
    assert "'" not in csv


class Watching(MemoryFileUploadHandler):
    """Notes that a file of a request is being received."""

    received: ClassVar[list[str]] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        self.received.append("a file")
        super().new_file(*args, **kwargs)


@pytest.mark.parametrize("who", ["nobody", "outsider", "ann_one"])
def test_a_file_of_somebody_who_may_not_import_is_not_even_received(
    cast: Cast, settings: Any, who: str
) -> None:
    settings.FILE_UPLOAD_HANDLERS = [f"{__name__}.Watching"]
    Watching.received.clear()
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "x" * 32  # made up: so that Django looks for the token in the form
    if who != "nobody":
        client.force_login(getattr(cast, who))
    assert upload(client, cast).status_code == {"nobody": 302, "outsider": 404, "ann_one": 403}[who]
    assert not Watching.received


@pytest.mark.parametrize(("name", "data"), [("set.exe", b"x"), ("empty.jsonl", b"")])
def test_a_file_that_is_none_is_refused_in_words(
    owner_client: Client, cast: Cast, name: str, data: bytes
) -> None:
    answer = upload(owner_client, cast, name, data)
    assert answer.status_code == 422
    assert answer.context["upload_form"].errors["upload"]
    assert not PreferenceImport.objects.exists()


def test_the_limit_is_stated_and_an_upload_over_it_is_refused_before_it_is_read(
    owner_client: Client, cast: Cast, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    page = owner_client.get(reverse("project-imports", args=[cast.project.slug]))
    assert "up to 100 bytes" in text(page)
    assert 'data-max-bytes="100"' in text(page)
    answer = upload(owner_client, cast)
    assert answer.status_code == 413
    assert "the limit is 100" in text(answer)


def test_a_hub_dataset_is_queued_with_what_was_typed(owner_client: Client, cast: Cast) -> None:
    typed = {"kind": "hub", "dataset": "trl-lib/tldr", "split": "train", "limit": "50"}
    answer = owner_client.post(reverse("project-imports", args=[cast.project.slug]), typed)
    started = PreferenceImport.objects.get()
    assert answer.status_code == 302
    assert started.source == {"dataset": "trl-lib/tldr", "config": "", "split": "train", "limit": 50}


def test_a_wrong_hub_id_is_refused_and_kept(owner_client: Client, cast: Cast) -> None:
    typed = {"kind": "hub", "dataset": "not an id!", "split": "test", "limit": ""}
    answer = owner_client.post(reverse("project-imports", args=[cast.project.slug]), typed)
    assert answer.status_code == 422
    assert answer.context["hub_form"].errors.keys() == {"dataset"}
    assert 'value="not an id!"' in text(answer)
    assert 'value="test"' in text(answer)
    assert not answer.context["upload_form"].errors


def test_a_failed_import_shows_why(owner_client: Client, desk: Desk) -> None:
    PreferenceImport.objects.update(state="failed", error="The file is not UTF-8 <at all>.")
    page = text(owner_client.get(reverse("import-detail", args=[desk.done_import.pk])))
    assert "The file is not UTF-8 &lt;at all&gt;." in page


def test_preferences_are_listed_with_split_and_scores_page_by_page(owner_client: Client, cast: Cast) -> None:
    add_preferences(cast.project, 30)
    add_preferences(cast.project, 3, split="heldout")
    url = reverse("project-preferences", args=[cast.project.slug])
    first, last = owner_client.get(url), owner_client.get(url, {"page": "2"})
    assert len(first.context["page"].object_list) == 25
    assert len(last.context["page"].object_list) == 8
    assert "scores" in text(first)
    heldout = owner_client.get(url, {"split": "heldout"})
    assert {item.split for item in heldout.context["page"]} == {"heldout"}
    assert "?split=train&amp;page=2" in text(owner_client.get(url, {"split": "train"}))


def test_imported_markup_is_shown_as_text(owner_client: Client, cast: Cast) -> None:
    nasty = b'{"prompt": "<script>alert(1)</script>", "chosen": "<img src=x onerror=y>", "rejected": "<b>"}\n'
    bring(cast, nasty, "<svg onload=z>.jsonl")
    for name in ("project-preferences", "project-imports", "project"):
        page = text(owner_client.get(reverse(name, args=[cast.project.slug])))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<svg onload" not in page
