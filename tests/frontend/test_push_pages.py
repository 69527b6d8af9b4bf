"""The page that pushes a dataset: a form whose token is never shown again, and how the pushes went."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import DatasetPush
from tests.frontend.conftest import Desk

pytestmark = [pytest.mark.either, pytest.mark.django_db]
SENT = {"repo_id": "acme/tone", "token": "hf_of_somebody", "private": "on"}


def test_a_push_is_asked_for_once_and_watched(desk: Desk, owner_client: Client) -> None:
    url = reverse("dataset-pushes", args=[desk.dataset.pk])
    assert url in owner_client.get(reverse("dataset", args=[desk.dataset.pk])).content.decode()
    page = owner_client.post(url, SENT, follow=True).content.decode()
    push = DatasetPush.objects.get()
    assert (push.repo_id, push.private, push.state) == ("acme/tone", True, "queued")
    assert "hf_of_somebody" not in page + push.sealed_token
    assert reverse("pushes-live", args=[desk.dataset.pk]) in page
    again = owner_client.post(url, SENT)
    assert again.status_code == 422
    assert "under way" in again.content.decode()
    assert "hf_of_somebody" not in again.content.decode()


def test_the_button_is_free_again_when_a_push_has_ended(desk: Desk, owner_client: Client) -> None:
    owner_client.post(reverse("dataset-pushes", args=[desk.dataset.pk]), SENT)
    live = reverse("pushes-live", args=[desk.dataset.pk])
    button = 'id="push-button" type="submit"{} hx-swap-oob="true"'
    assert button.format(" disabled") in owner_client.get(live).content.decode()
    DatasetPush.objects.update(state="done")
    assert button.format("") in owner_client.get(live).content.decode()


def test_how_it_ended_is_said(desk: Desk, owner_client: Client) -> None:
    url = reverse("dataset-pushes", args=[desk.dataset.pk])
    owner_client.post(url, SENT)
    DatasetPush.objects.update(state="failed", error="The Hub does not let this token write to acme/tone.")
    page = owner_client.get(url).content.decode()
    assert "does not let this token write" in page
    assert "hx-get" not in page.partition('id="pushes"')[2].partition(">")[0]
