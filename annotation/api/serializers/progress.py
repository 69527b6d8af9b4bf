from __future__ import annotations

from typing import Any

from rest_framework import serializers


class AnnotatorProgressSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    labels = serializers.IntegerField()
    today = serializers.IntegerField()
    last_at = serializers.DateTimeField(allow_null=True)


class AnchorCountsSerializer(serializers.Serializer[Any]):
    """Iterative: preferences still wanting rows, with k rows, given up on."""

    open = serializers.IntegerField()
    full = serializers.IntegerField()
    exhausted = serializers.IntegerField()


class MineSerializer(serializers.Serializer[Any]):
    """Your own labels; `today` since midnight UTC."""

    today = serializers.IntegerField()
    total = serializers.IntegerField()


class ProgressSerializer(serializers.Serializer[Any]):
    """How far the labelling is. What work alone moves is null to those who only annotate."""

    labels = serializers.IntegerField(help_text="To those who only annotate: checks too.")
    comparisons_open = serializers.IntegerField(allow_null=True)
    decided = serializers.IntegerField(allow_null=True)
    undecided = serializers.IntegerField(allow_null=True)
    rows_train = serializers.IntegerField(allow_null=True)
    rows_heldout = serializers.IntegerField(allow_null=True)
    target_rows = serializers.IntegerField()
    labels_expected = serializers.IntegerField()
    labels_last_hour = serializers.IntegerField(
        allow_null=True,
        help_text="Above 10,000 by the pace of the newest 10,000: they are not counted one by one.",
    )
    eta_seconds = serializers.FloatField(allow_null=True)
    anchors = AnchorCountsSerializer(allow_null=True)
    per_annotator = AnnotatorProgressSerializer(many=True)
    mine = MineSerializer()


class FunnelSerializer(serializers.Serializer[Any]):
    """Counts, each step made from the one before."""

    preferences = serializers.IntegerField()
    training = serializers.IntegerField(help_text="Preferences that are not held out.")
    heldout = serializers.IntegerField()
    comparisons = serializers.IntegerField()
    labels = serializers.IntegerField()
    rows = serializers.IntegerField(help_text="Comparisons with a winner.")
    datasets = serializers.IntegerField()
