"""Runs: launch, watch, cancel, resume, delete."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.routing import MAX_ID
from annotation.selectors import datasets
from training.api.serializers import LaunchSerializer, RunDetailSerializer, RunSerializer
from training.models import Run
from training.selectors import runs as runs_seen
from training.services import runs


class RunFilter(filters.FilterSet):  # type: ignore[misc]
    """`?state=running&kind=preference&method=dpo_pop&dataset=3`."""

    dataset = filters.NumberFilter(field_name="dataset_id", min_value=1, max_value=MAX_ID)

    class Meta:
        model = Run
        fields = ("state", "kind", "method")


class ProjectRunViewSet(ApiViewSet):
    """Runs of a project."""

    scopes = {"list": "read"}
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = RunFilter
    queryset = Run.objects.none()

    @documented(RunSerializer(many=True), refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """The project's runs, newest first. Managers only."""
        rows = runs_seen.of_project(self.by, self.project()).select_related("created_by")
        return self.pages(self.filter_queryset(rows), RunSerializer)


class RunViewSet(ApiViewSet):
    """Training runs."""

    scopes = {
        "create": "train",
        "retrieve": "read",
        "destroy": "train",
        "cancel": "train",
        "resume": "train",
    }

    @documented(RunDetailSerializer, takes=LaunchSerializer, status=201, refuses=(400, 404, 409, 422))
    def create(self, request: Request) -> Response:
        """Launch a run on a frozen dataset; a worker serving the queue `gpu` picks it up."""
        given = self.given(LaunchSerializer)
        named = given.pop("dataset", None)
        dataset = None if named is None else datasets.get(self.by, named)
        run = runs.launch(dataset=dataset, by=self.by, at=self.at, **given)
        return Response(self._told(run), status=201)

    @documented(RunDetailSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Where a run stands. Managers only."""
        return Response(self._told(runs_seen.get(self.by, pk)))

    @documented(RunDetailSerializer, refuses=(404, 409))
    def cancel(self, request: Request, pk: int) -> Response:
        """Stop a run; it writes a checkpoint first."""
        run = runs.cancel(run=runs_seen.get(self.by, pk), by=self.by, at=self.at)
        return Response(self._told(run))

    @documented(RunDetailSerializer, refuses=(404, 409))
    def resume(self, request: Request, pk: int) -> Response:
        """Queue a cancelled or failed run again; it goes on from its last checkpoint."""
        run = runs.resume(run=runs_seen.get(self.by, pk), by=self.by, at=self.at)
        return Response(self._told(run))

    @documented(None, status=204, refuses=(404, 409))
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a run that isn't going, with its files."""
        runs.delete(run=runs_seen.get(self.by, pk), by=self.by, at=self.at)
        return Response(status=204)

    def _told(self, run: Run) -> Any:
        return RunDetailSerializer(run, context={"by": self.by}).data
