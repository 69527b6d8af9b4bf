"""Webhooks against a real receiver: signed, tried again, given up, never redirected, never led inside."""

from __future__ import annotations

import socket
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Verifier

from annotation.errors import Conflict, Invalid, NotAllowed
from annotation.models import AuditEntry, Project, Webhook, WebhookDelivery
from annotation.services import webhook_delivery, webhook_post, webhook_secrets, webhook_settings, webhooks
from tests.annotation.receiver import DRIPPING, receiver
from tests.cast import Cast

pytestmark = [pytest.mark.either, pytest.mark.django_db]
DATA = {"id": 3, "words": "naïve — 测试"}


def hook_to(cast: Cast, url: str, *events: str) -> tuple[Webhook, str]:
    wanted = events or ("dataset.frozen",)
    return webhook_settings.create(
        project=cast.project, url=url, events=wanted, by=cast.owner, at=timezone.now()
    )


def emitted(project: Project) -> WebhookDelivery:
    assert webhooks.emit(project=project, event="dataset.frozen", data=DATA, at=timezone.now()) == 1
    return WebhookDelivery.objects.latest("id")


def tried(delivery: WebhookDelivery) -> WebhookDelivery:
    """As if its time had come: due, and tried once."""
    WebhookDelivery.objects.filter(pk=delivery.pk).update(next_try_at=timezone.now())
    webhook_delivery.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def test_a_delivery_is_signed_as_the_scheme_says(cast: Cast) -> None:
    with receiver() as taken:
        _, secret = hook_to(cast, taken.url)
        done = tried(emitted(cast.project))
    headers, body = taken.got[0]
    payload: Any = Verifier(secret).verify(body, headers)
    assert payload["type"] == "dataset.frozen"
    assert payload["data"] == {"project": cast.project.slug, **DATA}
    assert headers["webhook-id"] == done.message_id
    assert (done.state, done.response_status, done.attempts) == ("delivered", 204, 1)


def test_what_was_rolled_back_was_never_told(cast: Cast) -> None:
    hook_to(cast, "https://hooks.example.org/")
    with transaction.atomic():
        emitted(cast.project)
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()


def test_only_those_who_asked_for_it_are_told(cast: Cast, django_assert_num_queries: Any) -> None:
    paused, _ = hook_to(cast, "https://hooks.example.org/paused")
    webhook_settings.update(webhook=paused, by=cast.owner, at=timezone.now(), is_active=False)
    hook_to(cast, "https://hooks.example.org/other", "run.finished")
    with django_assert_num_queries(1):
        assert not webhooks.emit(project=cast.project, event="dataset.frozen", data=DATA, at=timezone.now())


def test_a_failing_receiver_is_asked_again_by_the_schedule_and_then_given_up(cast: Cast) -> None:
    with receiver(500) as taken:
        hook_to(cast, taken.url)
        delivery, waits = emitted(cast.project), []
        while delivery.state == "waiting":
            tried(delivery)
            waits.append(delivery.next_try_at - timezone.now())
    assert delivery.state == "failed"
    assert len(taken.got) == delivery.attempts == len(webhook_delivery.SCHEDULE) + 1
    assert {headers["webhook-id"] for headers, _ in taken.got} == {delivery.message_id}
    for waited, planned in zip(waits, webhook_delivery.SCHEDULE, strict=False):
        assert abs(waited - planned) < timedelta(seconds=5)
    assert timedelta(days=3) < sum(webhook_delivery.SCHEDULE, timedelta()) < timedelta(days=4)
    assert (delivery.response_status, delivery.response_excerpt) == (500, "hello")


def test_a_message_in_a_workers_hands_is_no_other_workers_and_comes_back_when_it_dies(cast: Cast) -> None:
    with receiver() as taken:
        hook_to(cast, taken.url)
        delivery = emitted(cast.project)
        # What a worker leaves behind that dies between the claim and the sending.
        claimed_until = timezone.now() + webhook_delivery.CLAIMED
        WebhookDelivery.objects.filter(pk=delivery.pk).update(attempts=1, next_try_at=claimed_until)
        webhook_delivery.deliver(delivery.pk)
        assert not taken.got
        assert tried(delivery).state == "delivered"
    assert len(taken.got) == 1


def test_a_redirect_is_an_answer_that_is_not_followed(cast: Cast) -> None:
    with receiver(302) as taken:
        hook_to(cast, taken.url)
        assert tried(emitted(cast.project)).response_status == 302
    assert len(taken.got) == 1


@pytest.mark.parametrize("answer", [0, DRIPPING])
def test_a_receiver_that_never_ends_is_left_in_time(cast: Cast, monkeypatch: Any, answer: int) -> None:
    """Silent for ever, or a byte now and then so that no single read times out."""
    assert webhook_delivery.CLAIMED.total_seconds() > webhook_post.WHOLE_SECONDS  # nobody else takes it up
    monkeypatch.setattr(webhook_post, "WHOLE_SECONDS", 0.5)
    with receiver(answer) as taken:
        hook_to(cast, taken.url)
        delivery, began = emitted(cast.project), time.monotonic()
        tried(delivery)
        assert 0.4 < time.monotonic() - began < 5
    assert (delivery.state, delivery.response_status, delivery.attempts) == ("waiting", None, 1)
    assert delivery.response_excerpt.startswith("No answer within")
    assert delivery.next_try_at > timezone.now()
    timers = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    for one in timers:  # cancelled, and perhaps still about to end
        one.join(5)
    assert not [one for one in timers if one.is_alive()]


def test_gone_ends_the_webhook(cast: Cast) -> None:
    with receiver(410) as taken:
        hook, _ = hook_to(cast, taken.url)
        assert tried(emitted(cast.project)).state == "failed"
    # Read before the answer came: what is not asked to change stays as it is.
    webhook_settings.update(webhook=hook, by=cast.owner, at=timezone.now(), events=["run.finished"])
    hook.refresh_from_db()
    assert (hook.is_active, hook.events) == (False, ["run.finished"])


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::a9fe:a9fe]/",  # 169.254.169.254 through NAT64
        "https://[2002:7f00:1::]/",  # 127.0.0.1 through 6to4
        "https://[::127.0.0.1]/",
        "https://[fec0::1]/",
        "https://me:secret@hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://",
        "https://[bad/",
    ],
)
def test_production_takes_no_address_that_leads_inside(cast: Cast, settings: Any, url: str) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    with pytest.raises(Invalid) as refused:
        hook_to(cast, url)
    assert refused.value.fields["url"]


def test_a_name_that_leads_inside_is_found_out_before_anything_is_sent(cast: Cast, settings: Any) -> None:
    with receiver() as taken:
        hook, _ = hook_to(cast, taken.url)
        settings.WEBHOOK_ALLOW_PRIVATE = False
        Webhook.objects.filter(pk=hook.pk).update(url="https://localhost/hook/")
        delivery = tried(emitted(cast.project))
    assert "may not ask" in delivery.response_excerpt
    assert not taken.got


def names(monkeypatch: Any, name: str, *answers: list[str]) -> list[str]:
    """`name` resolves to each of `answers` in turn, as a name does that changes its mind; its look-ups."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != name:
            return real(host, port, *args, **kwargs)
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_the_connection_goes_to_the_address_that_was_checked(cast: Cast, monkeypatch: Any) -> None:
    """A second look-up would lead elsewhere; `Host` still says the name."""
    asked = names(monkeypatch, "hooks.example.org", ["127.0.0.1"], ["127.0.0.99"])
    with receiver() as taken:
        hook_to(cast, taken.url.replace("127.0.0.1", "hooks.example.org"))
        assert tried(emitted(cast.project)).state == "delivered"
        port = taken.url.rpartition(":")[2].partition("/")[0]
    assert asked == ["hooks.example.org"]
    assert taken.got[0][0]["host"] == f"hooks.example.org:{port}"


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1"])
def test_one_inside_address_among_public_ones_is_enough_to_refuse(
    cast: Cast, monkeypatch: Any, settings: Any, inside: str
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    names(monkeypatch, "hooks.example.org", ["93.184.216.34", inside])
    hook_to(cast, "https://hooks.example.org/")
    delivery = tried(emitted(cast.project))
    assert "may not ask" in delivery.response_excerpt
    assert delivery.response_status is None


def test_the_secret_is_kept_encrypted_and_rotated(cast: Cast, settings: Any) -> None:
    hook, secret = hook_to(cast, "https://hooks.example.org/")
    stored = Webhook.objects.get(pk=hook.pk).secret
    assert secret.startswith("whsec_")
    assert secret not in stored
    assert webhook_secrets.decrypted(stored) == secret
    new = webhook_settings.rotate(webhook=hook, by=cast.owner, at=timezone.now())
    assert new != secret
    settings.SECRET_KEY = "another key altogether, and long enough to be one"
    delivery = tried(emitted(cast.project))
    assert "Rotate" in delivery.response_excerpt
    assert delivery.state == "waiting"


def test_a_message_is_sent_again_under_its_own_id(cast: Cast) -> None:
    with receiver() as taken:
        hook_to(cast, taken.url)
        delivery = tried(emitted(cast.project))
        webhook_settings.redeliver(delivery=delivery, by=cast.owner, at=timezone.now())
        with pytest.raises(Conflict):
            webhook_settings.redeliver(delivery=delivery, by=cast.owner, at=timezone.now())
        tried(delivery)
    assert [headers["webhook-id"] for headers, _ in taken.got] == [delivery.message_id] * 2


def test_deeds_are_for_managers_and_leave_a_trace_without_the_secret(cast: Cast) -> None:
    hook, secret = hook_to(cast, "https://hooks.example.org/")
    with pytest.raises(NotAllowed):
        webhook_settings.ping(webhook=hook, by=cast.ann_one, at=timezone.now())
    webhook_settings.ping(webhook=hook, by=cast.admin, at=timezone.now())
    webhook_settings.delete(webhook=hook, by=cast.admin, at=timezone.now())
    entries = AuditEntry.objects.filter(verb__startswith="webhook.")
    verbs = [entry.verb for entry in entries.order_by("id")]
    assert verbs == ["webhook.created", "webhook.tested", "webhook.deleted"]
    assert not [entry for entry in entries if secret in str(entry.details)]
