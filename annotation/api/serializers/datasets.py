from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from annotation.consensus import RULES
from annotation.exports import EXPORTS
from annotation.models import PopDataset
from annotation.selectors import pace
from annotation.services.freeze_options import MOST_SEED


class DatasetSerializer(serializers.ModelSerializer[PopDataset]):
    project_id = serializers.IntegerField()
    created_by = serializers.CharField(source="created_by.username")
    options = serializers.DictField()
    rows_per_s = serializers.SerializerMethodField(
        help_text="Preferences and rows; null until some are written."
    )
    seconds_left = serializers.SerializerMethodField(help_text="At this pace; null when nothing can be said.")

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
            "rows_per_s",
            "seconds_left",
            "cancel_requested",
            "error",
            "created_by",
            "created_at",
            "started_at",
            "snapshot_at",
            "frozen_at",
        )
        read_only_fields = fields

    def get_rows_per_s(self, dataset: PopDataset) -> float | None:
        return pace.of_dataset(dataset, timezone.now()).rows_per_s

    def get_seconds_left(self, dataset: PopDataset) -> int | None:
        return pace.of_dataset(dataset, timezone.now()).seconds_left


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
    consensus = serializers.ChoiceField(
        choices=list(RULES), required=False, help_text="`majority` if absent."
    )
    include_ties = serializers.BooleanField(
        required=False, help_text="`too_close` as rows with provenance `tie`, confidence .5."
    )
    resplit_share = serializers.FloatField(
        max_value=0.5,
        required=False,
        allow_null=True,
        help_text="Above 0: hold out this share of the preferences instead of the project's own split.",
    )
    resplit_seed = serializers.IntegerField(min_value=0, max_value=MOST_SEED, required=False)
    inferred_at_least = serializers.FloatField(
        required=False,
        allow_null=True,
        help_text="Between .5 and 1: training rows for pairs nobody compared, from this probability on.",
    )
    inferred_per_strong = serializers.IntegerField(min_value=1, max_value=64, required=False)
    noise = serializers.FloatField(
        min_value=0, max_value=0.5, required=False, help_text="Share of the training rows to turn round."
    )
    noise_seed = serializers.IntegerField(min_value=0, max_value=MOST_SEED, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """A misspelt option must not freeze something else than was meant."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({name: ["There is no such option."] for name in unknown})
        return dict(super().to_internal_value(data))


class FreezePreviewSerializer(serializers.Serializer[Any]):
    """Rows by split, and the preferences that go along whether they have rows or not."""

    counted = serializers.BooleanField(help_text="False: these options take a freeze to count.")
    rows = serializers.IntegerField(allow_null=True)
    training = serializers.IntegerField(allow_null=True)
    heldout = serializers.IntegerField(allow_null=True)
    preferences = serializers.IntegerField()
    ties = serializers.IntegerField(help_text="Of the rows.")
    inferred = serializers.IntegerField(help_text="Of the rows.")


class FreezeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, default="", allow_blank=True)
    options = FreezeOptionsSerializer(default=dict)


class DownloadQuerySerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=list(EXPORTS), default="jsonl", help_text="See `formats/`.")
