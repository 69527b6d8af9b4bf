"""Frozen PoP datasets: freeze, look, download, delete."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented, files_of
from annotation.api.downloads import AnyAccept, download
from annotation.api.serializers.datasets import (
    DatasetDetailSerializer,
    DatasetSerializer,
    DownloadQuerySerializer,
    FreezeOptionsSerializer,
    FreezePreviewSerializer,
    FreezeSerializer,
)
from annotation.exports import EXPORTS
from annotation.selectors import datasets as datasets_seen
from annotation.selectors import freeze_preview
from annotation.services import datasets, freeze_options


class ProjectDatasetViewSet(ApiViewSet):
    """PoP datasets of a project."""

    scopes = {"list": "read", "preview": "read", "create": "manage"}

    @documented(DatasetSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The project's datasets, newest first. Managers only."""
        rows = datasets_seen.of_project(self.by, self.project()).select_related("created_by")
        return self.pages(rows, DatasetSerializer)

    @documented(DatasetDetailSerializer, takes=FreezeSerializer, status=202, refuses=(400, 404, 409, 422))
    def create(self, request: Request, project: str) -> Response:
        """Freeze today's labels into a dataset.

        The answer comes before it is written: poll `datasets/{id}/` until `state` is `frozen` or `failed`.
        """
        found = self.project()
        made = datasets.freeze(project=found, by=self.by, at=self.at, **self.given(FreezeSerializer))
        return Response(DatasetDetailSerializer(made).data, status=202)

    @documented(FreezePreviewSerializer, query=(FreezeOptionsSerializer,), refuses=(404, 422))
    def preview(self, request: Request, project: str) -> Response:
        """How many rows a freeze with these options would give now. Managers only."""
        found = self.project()
        chosen = freeze_options.resolve(self.asked(FreezeOptionsSerializer), found)
        return Response(FreezePreviewSerializer(freeze_preview.of_project(self.by, found, chosen)).data)


class DatasetViewSet(ApiViewSet):
    """One PoP dataset."""

    scopes = {"retrieve": "read", "destroy": "manage", "cancel": "manage"}

    @documented(DatasetDetailSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        """A dataset, its hash and its manifest. Managers only."""
        return Response(DatasetDetailSerializer(datasets_seen.get(self.by, pk)).data)

    @documented(DatasetDetailSerializer, refuses=(404, 409))
    def cancel(self, request: Request, pk: int) -> Response:
        """Stop a freeze; its files are discarded. 409 once it has ended. Managers only."""
        stopped = datasets.cancel(dataset=datasets_seen.get(self.by, pk), by=self.by, at=self.at)
        return Response(DatasetDetailSerializer(stopped).data)

    @documented(None, status=204, refuses=(404, 409))
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a dataset that no run was trained on (409 otherwise)."""
        datasets.delete(dataset=datasets_seen.get(self.by, pk), by=self.by, at=self.at)
        return Response(status=204)


class DatasetDownloadViewSet(ApiViewSet):
    """A dataset as a file."""

    scopes = {"retrieve": "read"}
    content_negotiation_class = AnyAccept

    @documented(
        files_of(export.content_type for export in EXPORTS.values()),
        query=(DownloadQuerySerializer,),
        refuses=(404, 409, 422),
    )
    def retrieve(self, request: Request, pk: int) -> HttpResponseBase:
        """The rows as a stream. `X-Dataset-SHA256` and `ETag` carry the hash. Managers only."""
        dataset = datasets_seen.get(self.by, pk)
        name = self.asked(DownloadQuerySerializer)["format"]
        export = EXPORTS[name]
        return download(
            request,
            datasets_seen.stream(dataset, name),
            filename=f"{dataset.project.slug}-{dataset.number}{export.suffix}",
            content_type=export.content_type,
            etag=f"{dataset.sha256}-{name}",
            headers={"X-Dataset-SHA256": dataset.sha256},
        )
