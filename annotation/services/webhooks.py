"""Tells other programs what happened: deliveries are rows, written in the transaction of the deed itself."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from django.utils import timezone

from annotation.models import Project, Webhook, WebhookDelivery
from annotation.services import doorbell

TASK = "annotation.tasks.deliver_webhook"
# What a webhook can be told of, and when.
EVENTS = {
    "labels.target_reached": "A project has the rows it asked for, or nothing is left to draw.",
    "dataset.frozen": "A dataset is frozen and can be downloaded.",
    "run.finished": "A training run has ended: finished, failed or cancelled.",
}
PING = "ping"  # sent on request only, to whoever is tested


def emit(*, project: Project, event: str, data: dict[str, Any], at: datetime) -> int:
    """Queue the event for every active webhook of the project that wants it; how many there are.

    Call it inside the transaction of the deed: what is rolled back was never told.
    """
    if event not in EVENTS:
        raise ValueError(f"{event} is no event; known: {', '.join(EVENTS)}")
    active = Webhook.objects.filter(project=project, is_active=True)
    wanted = [hook for hook in active if event in hook.events]
    for hook in wanted:
        queue(hook, event, {"project": project.slug, **data}, at)
    return len(wanted)


def queue(hook: Webhook, event: str, data: dict[str, Any], at: datetime) -> WebhookDelivery:
    """One delivery, waiting; the worker is told once the transaction is through."""
    return _queued(hook, event, data, at, f"msg_{secrets.token_hex(16)}")[0]


def queue_once(hook: Webhook, event: str, data: dict[str, Any], at: datetime, *, message_id: str) -> bool:
    """The same unless there is a delivery of this id already; whether there was none."""
    return _queued(hook, event, data, at, message_id)[1]


def _queued(
    hook: Webhook, event: str, data: dict[str, Any], at: datetime, message_id: str
) -> tuple[WebhookDelivery, bool]:
    fields = {
        "webhook": hook,
        "event": event,
        "payload": {"type": event, "timestamp": at.isoformat(), "data": data},
        "next_try_at": at,
        "created_at": timezone.now(),
    }
    made, is_new = WebhookDelivery.objects.get_or_create(message_id=message_id, defaults=fields)
    if is_new:
        doorbell.ring_on_commit(TASK, made.pk)
    return made, is_new
