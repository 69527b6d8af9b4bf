"""What this installation knows: its registries, and the workers that live."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.serializers.registries import (
    FormatsSerializer,
    StrategySerializer,
    WorkersSerializer,
)
from annotation.exports import EXPORTS
from annotation.imports import FORMATS
from annotation.sampling import STRATEGIES
from annotation.selectors import workers


class StrategyViewSet(ApiViewSet):
    """Sampling strategies."""

    scopes = {"list": "read"}
    pagination_class = None

    @documented(StrategySerializer(many=True), refuses=())
    def list(self, request: Request) -> Response:
        """How comparisons can be drawn: the values of a project's `strategy`."""
        return Response(StrategySerializer(list(STRATEGIES.values()), many=True).data)


class FormatViewSet(ApiViewSet):
    """File formats."""

    scopes = {"retrieve": "read"}

    @documented(FormatsSerializer, refuses=())
    def retrieve(self, request: Request) -> Response:
        """What can be imported and what a dataset can be downloaded as."""
        known = {"imports": list(FORMATS.values()), "exports": list(EXPORTS.values())}
        return Response(FormatsSerializer(known).data)


class WorkerViewSet(ApiViewSet):
    """Background workers."""

    scopes = {"retrieve": "read"}

    @documented(WorkersSerializer, refuses=())
    def retrieve(self, request: Request) -> Response:
        """Which queues somebody serves. `default` imports and freezes, `gpu` trains; missing ones wait."""
        return Response(WorkersSerializer(workers.worker_status(self.at)).data)
