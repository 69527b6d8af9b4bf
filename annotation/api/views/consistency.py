"""Strengths, cycles and flagged preferences, and what managers do about them."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.keyset import StrengthPages, place
from annotation.api.serializers.consistency import (
    ConsistencySerializer,
    ExclusionSerializer,
    FlaggedSerializer,
    ManagedPreferenceSerializer,
    StrengthFilterSerializer,
    StrengthSerializer,
)
from annotation.models import Preference, Project, Strength
from annotation.selectors import consistency, flags
from annotation.services import analyses, exclusion


class ConsistencyViewSet(ApiViewSet):
    """Strengths and cycles, as a worker computed them."""

    scopes = {"retrieve": "read", "recompute": "manage"}

    @documented(ConsistencySerializer)
    def retrieve(self, request: Request, project: str) -> Response:
        """What was found, and whether it is being computed anew. Managers only."""
        return self._answer(self.project())

    @documented(ConsistencySerializer, status=202)
    def recompute(self, request: Request, project: str) -> Response:
        """Ask a worker for both anew; what waits or is being computed is left alone. Managers only."""
        found = self.project()
        analyses.recompute(project=found, by=self.by, at=self.at)
        return self._answer(found, 202)

    def _answer(self, project: Project, status: int = 200) -> Response:
        known = consistency.analyses(self.by, project)
        body = {kind: known.get(kind) for kind in analyses.KINDS}
        return Response(ConsistencySerializer(body).data, status=status)


class StrengthViewSet(ApiViewSet):
    """Strengths of the compared preferences."""

    scopes = {"list": "read"}
    pagination_class = StrengthPages
    queryset = Strength.objects.none()

    @documented(StrengthSerializer(many=True), query=[StrengthFilterSerializer], refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """As of the latest computation, and of answers since in an `active` project. Managers only."""
        asked = self.asked(StrengthFilterSerializer)
        rows = consistency.strengths(self.by, self.project(), after=place(request), **asked)
        return self.pages(rows, StrengthSerializer)


class FlagViewSet(ApiViewSet):
    """Preferences that labels say look swapped."""

    scopes = {"list": "read"}
    queryset = Preference.objects.none()

    @documented(FlaggedSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The most often flagged first; excluded ones are left out. Managers only."""
        page = self.paginate_queryset(flags.flagged(self.by, self.project())) or []
        return self.get_paginated_response(FlaggedSerializer(flags.with_texts(page), many=True).data)


class ExclusionViewSet(ApiViewSet):
    """One preference: out of the project, back, or corrected."""

    scopes = {"exclude": "manage", "include": "manage", "correct": "manage"}

    @documented(ManagedPreferenceSerializer, takes=ExclusionSerializer, refuses=(400, 404, 409, 422))
    def exclude(self, request: Request, pk: int) -> Response:
        """Take it out: it is not drawn, its comparisons are withdrawn. A second time changes nothing."""
        found, reason = flags.get(self.by, pk), self.given(ExclusionSerializer)["reason"]
        return self._one(exclusion.exclude(preference=found, by=self.by, at=self.at, reason=reason))

    @documented(ManagedPreferenceSerializer, refuses=(404, 409))
    def include(self, request: Request, pk: int) -> Response:
        """Put it back with its comparisons."""
        return self._one(exclusion.include(preference=flags.get(self.by, pk), by=self.by, at=self.at))

    @documented(ManagedPreferenceSerializer, refuses=(404, 409))
    def correct(self, request: Request, pk: int) -> Response:
        """Exclude it and answer with its form with chosen and rejected swapped, new unless there is one."""
        return self._one(exclusion.correct(preference=flags.get(self.by, pk), by=self.by, at=self.at))

    def _one(self, found: Preference) -> Response:
        return Response(ManagedPreferenceSerializer(found).data)
