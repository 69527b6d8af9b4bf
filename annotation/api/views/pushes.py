"""Pushes of a frozen dataset to the Hugging Face Hub."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.serializers.pushes import PushSerializer, PushWriteSerializer
from annotation.selectors import datasets
from annotation.services import pushes


class PushViewSet(ApiViewSet):
    """Uploads of one dataset."""

    scopes = {"list": "read", "retrieve": "read", "create": "manage"}

    @documented(PushSerializer(many=True))
    def list(self, request: Request, pk: int) -> Response:
        """The dataset's pushes, newest first. Managers only."""
        return self.pages(datasets.pushes(self.by, datasets.get(self.by, pk)), PushSerializer)

    @documented(PushSerializer)
    def retrieve(self, request: Request, pk: int, push: int) -> Response:
        """How a push goes: poll it until `state` is `done` or `failed`. Managers only."""
        return Response(PushSerializer(datasets.push(self.by, datasets.get(self.by, pk), push)).data)

    @documented(PushSerializer, takes=PushWriteSerializer, status=202, refuses=(400, 404, 409, 422))
    def create(self, request: Request, pk: int) -> Response:
        """Upload the dataset as Parquet with a card. The answer comes before it is done. Managers only."""
        given = self.given(PushWriteSerializer)
        made = pushes.start(dataset=datasets.get(self.by, pk), by=self.by, at=self.at, **given)
        return Response(PushSerializer(made).data, status=202)
