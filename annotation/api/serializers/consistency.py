from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.api.serializers.preferences import PreferenceSerializer
from annotation.models import Analysis, Preference, Split, Strength
from annotation.services.exclusion import REASON_LENGTH


class AnalysisSerializer(serializers.ModelSerializer[Analysis]):
    """A figure over the whole project, as a worker computed it last."""

    class Meta:
        model = Analysis
        fields = ("kind", "state", "requested_at", "computed_at", "error", "result")
        read_only_fields = fields


class ConsistencySerializer(serializers.Serializer[Any]):
    """Both computations; null where it was never asked for."""

    strengths = AnalysisSerializer(allow_null=True)
    cycles = AnalysisSerializer(allow_null=True)


class StrengthSerializer(serializers.ModelSerializer[Strength]):
    """P(i is found stronger than j) = σ(θᵢ − θⱼ)."""

    preference_id = serializers.IntegerField()
    content_hash = serializers.CharField(source="preference.content_hash")

    class Meta:
        model = Strength
        fields = ("preference_id", "content_hash", "theta", "sd", "wins", "losses")
        read_only_fields = fields


class StrengthFilterSerializer(serializers.Serializer[Any]):
    split = serializers.ChoiceField(Split.choices, default=Split.TRAIN)
    weakest = serializers.BooleanField(default=False, help_text="The weakest first.")


class FlaggedSerializer(serializers.Serializer[Any]):
    """A preference that labels say looks swapped."""

    preference = PreferenceSerializer()
    flags = serializers.IntegerField(help_text="Current labels that say so.")
    latest_at = serializers.DateTimeField()


class ExclusionSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=REASON_LENGTH, default="", allow_blank=True)


class ManagedPreferenceSerializer(serializers.ModelSerializer[Preference]):
    """Whether it is in the project, and which preference it is the corrected form of."""

    replaces_id = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Preference
        fields = ("id", "split", "content_hash", "excluded_at", "exclusion_reason", "replaces_id")
        read_only_fields = fields
