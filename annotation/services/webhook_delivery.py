"""Sends what waits: claimed by a conditional UPDATE, signed, tried again by the recommended schedule."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from annotation.errors import Conflict
from annotation.models import Webhook, WebhookDelivery
from annotation.services import doorbell, webhook_post, webhook_secrets
from annotation.services.webhooks import TASK

State = WebhookDelivery.State
# How long after each try the next one comes (Standard Webhooks, "Deliverability and reliability"): 3 days.
SCHEDULE = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
CLAIMED = timedelta(seconds=60)  # a worker that dies over it loses it after so long
GONE = 410  # "do not send me this any more"


def deliver(delivery_id: int) -> None:
    """Try once, if the row is due and nobody else is at it. Safe to call twice and after a crash."""
    now = timezone.now()
    due = WebhookDelivery.objects.filter(
        pk=delivery_id, state=State.WAITING, next_try_at__lte=now, webhook__is_active=True
    )
    if not due.update(next_try_at=now + CLAIMED, attempts=F("attempts") + 1):
        return
    claimed = WebhookDelivery.objects.select_related("webhook").get(pk=delivery_id)
    try:
        answer = _send(claimed, now)
    except webhook_post.Unreachable as error:
        _note(claimed, None, str(error))
    except Conflict as error:  # the secret cannot be read
        _note(claimed, None, error.message)
    else:
        _note(claimed, answer.status, answer.excerpt)


def ring_due(at: datetime) -> int:
    """Ring for deliveries whose time has come."""
    due = WebhookDelivery.objects.filter(
        state=State.WAITING, next_try_at__lte=at, webhook__is_active=True
    ).order_by("next_try_at")
    return doorbell.ring_all(TASK, list(due.values_list("pk", flat=True)[:200]))


def _send(claimed: WebhookDelivery, at: datetime) -> webhook_post.Answer:
    body = json.dumps(claimed.payload, separators=(",", ":"), ensure_ascii=False).encode()
    secret = webhook_secrets.decrypted(claimed.webhook.secret)
    stamp = int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "PoP-Studio-Webhooks/1",
        "webhook-id": claimed.message_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": webhook_secrets.signature(secret, claimed.message_id, stamp, body),
    }
    return webhook_post.post(claimed.webhook.url, body, headers)


def _note(claimed: WebhookDelivery, status: int | None, excerpt: str) -> None:
    """Write down how it went; only while the row is still this try's."""
    mine = WebhookDelivery.objects.filter(pk=claimed.pk, state=State.WAITING, attempts=claimed.attempts)
    now = timezone.now()
    # NUL is text to a receiver, not to PostgreSQL.
    seen = {"response_status": status, "response_excerpt": excerpt.replace("\0", " ")[:500]}
    if status is not None and 200 <= status < 300:
        mine.update(state=State.DELIVERED, delivered_at=now, **seen)
    elif status == GONE:
        mine.update(state=State.FAILED, **seen)
        Webhook.objects.filter(pk=claimed.webhook_id).update(is_active=False)
    elif claimed.attempts > len(SCHEDULE):
        mine.update(state=State.FAILED, **seen)
    else:
        mine.update(next_try_at=now + SCHEDULE[claimed.attempts - 1], **seen)
