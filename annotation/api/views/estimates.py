"""What settings would cost."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.sampling import STRATEGIES
from annotation.selectors import estimates


class AskedSettingsSerializer(serializers.Serializer[Any]):
    """Settings in place of the project's own; those left out stay as they are."""

    strategy = serializers.ChoiceField(sorted(STRATEGIES), required=False)
    k = serializers.IntegerField(min_value=1, max_value=64, required=False)
    attempt_cap = serializers.IntegerField(min_value=1, max_value=20, required=False)
    labels_per_comparison = serializers.IntegerField(min_value=1, max_value=25, required=False)


class EstimateSerializer(serializers.Serializer[Any]):
    labels = serializers.IntegerField(help_text="Given so far.")
    expected_now = serializers.IntegerField(help_text="In all, as the project is set.")
    expected_then = serializers.IntegerField(help_text="In all, under the settings asked for.")
    more = serializers.IntegerField(help_text="What the change adds.")


class EstimateViewSet(ApiViewSet):
    """Labels that settings would need."""

    scopes = {"retrieve": "read"}

    @documented(EstimateSerializer, query=[AskedSettingsSerializer], refuses=(404, 422))
    def retrieve(self, request: Request, project: str) -> Response:
        """About how many labels the project needs under other settings. Managers only."""
        asked = self.asked(AskedSettingsSerializer)
        return Response(EstimateSerializer(estimates.of_project(self.by, self.project(), **asked)).data)
