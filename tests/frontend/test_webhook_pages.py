"""The pages of webhooks: made with a secret shown once, changed, tried, and a log that can be sent again."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import Webhook, WebhookDelivery
from annotation.services import webhook_secrets, webhooks
from tests.frontend.conftest import Desk

pytestmark = [pytest.mark.either, pytest.mark.django_db]
URL = "https://hooks.example.org/new"


def page(name: str, desk: Desk, *more: int) -> str:
    return reverse(name, args=[desk.project.slug, *more])


def test_the_secret_is_shown_once_and_kept_by_no_cache(desk: Desk, owner_client: Client) -> None:
    sent = {"url": URL, "events": ["run.finished", "dataset.frozen"]}
    answer = owner_client.post(page("project-webhooks", desk), sent)
    made = Webhook.objects.get(url=URL)
    secret = webhook_secrets.decrypted(made.secret)
    assert secret in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    for again in (page("project-webhooks", desk), page("webhook", desk, made.pk)):
        assert secret not in owner_client.get(again).content.decode()


def test_a_wrong_address_is_refused_beside_its_field(desk: Desk, owner_client: Client) -> None:
    answer = owner_client.post(
        page("project-webhooks", desk), {"url": "ftp://x.example", "events": ["run.finished"]}
    )
    assert answer.status_code == 422
    assert "must begin with" in answer.context["form"].errors["url"][0]
    assert not Webhook.objects.exists()


def test_events_and_activity_are_changed(desk: Desk, owner_client: Client) -> None:
    hook = desk.webhook
    sent = {"url": URL, "events": ["run.finished"]}  # an unchecked box is not sent
    answer = owner_client.post(page("webhook", desk, hook.pk), sent, follow=True)
    hook.refresh_from_db()
    assert (hook.url, hook.events, hook.is_active) == (URL, ["run.finished"], False)
    assert "Paused" in answer.content.decode()


def test_a_new_secret_is_shown_in_its_answer_only(desk: Desk, owner_client: Client) -> None:
    hook = desk.webhook
    old = webhook_secrets.decrypted(hook.secret)
    answer = owner_client.post(page("webhook-rotate", desk, hook.pk))
    hook.refresh_from_db()
    new = webhook_secrets.decrypted(hook.secret)
    assert new != old
    assert new in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"


def test_the_log_says_what_came_back_and_sends_it_again(desk: Desk, owner_client: Client) -> None:
    hook, message = desk.delivery
    text = owner_client.get(page("webhook", desk, hook)).content.decode()
    assert "not today" in text
    assert "hx-get" not in text.partition('id="log"')[2].partition(">")[0]
    owner_client.post(page("webhook-redeliver", desk, hook, message))
    assert WebhookDelivery.objects.get(pk=message).state == "waiting"
    log = owner_client.get(page("webhook-log", desk, hook)).content.decode()
    assert "hx-get" in log.partition('id="log"')[2].partition(">")[0]
    assert reverse("webhook-redeliver", args=[desk.project.slug, hook, message]) in text
    assert "again/" not in log


def test_an_older_page_begins_where_the_newer_ended(desk: Desk, owner_client: Client) -> None:
    hook = desk.webhook
    for _ in range(30):
        webhooks.queue(hook, "ping", {}, timezone.now())
    first = owner_client.get(page("webhook", desk, hook.pk))
    second = owner_client.get(page("webhook", desk, hook.pk), {"before": first.context["older"]})
    seen = [row.pk for answer in (first, second) for row in answer.context["rows"]]
    assert seen == sorted(WebhookDelivery.objects.values_list("pk", flat=True), reverse=True)
    assert second.context["older"] is None


def test_a_test_message_waits_and_a_deleted_webhook_is_gone(desk: Desk, owner_client: Client) -> None:
    hook = desk.webhook
    owner_client.post(page("webhook-test", desk, hook.pk))
    assert hook.deliveries.filter(event="ping", state="waiting").count() == 1
    owner_client.post(page("webhook-delete", desk, hook.pk))
    assert not Webhook.objects.exists()
    assert owner_client.get(page("webhook", desk, hook.pk)).status_code == 404
