from __future__ import annotations

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from annotation.api.routing import MAX_ID
from annotation.api.serializers.preferences import TextsSerializer
from annotation.models import Label, Project

MAX_EXCLUDED = 20  # more than the leases one person can hold


def _id() -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=MAX_ID)


class PracticePlaceSerializer(serializers.Serializer[Any]):
    """Where a practice card stands in the practice round."""

    number = serializers.IntegerField()
    of = serializers.IntegerField()


class CardSerializer(serializers.Serializer[Any]):
    """One comparison leased to you, in the order to show it."""

    id = serializers.IntegerField(help_text="The assignment.")
    kind = serializers.ChoiceField(
        Project.Kind.choices, help_text="arena: `chosen` is a response to the prompt, `rejected` is empty."
    )
    expires_at = serializers.DateTimeField()
    question = serializers.CharField()
    anchor = serializers.ChoiceField(["first", "second"], allow_null=True)
    first = TextsSerializer()
    second = TextsSerializer()
    practice = PracticePlaceSerializer(allow_null=True, help_text="null: it is not practice.")


class EmptyReasonSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(
        help_text="paused, archived, no_preferences, practice, held_by_others, hold_limit, done "
        "or all_mine_done."
    )
    message = serializers.CharField()
    free_at = serializers.DateTimeField(allow_null=True, help_text="When to ask again.")
    held_count = serializers.IntegerField(help_text="Comparisons you could answer that others hold now.")


class EmptyQueueSerializer(serializers.Serializer[Any]):
    """There is nothing for you just now, and why."""

    empty = EmptyReasonSerializer()


NEXT = PolymorphicProxySerializer(
    component_name="Next",
    serializers=[CardSerializer, EmptyQueueSerializer],
    resource_type_field_name=None,
)


@extend_schema_field(NEXT)
class NextField(serializers.Field[Any, Any, Any, Any]):
    """A card, or why there is none; already plain data."""

    def to_representation(self, value: Any) -> Any:
        return value


class ExcludeSerializer(serializers.Serializer[Any]):
    exclude = serializers.ListField(
        child=_id(),
        max_length=MAX_EXCLUDED,
        default=list,
        help_text="Assignments you hold already.",
    )


class AnswerSerializer(ExcludeSerializer):
    verdict = serializers.ChoiceField(Label.Verdict.choices)
    key = serializers.UUIDField(help_text="Made by the client; sending it again changes nothing.")
    reason = serializers.CharField(max_length=500, default="", allow_blank=True)
    first_looks_swapped = serializers.BooleanField(default=False)
    second_looks_swapped = serializers.BooleanField(default=False)
    duration_ms = serializers.IntegerField(min_value=0, max_value=2**31 - 1, allow_null=True, default=None)
    want_next = serializers.BooleanField(default=True)


class LabelSerializer(serializers.ModelSerializer[Label]):
    """Your answer as it was stored."""

    key = serializers.UUIDField(source="idempotency_key")

    class Meta:
        model = Label
        fields = (
            "id",
            "assignment_id",
            "verdict",
            "key",
            "reason",
            "first_looks_swapped",
            "second_looks_swapped",
            "duration_ms",
            "created_at",
        )
        read_only_fields = fields


class FeedbackSerializer(serializers.Serializer[Any]):
    """What a practice answer is told."""

    right = serializers.BooleanField()
    answer = serializers.ChoiceField(["first", "second"], help_text="The side that is stronger.")
    explanation = serializers.CharField(allow_blank=True)


class ModelsSerializer(serializers.Serializer[Any]):
    """Which models wrote the two responses; several said the same."""

    first = serializers.ListField(child=serializers.CharField())
    second = serializers.ListField(child=serializers.CharField())


class AnsweredSerializer(serializers.Serializer[Any]):
    label = LabelSerializer()  # type: ignore[assignment]
    feedback = FeedbackSerializer(allow_null=True, help_text="After a practice answer; null otherwise.")
    models = ModelsSerializer(
        allow_null=True, help_text="In an arena that tells them after each answer; null otherwise."
    )
    next = NextField(allow_null=True, help_text="null when `want_next` was false.")


class HeartbeatSerializer(serializers.Serializer[Any]):
    ids = serializers.ListField(child=_id(), min_length=1, max_length=MAX_EXCLUDED)


class ExtendedSerializer(serializers.Serializer[Any]):
    extended = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="The leases of yours that still hold; the others are lost.",
    )


class ReleasedSerializer(serializers.Serializer[Any]):
    released = serializers.IntegerField(help_text="How many leases of yours were given back.")
