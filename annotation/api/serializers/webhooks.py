from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.models import Webhook, WebhookDelivery
from annotation.services.webhooks import EVENTS


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    """A webhook without its secret."""

    events = serializers.ListField(child=serializers.ChoiceField(sorted(EVENTS)))
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = ("id", "url", "events", "is_active", "created_by", "created_at")
        read_only_fields = fields


class NewWebhookSerializer(WebhookSerializer):
    """The one answer that carries the secret."""

    secret = serializers.CharField(help_text="Verifies signatures (`whsec_…`). Shown once.")

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")
        read_only_fields = fields


class WebhookWriteSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500)
    events = serializers.ListField(child=serializers.ChoiceField(sorted(EVENTS)), min_length=1)


class WebhookPatchSerializer(WebhookWriteSerializer):
    is_active = serializers.BooleanField()


class WebhookDeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """One message and how its latest try went; `response_status` is null when nobody answered."""

    payload = serializers.DictField()

    class Meta:
        model = WebhookDelivery
        fields = (
            "id",
            "message_id",
            "event",
            "payload",
            "state",
            "attempts",
            "next_try_at",
            "response_status",
            "response_excerpt",
            "created_at",
            "delivered_at",
        )
        read_only_fields = fields
