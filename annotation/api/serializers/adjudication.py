from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotation.api.serializers.preferences import TextsSerializer
from annotation.models import Adjudication, Comparison
from annotation.services.adjudication import REASON_LENGTH

STATES = ["waiting", "decided"]
SIDES = ["low", "high", "too_close", "cannot_judge"]


class DecisionSerializer(serializers.ModelSerializer[Adjudication]):
    """A reviewer's decision, and what the votes say now; "" while an answer is missing."""

    decided_by = serializers.CharField(source="decided_by.username")

    class Meta:
        model = Adjudication
        fields = ("outcome", "reason", "votes_outcome", "votes_confidence", "decided_by", "decided_at")
        read_only_fields = fields


class DisputeSerializer(serializers.ModelSerializer[Comparison]):
    """A disputed comparison. `low` and `high` are its sides: the preference with the smaller id is low."""

    comparison_id = serializers.IntegerField(source="pk")
    state = serializers.SerializerMethodField(help_text="waiting or decided.")
    decision = serializers.SerializerMethodField(help_text="The one that stands; null while it waits.")

    class Meta:
        model = Comparison
        fields = ("comparison_id", "state", "label_count", "outcome", "confidence", "decision")
        read_only_fields = fields

    def get_state(self, comparison: Comparison) -> str:
        return "decided" if comparison.adjudicated else "waiting"

    @extend_schema_field(DecisionSerializer(allow_null=True))
    def get_decision(self, comparison: Comparison) -> Any:
        standing = getattr(comparison, "standing", [])
        return DecisionSerializer(standing[0]).data if standing else None


class VoteSerializer(serializers.Serializer[Any]):
    """One answer; the name is good for this comparison only."""

    name = serializers.CharField(help_text="`Annotator 1`, `Annotator 2`, …")
    side = serializers.ChoiceField(SIDES)
    reason = serializers.CharField(allow_blank=True)
    low_looks_swapped = serializers.BooleanField()
    high_looks_swapped = serializers.BooleanField()


class CaseSerializer(serializers.Serializer[Any]):
    """A disputed comparison with its texts and votes; no names of people or models, no scores."""

    comparison_id = serializers.IntegerField(source="comparison.pk")
    state = serializers.CharField(help_text="waiting or decided.")
    outcome = serializers.CharField(source="comparison.outcome", allow_blank=True)
    confidence = serializers.FloatField(source="comparison.confidence", allow_null=True)
    low = TextsSerializer(source="comparison.low")
    high = TextsSerializer(source="comparison.high")
    votes = VoteSerializer(many=True)
    decision = DecisionSerializer(allow_null=True)
    may_withdraw = serializers.BooleanField(help_text="Yours, or you manage the project.")


class DisputeFilterSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(STATES, default="waiting")


class DecideSerializer(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(Comparison.Outcome.choices)
    reason = serializers.CharField(max_length=REASON_LENGTH, default="", allow_blank=True)
