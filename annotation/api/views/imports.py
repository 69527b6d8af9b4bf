"""Preferences and the imports they come from."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.pagination import CursorPages
from annotation.api.parsers import BoundedJSONParser
from annotation.api.routing import MAX_ID
from annotation.api.serializers.preferences import (
    FileImportSerializer,
    HubImportSerializer,
    ImportSerializer,
    PreferenceSerializer,
    RejectionSerializer,
)
from annotation.models import Preference, PreferenceImport, Project
from annotation.selectors import imports as imports_seen
from annotation.selectors import preferences
from annotation.services import imports

TAKES = {
    "multipart/form-data": FileImportSerializer,
    "application/json": HubImportSerializer,
}


class ProjectImportViewSet(ApiViewSet):
    """Imports of a project."""

    scopes = {"list": "read", "create": "manage"}
    parser_classes = (MultiPartParser, BoundedJSONParser)

    @documented(ImportSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The project's imports, newest first. Managers only."""
        rows = imports_seen.of_project(self.by, self.project()).select_related("created_by")
        return self.pages(rows, ImportSerializer)

    @documented(ImportSerializer, takes=TAKES, status=202, refuses=(400, 404, 409, 413, 422))
    def create(self, request: Request, project: str) -> Response:
        """Import preferences: a file as multipart, or `{"dataset": "org/name"}` from the Hub as JSON.

        The answer comes before the rows are read: poll `imports/{id}/` until `state` is `done` or `failed`.
        """
        found = self.project()
        is_form = (request.content_type or "").startswith("multipart/")
        started = self._from_file(found) if is_form else self._from_hub(found)
        return Response(ImportSerializer(started).data, status=202)

    def _from_file(self, project: Project) -> PreferenceImport:
        given = self.given(FileImportSerializer)
        return imports.start_file(
            project=project, upload=given["file"], format=given["format"], by=self.by, at=self.at
        )

    def _from_hub(self, project: Project) -> PreferenceImport:
        given = self.given(HubImportSerializer)
        return imports.start_hub(project=project, by=self.by, at=self.at, **given)


class ImportViewSet(ApiViewSet):
    """One import."""

    scopes = {"retrieve": "read", "rejections": "read", "cancel": "manage"}

    @documented(ImportSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        """How far an import is and what it counted. Managers only."""
        return Response(ImportSerializer(imports_seen.get(self.by, pk)).data)

    @documented(ImportSerializer, refuses=(404, 409))
    def cancel(self, request: Request, pk: int) -> Response:
        """Stop an import between two batches. What it stored stays; 409 once it has ended. Managers only."""
        stopped = imports.cancel(job=imports_seen.get(self.by, pk), by=self.by, at=self.at)
        return Response(ImportSerializer(stopped).data)

    @documented(RejectionSerializer(many=True))
    def rejections(self, request: Request, pk: int) -> Response:
        """The rows an import left out: line and reason, the first 1,000."""
        return self.pages(
            imports_seen.rejections(self.by, imports_seen.get(self.by, pk)), RejectionSerializer
        )


class PreferenceFilter(filters.FilterSet):  # type: ignore[misc]
    """`?split=heldout&content_hash=…&import=3`."""

    class Meta:
        model = Preference
        fields = ("split", "content_hash")


# `import` is no name Python lets a class attribute have.
PreferenceFilter.base_filters["import"] = filters.NumberFilter(
    field_name="preference_import_id", min_value=1, max_value=MAX_ID
)


class PreferenceViewSet(ApiViewSet):
    """The imported preferences."""

    scopes = {"list": "read"}
    pagination_class = CursorPages
    filter_backends = (filters.DjangoFilterBackend,)
    filterset_class = PreferenceFilter
    queryset = Preference.objects.none()

    @documented(PreferenceSerializer(many=True), refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """The project's preferences with their scores, in pages by cursor. Managers only."""
        rows: QuerySet[Any] = preferences.of_project(self.by, self.project())
        return self.pages(self.filter_queryset(rows), PreferenceSerializer)
