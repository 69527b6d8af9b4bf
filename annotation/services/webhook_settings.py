"""A manager's deeds on webhooks: make, change, delete, a new secret, a test, the same message again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from annotation import rules
from annotation.errors import Conflict, Invalid, NotFound
from annotation.models import Project, User, Webhook, WebhookDelivery
from annotation.services import audit, doorbell, webhook_post, webhook_secrets, webhooks

MOST = 20  # webhooks a project may have
State = WebhookDelivery.State


@transaction.atomic
def create(
    *, project: Project, url: str, events: Iterable[str], by: User, at: datetime
) -> tuple[Webhook, str]:
    """Make a webhook; its secret is given here and never again.

    Raises:
        Invalid: an address or events that won't do, or too many webhooks.
    """
    rules.check_manage(by, project)
    wanted = _checked(url, events)
    if Webhook.objects.filter(project=project).count() >= MOST:
        raise Conflict("too_many_webhooks", f"A project may have {MOST} webhooks: delete one first.")
    secret = webhook_secrets.new()
    made = Webhook.objects.create(
        project=project,
        url=url,
        events=wanted,
        secret=webhook_secrets.encrypted(secret),
        created_by=by,
        created_at=at,
    )
    _audit(made, "webhook.created", by, at, {"events": wanted})
    return made, secret


@transaction.atomic
def update(
    *,
    webhook: Webhook,
    by: User,
    at: datetime,
    url: str | None = None,
    events: Iterable[str] | None = None,
    is_active: bool | None = None,
) -> Webhook:
    """Change what is given. What waits goes to the new address; a paused webhook's messages wait on."""
    rules.check_manage(by, webhook.project)
    fresh = _locked(webhook)
    fresh.url = fresh.url if url is None else url
    fresh.events = _checked(fresh.url, fresh.events if events is None else events)
    fresh.is_active = fresh.is_active if is_active is None else is_active
    fresh.save(update_fields=["url", "events", "is_active"])
    _audit(fresh, "webhook.changed", by, at, {"events": fresh.events, "active": fresh.is_active})
    return fresh


@transaction.atomic
def delete(*, webhook: Webhook, by: User, at: datetime) -> None:
    """Delete a webhook and its log."""
    rules.check_manage(by, webhook.project)
    _audit(webhook, "webhook.deleted", by, at)
    webhook.delete()


@transaction.atomic
def rotate(*, webhook: Webhook, by: User, at: datetime) -> str:
    """A new secret; from now on everything is signed by it, retries too."""
    rules.check_manage(by, webhook.project)
    fresh, secret = _locked(webhook), webhook_secrets.new()
    fresh.secret = webhook_secrets.encrypted(secret)
    fresh.save(update_fields=["secret"])
    _audit(fresh, "webhook.secret_rotated", by, at)
    return secret


@transaction.atomic
def ping(*, webhook: Webhook, by: User, at: datetime) -> WebhookDelivery:
    """Queue a test message.

    Raises:
        Conflict: the webhook is paused.
    """
    rules.check_manage(by, webhook.project)
    _check_active(webhook)
    _audit(webhook, "webhook.tested", by, at)
    return webhooks.queue(webhook, webhooks.PING, {"project": webhook.project.slug}, at)


@transaction.atomic
def redeliver(*, delivery: WebhookDelivery, by: User, at: datetime) -> WebhookDelivery:
    """Send a message again under the same `webhook-id`, by which its receiver knows it.

    Raises:
        Conflict: it still waits for a try, or the webhook is paused.
    """
    rules.check_manage(by, delivery.webhook.project)
    _check_active(delivery.webhook)
    ended = WebhookDelivery.objects.filter(pk=delivery.pk).exclude(state=State.WAITING)
    if not ended.update(state=State.WAITING, attempts=0, next_try_at=at, delivered_at=None):
        raise Conflict("still_waiting", "This message still waits for its next try.")
    _audit(delivery.webhook, "webhook.redelivered", by, at, {"message": delivery.message_id})
    doorbell.ring_on_commit(webhooks.TASK, delivery.pk)
    delivery.refresh_from_db()
    return delivery


def _locked(webhook: Webhook) -> Webhook:
    """As it is now: its receiver may have said 410, or somebody else have changed it, since it was read.

    Raises:
        NotFound: it is gone.
    """
    found = Webhook.objects.select_for_update(no_key=True).filter(pk=webhook.pk).first()
    if found is None:
        raise NotFound("no_webhook", "No such webhook.")
    return found


def _check_active(webhook: Webhook) -> None:
    if not webhook.is_active:
        raise Conflict("webhook_paused", "This webhook is paused: make it active first.")


def _checked(url: str, events: Iterable[str]) -> list[str]:
    wanted = sorted(set(events))
    errors: dict[str, list[str]] = {}
    wrong = webhook_post.problem(url) or ("At most 500 characters." if len(url) > 500 else "")
    if wrong:
        errors["url"] = [wrong]
    if not wanted or not set(wanted) <= set(webhooks.EVENTS):
        errors["events"] = [f"Choose at least one of: {', '.join(webhooks.EVENTS)}."]
    if errors:
        raise Invalid("invalid_webhook", "This webhook won't do.", errors)
    return wanted


def _audit(
    webhook: Webhook, verb: str, by: User, at: datetime, details: dict[str, object] | None = None
) -> None:
    audit.record(by=by, at=at, verb=verb, project=webhook.project, target=webhook.url, details=details)
