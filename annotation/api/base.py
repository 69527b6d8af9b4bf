"""What every view of the API shares: sign-in, scopes, the project of the URL, validated input, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from annotation.api.parsers import BoundedJSONParser
from annotation.api.permissions import ScopeAllows
from annotation.models import Project, User
from annotation.selectors import projects


class ApiViewSet(GenericViewSet[Any]):
    """Thin: authorise and validate, one domain call, serialise. `scopes` maps each action to its scope."""

    permission_classes = (IsAuthenticated, ScopeAllows)
    scopes: ClassVar[Mapping[str, str]] = {}
    serializer_class: type[BaseSerializer[Any]] | None = None
    filter_backends: Sequence[Any] = ()
    parser_classes: Sequence[type[BaseParser]] = (BoundedJSONParser,)

    @property
    def by(self) -> User:
        return cast("User", self.request.user)

    @property
    def at(self) -> datetime:
        return timezone.now()

    def project(self) -> Project:
        """The project of the URL, by slug or id; as good as absent to whoever isn't its member."""
        return projects.get(self.by, self.kwargs["project"])

    def given(self, serializer: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """The request's body, checked; 422 with the fields when something is wrong."""
        checked = serializer(data=self.request.data, partial=partial)
        checked.is_valid(raise_exception=True)
        return cast("dict[str, Any]", checked.validated_data)

    def asked(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The query string, checked."""
        checked = serializer(data=self.request.query_params)
        checked.is_valid(raise_exception=True)
        return cast("dict[str, Any]", checked.validated_data)

    def pages(self, rows: QuerySet[Any] | list[Any], serializer: type[BaseSerializer[Any]]) -> Response:
        """One page of `rows`, in the view's pagination."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer(page, many=True).data)
