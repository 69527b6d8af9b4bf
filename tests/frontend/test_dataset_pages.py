"""Freezing, looking at what was frozen, taking it home, deleting it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Comparison, PopDataset
from annotation.services import datasets
from tests.cast import Cast
from tests.frontend.conftest import Desk
from tests.frontend.test_project_pages import text

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def download(client: Client, dataset: PopDataset, kind: str) -> tuple[Any, bytes]:
    answer = client.get(reverse("dataset-download", args=[dataset.pk, kind]))
    return answer, b"".join(answer)


def test_freezing_leads_to_the_datasets_page_which_watches_it(owner_client: Client, desk: Desk) -> None:
    url = reverse("datasets", args=[desk.project.slug])
    answer = owner_client.post(url, {"name": "Second", "max_rows_per_strong": "1", "min_confidence": "0.5"})
    made = PopDataset.objects.get(name="Second")
    assert answer["Location"] == reverse("dataset", args=[made.pk])
    assert made.options == {"max_rows_per_strong": 1, "min_confidence": 0.5}
    assert f'hx-get="{reverse("dataset-live", args=[made.pk])}"' in text(owner_client.get(answer["Location"]))


@pytest.mark.parametrize(("most", "least"), [("", "0"), ("1", "0"), ("2", "0.5"), ("", "1")])
def test_the_preview_counts_what_the_freeze_then_gives(
    owner_client: Client, desk: Desk, most: str, least: str
) -> None:
    typed = {"max_rows_per_strong": most, "min_confidence": least}
    preview = owner_client.get(reverse("freeze-preview", args=[desk.project.slug]), typed).context["preview"]
    owner_client.post(reverse("datasets", args=[desk.project.slug]), typed)
    made = PopDataset.objects.latest("pk")
    datasets.run_freeze(made.pk)
    made.refresh_from_db()
    assert (preview.rows, preview.heldout) == (made.row_count, made.heldout_row_count)
    assert preview.rows > 0
    decided = Comparison.objects.filter(pool__project=desk.project, outcome__in=["low", "high"]).count()
    assert preview.left_out == decided - made.row_count


def test_every_option_can_be_chosen_on_the_page(owner_client: Client, desk: Desk) -> None:
    url = reverse("datasets", args=[desk.project.slug])
    typed = {
        "consensus": "dawid_skene", "include_ties": "on", "resplit_share": "0.25", "resplit_seed": "3",
        "inferred_at_least": "0.9", "inferred_per_strong": "4", "noise": "0.1", "noise_seed": "7",
        "min_confidence": "0",
    }  # fmt: skip
    page = text(owner_client.get(url))
    assert all(f'name="{name}"' in page for name in typed)
    preview = owner_client.get(reverse("freeze-preview", args=[desk.project.slug]), typed).context["preview"]
    answer = owner_client.post(url, typed)
    made = PopDataset.objects.latest("pk")
    assert answer["Location"] == reverse("dataset", args=[made.pk])
    datasets.run_freeze(made.pk)
    made.refresh_from_db()
    numbers = {"resplit_share": 0.25, "resplit_seed": 3, "inferred_at_least": 0.9, "inferred_per_strong": 4}
    rest = {"consensus": "dawid_skene", "include_ties": True, "noise": 0.1, "noise_seed": 7}
    assert made.options == {"max_rows_per_strong": None, "min_confidence": 0.0, **numbers, **rest}
    assert preview.rows == made.row_count
    assert "dawid_skene" in text(owner_client.get(reverse("dataset", args=[made.pk])))
    wrong = owner_client.post(url, {"min_confidence": "0", "noise": "0.7"})
    assert (wrong.status_code, list(wrong.context["form"].errors)) == (422, ["noise"])


def test_freezing_without_labels_is_refused_and_keeps_what_was_typed(
    owner_client: Client, cast: Cast
) -> None:
    typed = {"name": "Too early", "min_confidence": "0.25"}
    answer = owner_client.post(reverse("datasets", args=[cast.project.slug]), typed)
    assert answer.status_code == 422
    assert "There is nothing to freeze yet" in text(answer)
    assert 'value="Too early"' in text(answer)
    assert 'value="0.25"' in text(answer)
    assert not PopDataset.objects.exists()


def test_a_frozen_dataset_shows_its_hash_rows_and_snippets_with_its_own_id(
    owner_client: Client, desk: Desk
) -> None:
    answer = owner_client.get(reverse("dataset", args=[desk.dataset.pk]))
    page = text(answer)
    assert desk.dataset.sha256 in page
    assert f"/api/v1/datasets/{desk.dataset.pk}/download?format=jsonl" in page
    assert "load_dataset(&quot;json&quot;" in page
    assert 0 < len(answer.context["rows"]) <= 5
    assert "hx-get" not in page.partition("<main")[2]
    assert reverse("run", args=[desk.run.pk]) in page


def test_downloads_hold_every_row(owner_client: Client, desk: Desk) -> None:
    answer, lines = download(owner_client, desk.dataset, "jsonl")
    rows = [json.loads(line) for line in lines.decode().splitlines()]
    assert len(rows) == desk.dataset.row_count
    assert ".jsonl" in answer["Content-Disposition"]
    _, table = download(owner_client, desk.dataset, "parquet")
    assert pq.read_table(io.BytesIO(table)).num_rows == desk.dataset.row_count
    _, canonical = download(owner_client, desk.dataset, "canonical")
    assert "manifest.json" in {
        name.rpartition("/")[2] for name in zipfile.ZipFile(io.BytesIO(canonical)).namelist()
    }


def test_an_unknown_format_is_not_found(owner_client: Client, desk: Desk) -> None:
    assert owner_client.get(reverse("dataset-download", args=[desk.dataset.pk, "xls"])).status_code == 404


def test_a_dataset_that_is_not_frozen_says_so_instead_of_a_download(owner_client: Client, desk: Desk) -> None:
    PopDataset.objects.update(state="failed", error="The disk is full.")
    url = reverse("dataset-download", args=[desk.dataset.pk, "jsonl"])
    page = text(owner_client.get(url, follow=True))
    assert "not frozen" in page
    assert "The disk is full." in page


def test_a_dataset_with_runs_is_not_deleted_and_the_page_says_why(owner_client: Client, desk: Desk) -> None:
    page = text(owner_client.post(reverse("dataset-delete", args=[desk.dataset.pk]), follow=True))
    assert "Training runs use this dataset" in page
    assert PopDataset.objects.filter(pk=desk.dataset.pk).exists()
    desk.run.delete()
    owner_client.post(reverse("dataset-delete", args=[desk.dataset.pk]))
    assert not PopDataset.objects.filter(pk=desk.dataset.pk).exists()


def test_a_dataset_whose_files_are_gone_still_has_a_page(owner_client: Client, desk: Desk) -> None:
    PopDataset.objects.update(folder="datasets/gone")
    answer = owner_client.get(reverse("dataset", args=[desk.dataset.pk]))
    assert answer.status_code == 200
    assert answer.context["rows"] == []
