from __future__ import annotations

from typing import Any

from rest_framework import serializers


class StrategySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    doc = serializers.CharField()
    anchored = serializers.BooleanField(help_text="Each comparison is drawn for one preference's quota.")


class FormatSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class FormatsSerializer(serializers.Serializer[Any]):
    imports = FormatSerializer(many=True)
    exports = FormatSerializer(many=True)


class WorkersSerializer(serializers.Serializer[Any]):
    queues = serializers.ListField(child=serializers.CharField(), help_text="Served by somebody.")
    workers = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
