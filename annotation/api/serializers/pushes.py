from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.models import DatasetPush


class PushSerializer(serializers.ModelSerializer[DatasetPush]):
    """One upload to the Hub; its token is never shown."""

    dataset_id = serializers.IntegerField()
    created_by = serializers.CharField(source="created_by.username")
    url = serializers.CharField(help_text="Where it is; empty until it is done.")

    class Meta:
        model = DatasetPush
        fields = (
            "id",
            "dataset_id",
            "repo_id",
            "private",
            "state",
            "url",
            "error",
            "created_by",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class PushWriteSerializer(serializers.Serializer[Any]):
    repo_id = serializers.CharField(max_length=200, help_text="`owner/name`; made when it does not exist.")
    token = serializers.CharField(
        max_length=500, write_only=True, help_text="Of the Hub, with write access. Forgotten after the push."
    )
    private = serializers.BooleanField(default=True, help_text="Of a data set that is made.")
