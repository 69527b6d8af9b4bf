"""“My labels”, one answer, and the manager's list of all."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import Label
from annotation.services import assignments
from frontend.views import labels as views
from tests.annotation.playing import answer, label_everything
from tests.annotation.test_history import freeze
from tests.cast import NOW, Cast, add_preferences
from tests.frontend.conftest import signed_in

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def labelled(cast: Cast, size: int = 6) -> list[Label]:
    add_preferences(cast.project, size)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    return list(Label.objects.filter(annotator=cast.ann_one).order_by("-pk"))


def test_my_labels_shows_mine_newest_first_and_nobody_elses(cast: Cast) -> None:
    mine = labelled(cast)
    page = signed_in(cast.ann_one).get(reverse("my-labels", args=[cast.project.slug]))
    assert page.context["rows"] == mine
    assert b"secret" not in page.content


@pytest.mark.parametrize(
    ("who", "status"), [("outsider", 404), ("ann_two", 404), ("owner", 200), ("ann_one", 200)]
)
def test_an_answer_is_its_givers_and_the_managers(cast: Cast, who: str, status: int) -> None:
    label = labelled(cast)[0]
    client = signed_in(getattr(cast, who))
    assert client.get(reverse("label", args=[label.pk])).status_code == status
    if who != "ann_one":
        for name in ("label", "label-undo"):
            client.post(reverse(name, args=[label.pk]), {"verdict": "too_close", "key": uuid4()})
        label.refresh_from_db()
        assert label.is_current


def test_signed_out_people_are_asked_to_sign_in(cast: Cast, client: object) -> None:
    answer_ = client.get(reverse("my-labels", args=[cast.project.slug]))  # type: ignore[attr-defined]
    assert answer_.status_code == 302


def test_an_answer_is_changed_and_its_history_shown(cast: Cast) -> None:
    label = labelled(cast)[0]
    client = signed_in(cast.ann_one)
    sent = {"verdict": "cannot_judge", "key": str(uuid4()), "reason": "cut off"}
    for _ in range(2):
        page = client.post(reverse("label", args=[label.pk]), sent, follow=True)
        assert page.status_code == 200
    new = Label.objects.get(supersedes=label)
    assert (new.verdict, new.reason) == ("cannot_judge", "cut off")
    assert [event.kind for event in page.context["story"].events] == ["submitted", "edited"]


def test_an_answer_is_taken_back(cast: Cast) -> None:
    label = labelled(cast)[0]
    signed_in(cast.ann_one).post(reverse("label-undo", args=[label.pk]))
    label.refresh_from_db()
    assert not label.is_current


def test_a_frozen_answer_asks_for_the_reason_and_the_dataset_lists_the_correction(cast: Cast) -> None:
    label = labelled(cast)[0]
    dataset = freeze(cast, NOW + timedelta(hours=1))
    client = signed_in(cast.ann_one)
    sent = {"verdict": "cannot_judge", "key": str(uuid4())}
    refused = client.post(reverse("label", args=[label.pk]), sent)
    assert refused.status_code == 422
    assert b"Say why it is corrected" in refused.content
    asked = client.get(reverse("label", args=[label.pk])).content.decode()
    assert 'for="id_correction">Why it is corrected</label>' in asked  # where it says "(optional)" otherwise
    client.post(reverse("label", args=[label.pk]), {**sent, "correction": "A slip"})
    assert dataset.corrections.get().reason == "A slip"


def test_older_answers_follow_on_the_next_page(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PER_PAGE", 2)
    mine = labelled(cast)
    client = signed_in(cast.ann_one)
    url = reverse("my-labels", args=[cast.project.slug])
    first = client.get(url)
    second = client.get(f"{url}?before={first.context['older']}")
    assert [*first.context["rows"], *second.context["rows"]] == mine[:4]


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "²"])
def test_a_strange_place_in_the_list_is_its_beginning(cast: Cast, before: str) -> None:
    mine = labelled(cast)
    page = signed_in(cast.ann_one).get(reverse("my-labels", args=[cast.project.slug]), {"before": before})
    assert page.context["rows"] == mine


def test_managers_filter_all_labels(cast: Cast) -> None:
    mine = labelled(cast)
    client = signed_in(cast.admin)
    url = reverse("project-labels", args=[cast.project.slug])
    assert client.get(url, {"annotator": "ann_one"}).context["rows"] == mine
    one = client.get(url, {"comparison": mine[0].comparison_id})
    assert one.context["rows"] == [mine[0]]
    assert client.get(url, {"comparison": "x"}).context["rows"] == []
    assert all(
        row.verdict == "too_close" for row in client.get(url, {"verdict": "too_close"}).context["rows"]
    )


@pytest.mark.parametrize(("name", "who"), [("my-labels", "ann_one"), ("project-labels", "owner")])
def test_a_longer_list_asks_no_more_queries(cast: Cast, name: str, who: str) -> None:
    add_preferences(cast.project, 12)
    client, url = signed_in(getattr(cast, who)), reverse(name, args=[cast.project.slug])
    counts = []
    for _ in range(2):
        for _ in range(4):
            held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
            assert held
            answer(held)
        client.get(url)
        with CaptureQueriesContext(connection) as seen:
            client.get(url)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_only_answers_to_work_are_said_to_count(cast: Cast) -> None:
    labelled(cast, 3)
    work = Label.objects.filter(is_current=True).count()
    Label.objects.filter(pk=Label.objects.latest("pk").pk).update(kind="gold")
    page = signed_in(cast.owner).get(reverse("project-labels", args=[cast.project.slug])).content.decode()
    assert page.count(">Counts</span>") == work - 1
    assert page.count(">Gold</span>") == 1
