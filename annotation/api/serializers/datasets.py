from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.exports import EXPORTS
from annotation.models import PopDataset


class DatasetSerializer(serializers.ModelSerializer[PopDataset]):
    project_id = serializers.IntegerField()
    created_by = serializers.CharField(source="created_by.username")
    options = serializers.DictField()

    class Meta:
        model = PopDataset
        fields: tuple[str, ...] = (
            "id",
            "project_id",
            "number",
            "name",
            "state",
            "options",
            "sha256",
            "row_count",
            "heldout_row_count",
            "preference_count",
            "progress_done",
            "progress_total",
            "error",
            "created_by",
            "created_at",
            "frozen_at",
        )
        read_only_fields = fields


class DatasetDetailSerializer(DatasetSerializer):
    manifest = serializers.DictField()

    class Meta(DatasetSerializer.Meta):
        fields = (*DatasetSerializer.Meta.fields, "manifest")
        read_only_fields = fields


class FreezeOptionsSerializer(serializers.Serializer[Any]):
    """Which labels become rows."""

    max_rows_per_strong = serializers.IntegerField(
        min_value=1,
        max_value=1_000_000,
        required=False,
        allow_null=True,
        help_text="Absent: k for iterative, no limit for random.",
    )
    min_confidence = serializers.FloatField(min_value=0, max_value=1, required=False)


class FreezePreviewSerializer(serializers.Serializer[Any]):
    """Rows by split, and the preferences that go along whether they have rows or not."""

    rows = serializers.IntegerField()
    training = serializers.IntegerField()
    heldout = serializers.IntegerField()
    preferences = serializers.IntegerField()


class FreezeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, default="", allow_blank=True)
    options = FreezeOptionsSerializer(default=dict)


class DownloadQuerySerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=list(EXPORTS), default="jsonl", help_text="See `formats/`.")
