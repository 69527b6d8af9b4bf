"""Webhooks and their log, as managers see them."""

from __future__ import annotations

from django.db.models import QuerySet

from annotation import rules
from annotation.errors import NotFound
from annotation.models import Project, User, Webhook, WebhookDelivery


def of_project(user: User, project: Project) -> QuerySet[Webhook]:
    rules.check_manage(user, project)
    return Webhook.objects.filter(project=project).select_related("created_by", "project")


def get(user: User, project: Project, webhook_id: int) -> Webhook:
    """Raises NotFound when the project has no such webhook."""
    found = of_project(user, project).filter(pk=webhook_id).first()
    if found is None:
        raise NotFound("no_webhook", "No such webhook.")
    return found


def deliveries(user: User, webhook: Webhook) -> QuerySet[WebhookDelivery]:
    """Newest first."""
    rules.check_manage(user, webhook.project)
    return WebhookDelivery.objects.filter(webhook=webhook).order_by("-id")


def delivery(user: User, webhook: Webhook, delivery_id: int) -> WebhookDelivery:
    """Raises NotFound when the webhook has no such delivery."""
    found = (
        deliveries(user, webhook).filter(pk=delivery_id).select_related("webhook", "webhook__project").first()
    )
    if found is None:
        raise NotFound("no_delivery", "No such delivery.")
    return found
