"""Asking for more from the settings page, and a dataset whose labels were corrected since."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from annotation.models import Label
from annotation.services import history, projects, raising
from tests.annotation.playing import label_everything
from tests.annotation.test_history import freeze
from tests.cast import NOW, Cast, add_preferences
from tests.frontend.conftest import signed_in

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def labelled(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    label_everything(cast.project, [cast.ann_one])


def test_the_cost_is_shown_before_it_is_asked_for(cast: Cast) -> None:
    labelled(cast)
    client, url = signed_in(cast.owner), reverse("raise-preview", args=[cast.project.slug])
    same = client.get(url, {"k": 2, "attempt_cap": 3, "labels_per_comparison": 1}).context["estimate"]
    twice = client.get(url, {"k": 2, "attempt_cap": 3, "labels_per_comparison": 2}).context["estimate"]
    assert same.more == 0 < twice.more
    assert client.get(url, {"k": "x"}).context["estimate"] is None
    fewer = client.get(url, {"k": 1, "attempt_cap": 3, "labels_per_comparison": 1})
    assert b"can only be raised now" in fewer.content
    assert projects.update(project=cast.project, by=cast.owner, at=NOW).labels_per_comparison == 1


def test_the_overview_shows_how_far_the_raise_is_until_it_is_done(cast: Cast) -> None:
    labelled(cast)
    client, url = signed_in(cast.owner), reverse("project", args=[cast.project.slug])
    assert client.get(url).context["raise"] is None
    projects.update(project=cast.project, by=cast.owner, at=NOW, labels_per_comparison=2)
    page = client.get(url)
    assert (page.context["raise"].done, page.context["raise"].total) == (0, Label.objects.count())
    assert b"Bringing comparisons in line" in page.content
    raising.run(cast.project.pk)
    assert client.get(url).context["raise"] is None


def test_a_dataset_says_what_was_corrected_since(cast: Cast) -> None:
    labelled(cast)
    dataset = freeze(cast, NOW + timedelta(days=1))
    client, url = signed_in(cast.owner), reverse("dataset", args=[dataset.pk])
    assert b"corrected since" not in client.get(url).content
    label = Label.objects.filter(is_current=True)[0]
    history.undo(label_id=label.pk, by=cast.ann_one, at=NOW + timedelta(days=2), correction="A slip")
    page = client.get(url).content.decode()
    assert "1 label corrected since it was frozen" in page
    assert "A slip" in page
    dataset.refresh_from_db()
    assert dataset.sha256 == "0" * 64
