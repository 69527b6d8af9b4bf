from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from annotation.imports import FORMATS
from annotation.models import ImportRejection, Preference, PreferenceImport
from annotation.selectors import pace


class MessageSerializer(serializers.Serializer[Any]):
    """One chat message."""

    role = serializers.CharField()
    content = serializers.CharField()


class TextsSerializer(serializers.Serializer[Any]):
    """The three texts of a preference and nothing else: what an annotator may see of it."""

    prompt = MessageSerializer(many=True)
    chosen = MessageSerializer(many=True)
    rejected = MessageSerializer(many=True)


class PreferenceSerializer(serializers.ModelSerializer[Preference]):
    """A preference as managers see it, scores included."""

    prompt = MessageSerializer(many=True)
    chosen = MessageSerializer(many=True)
    rejected = MessageSerializer(many=True)
    import_id = serializers.IntegerField(source="preference_import_id", allow_null=True)

    class Meta:
        model = Preference
        fields = (
            "id",
            "split",
            "content_hash",
            "prompt",
            "chosen",
            "rejected",
            "score_chosen",
            "score_rejected",
            "external_id",
            "source",
            "import_id",
        )
        read_only_fields = fields


class ImportSerializer(serializers.ModelSerializer[PreferenceImport]):
    created_by = serializers.CharField(source="created_by.username")
    project_id = serializers.IntegerField()
    source = serializers.DictField(  # type: ignore[assignment]
        help_text="Hub imports: dataset, config, split, limit."
    )
    rows_per_s = serializers.SerializerMethodField(help_text="null until rows were read.")
    seconds_left = serializers.SerializerMethodField(help_text="At this pace; null when nothing can be said.")

    class Meta:
        model = PreferenceImport
        fields = (
            "id",
            "project_id",
            "state",
            "format",
            "filename",
            "source",
            "bytes_total",
            "bytes_done",
            "rows_read",
            "rows_imported",
            "rows_duplicate",
            "rows_rejected",
            "rows_per_s",
            "seconds_left",
            "cancel_requested",
            "error",
            "created_by",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields

    def get_rows_per_s(self, job: PreferenceImport) -> float | None:
        return pace.of_import(job, timezone.now()).rows_per_s

    def get_seconds_left(self, job: PreferenceImport) -> int | None:
        return pace.of_import(job, timezone.now()).seconds_left


class RejectionSerializer(serializers.ModelSerializer[ImportRejection]):
    class Meta:
        model = ImportRejection
        fields = ("line", "reason", "excerpt")
        read_only_fields = fields


class FileImportSerializer(serializers.Serializer[Any]):
    """An uploaded file: multipart/form-data."""

    file = serializers.FileField(allow_empty_file=True, max_length=255)
    format = serializers.ChoiceField(
        choices=list(FORMATS), default="", allow_blank=True, help_text="Absent: the file's name decides."
    )


class HubImportSerializer(serializers.Serializer[Any]):
    """A data set on the Hugging Face Hub, streamed: JSON."""

    dataset = serializers.CharField(max_length=200, help_text="`org/name`.")
    config = serializers.CharField(max_length=100, default="", allow_blank=True)
    split = serializers.CharField(max_length=100, default="train")
    limit = serializers.IntegerField(min_value=1, allow_null=True, default=None, help_text="null: all rows.")
