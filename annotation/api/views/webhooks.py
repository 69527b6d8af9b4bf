"""Webhooks of a project and the log of what was sent."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.pagination import CursorPages
from annotation.api.serializers.webhooks import (
    NewWebhookSerializer,
    WebhookDeliverySerializer,
    WebhookPatchSerializer,
    WebhookSerializer,
    WebhookWriteSerializer,
)
from annotation.models import Webhook
from annotation.selectors import webhooks as seen
from annotation.services import webhook_settings


class NewestFirst(CursorPages):
    ordering = "-id"


class WebhookViewSet(ApiViewSet):
    """Addresses that are told of a project's events, signed by the Standard Webhooks scheme."""

    scopes = {
        "list": "read",
        "create": "manage",
        "partial_update": "manage",
        "destroy": "manage",
        "rotate": "manage",
        "test": "manage",
    }

    @documented(WebhookSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The project's webhooks, without their secrets. Managers only."""
        return self.pages(seen.of_project(self.by, self.project()), WebhookSerializer)

    @documented(NewWebhookSerializer, takes=WebhookWriteSerializer, status=201, refuses=(400, 404, 409, 422))
    def create(self, request: Request, project: str) -> Response:
        """Make a webhook; its secret is in this answer and never again."""
        found = self.project()
        wanted = self.given(WebhookWriteSerializer)
        made, secret = webhook_settings.create(project=found, by=self.by, at=self.at, **wanted)
        return Response({**WebhookSerializer(made).data, "secret": secret}, status=201)

    @documented(WebhookSerializer, takes=WebhookPatchSerializer, refuses=(400, 404, 422))
    def partial_update(self, request: Request, project: str, pk: int) -> Response:
        """Change the address or the events, pause it or make it active again."""
        found = self._one(pk)
        changes = self.given(WebhookPatchSerializer, partial=True)
        made = webhook_settings.update(webhook=found, by=self.by, at=self.at, **changes)
        return Response(WebhookSerializer(made).data)

    @documented(None, status=204)
    def destroy(self, request: Request, project: str, pk: int) -> Response:
        """Delete a webhook and its log."""
        webhook_settings.delete(webhook=self._one(pk), by=self.by, at=self.at)
        return Response(status=204)

    @documented(NewWebhookSerializer)
    def rotate(self, request: Request, project: str, pk: int) -> Response:
        """A new secret, in this answer and never again; the old one signs nothing any more."""
        found = self._one(pk)
        secret = webhook_settings.rotate(webhook=found, by=self.by, at=self.at)
        return Response({**WebhookSerializer(found).data, "secret": secret})

    @documented(WebhookDeliverySerializer, status=202, refuses=(404, 409))
    def test(self, request: Request, project: str, pk: int) -> Response:
        """Send a `ping`; the log of deliveries shows how it went."""
        made = webhook_settings.ping(webhook=self._one(pk), by=self.by, at=self.at)
        return Response(WebhookDeliverySerializer(made).data, status=202)

    def _one(self, pk: int) -> Webhook:
        return seen.get(self.by, self.project(), pk)


class WebhookDeliveryViewSet(ApiViewSet):
    """The log of one webhook."""

    pagination_class = NewestFirst
    scopes = {"list": "read", "redeliver": "manage"}

    @documented(WebhookDeliverySerializer(many=True))
    def list(self, request: Request, project: str, pk: int) -> Response:
        """What was sent, newest first. Managers only."""
        hook = seen.get(self.by, self.project(), pk)
        return self.pages(seen.deliveries(self.by, hook), WebhookDeliverySerializer)

    @documented(WebhookDeliverySerializer, status=202, refuses=(404, 409))
    def redeliver(self, request: Request, project: str, pk: int, delivery: int) -> Response:
        """Send a message again, under the same id."""
        hook = seen.get(self.by, self.project(), pk)
        found = seen.delivery(self.by, hook, delivery)
        again = webhook_settings.redeliver(delivery=found, by=self.by, at=self.at)
        return Response(WebhookDeliverySerializer(again).data, status=202)
