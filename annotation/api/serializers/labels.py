from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.api.routing import MAX_ID
from annotation.api.serializers.preferences import TextsSerializer
from annotation.api.serializers.queue import LabelSerializer, ModelsSerializer
from annotation.models import Label, LabelEvent


class OwnLabelSerializer(LabelSerializer):
    """One of your answers. `supersedes` is the answer it replaced."""

    class Meta:
        model = Label
        # No comparison: the ids of golds lie together, and that of a retest is known.
        fields: tuple[str, ...] = (*LabelSerializer.Meta.fields, "is_current", "supersedes_id")
        read_only_fields = fields


class AnyLabelSerializer(OwnLabelSerializer):
    """Somebody's answer, as managers see it."""

    annotator = serializers.CharField(source="annotator.username")

    class Meta:
        model = Label
        fields = (*OwnLabelSerializer.Meta.fields, "comparison_id", "annotator", "kind")
        read_only_fields = fields


class LabelEventSerializer(serializers.ModelSerializer[LabelEvent]):
    """What happened to an answer. `dataset` is the number of the frozen dataset that held it."""

    actor = serializers.CharField(source="actor.username")
    dataset = serializers.IntegerField(source="dataset.number", allow_null=True, default=None)

    class Meta:
        model = LabelEvent
        fields = ("at", "kind", "actor", "label_id", "old_verdict", "new_verdict", "reason", "dataset")
        read_only_fields = fields


class StorySerializer(serializers.Serializer[Any]):
    """An answer with what was shown and its history, oldest event first."""

    label = OwnLabelSerializer()  # type: ignore[assignment]
    first = TextsSerializer()
    second = TextsSerializer()
    events = LabelEventSerializer(many=True)
    models = ModelsSerializer(
        allow_null=True, help_text="In an arena, once the names are told; null otherwise."
    )
    held_by = serializers.IntegerField(
        source="held_by.number",
        allow_null=True,
        default=None,
        help_text="The frozen dataset that holds it: a change needs `correction`, a reason.",
    )


class CorrectionSerializer(serializers.Serializer[Any]):
    correction = serializers.CharField(
        max_length=500,
        default="",
        allow_blank=True,
        help_text="Why, where a frozen dataset holds the answer; the dataset stays as it is.",
    )


class EditSerializer(CorrectionSerializer):
    verdict = serializers.ChoiceField(Label.Verdict.choices)
    key = serializers.UUIDField(help_text="Made by the client; sending it again changes nothing.")
    reason = serializers.CharField(max_length=500, default="", allow_blank=True)
    first_looks_swapped = serializers.BooleanField(default=False)
    second_looks_swapped = serializers.BooleanField(default=False)


class LabelFilterSerializer(serializers.Serializer[Any]):
    annotator = serializers.CharField(max_length=150, required=False, help_text="A username.")
    verdict = serializers.ChoiceField(Label.Verdict.choices, required=False)
    comparison = serializers.IntegerField(min_value=1, max_value=MAX_ID, required=False)
    is_current = serializers.BooleanField(required=False, allow_null=True, default=None)


class LabelExportQuerySerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(["csv", "jsonl"], default="jsonl")
    pseudonymise = serializers.BooleanField(
        default=True, help_text="A pseudonym for each annotator, the same in every export of the project."
    )
