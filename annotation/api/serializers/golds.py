from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.api.routing import MAX_ID
from annotation.models import Gold
from annotation.services.gold import EXPLANATION_LENGTH
from annotation.services.gold_sampling import MOST


class GoldSerializer(serializers.ModelSerializer[Gold]):
    """A comparison whose answer is known, and how it was answered."""

    comparison_id = serializers.IntegerField()
    low_id = serializers.IntegerField(source="comparison.low_id", help_text="A preference.")
    high_id = serializers.IntegerField(source="comparison.high_id", help_text="A preference.")
    times = serializers.SerializerMethodField(help_text="Answers given to it.")
    right = serializers.SerializerMethodField(help_text="Those that named the known side.")

    class Meta:
        model = Gold
        fields = (
            "id",
            "comparison_id",
            "low_id",
            "high_id",
            "answer",
            "use",
            "source",
            "explanation",
            "retired_at",
            "created_at",
            "times",
            "right",
        )
        read_only_fields = fields

    def get_times(self, gold: Gold) -> int:
        return int(self.context["answered"][gold.pk].times)

    def get_right(self, gold: Gold) -> int:
        return int(self.context["answered"][gold.pk].right)


class GoldWriteSerializer(serializers.Serializer[Any]):
    """A decided comparison, or two preferences of the training split."""

    comparison_id = serializers.IntegerField(
        min_value=1, max_value=MAX_ID, allow_null=True, default=None, help_text="With answer low or high."
    )
    one = serializers.IntegerField(min_value=1, max_value=MAX_ID, allow_null=True, default=None)
    other = serializers.IntegerField(min_value=1, max_value=MAX_ID, allow_null=True, default=None)
    answer = serializers.ChoiceField(
        ["low", "high", "one", "other"],
        help_text="The stronger side: low and high by preference id, one and other as named here.",
    )
    use = serializers.ChoiceField(Gold.Use.choices, default=Gold.Use.CHECK)
    explanation = serializers.CharField(max_length=EXPLANATION_LENGTH, default="", allow_blank=True)


class GoldChangeSerializer(serializers.Serializer[Any]):
    explanation = serializers.CharField(max_length=EXPLANATION_LENGTH, allow_blank=True)


class GoldFromScoresSerializer(serializers.Serializer[Any]):
    """How many golds to make from scores, and how far apart."""

    count = serializers.IntegerField(min_value=1, max_value=MOST)
    min_gap = serializers.FloatField(help_text="Least difference of the two score margins; above 0.")
    use = serializers.ChoiceField(Gold.Use.choices, default=Gold.Use.CHECK)
    seed = serializers.IntegerField(
        allow_null=True,
        default=None,
        min_value=-MAX_ID,
        max_value=MAX_ID,
        help_text="The same seed gives the same pairs; null: the project's.",
    )


class GoldsMadeSerializer(serializers.Serializer[Any]):
    wanted = serializers.IntegerField()
    made = serializers.IntegerField()
    looked_at = serializers.IntegerField(help_text="Pairs looked at for them.")
