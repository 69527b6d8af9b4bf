"""Gold comparisons: what managers know and annotators must not."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.pagination import CursorPages
from annotation.api.serializers.golds import (
    GoldChangeSerializer,
    GoldFromScoresSerializer,
    GoldSerializer,
    GoldsMadeSerializer,
    GoldWriteSerializer,
)
from annotation.models import Gold
from annotation.selectors import golds
from annotation.services import gold, gold_sampling, practice


class GoldViewSet(ApiViewSet):
    """Comparisons with known answers. Managers only."""

    scopes = {
        "list": "read",
        "create": "manage",
        "from_scores": "manage",
        "partial_update": "manage",
        "retire": "manage",
        "restore": "manage",
    }
    pagination_class = CursorPages
    queryset = Gold.objects.none()

    @documented(GoldSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The project's golds and how they were answered, in pages by cursor."""
        page = self.paginate_queryset(golds.of_project(self.by, self.project())) or []
        body = GoldSerializer(page, many=True, context={"answered": golds.answered(page)})
        return self.get_paginated_response(body.data)

    @documented(GoldSerializer, takes=GoldWriteSerializer, status=201, refuses=(400, 404, 409, 422))
    def create(self, request: Request, project: str) -> Response:
        """Make a decided comparison gold, or the pair of two preferences of the training split."""
        found = self.project()
        made = gold.add(project=found, by=self.by, at=self.at, **self.given(GoldWriteSerializer))
        return self._one(made, 201)

    @documented(GoldsMadeSerializer, takes=GoldFromScoresSerializer, status=201, refuses=(400, 404, 422))
    def from_scores(self, request: Request, project: str) -> Response:
        """Make golds of pairs whose known score margins lie far apart; says how many were found."""
        found = self.project()
        wanted = self.given(GoldFromScoresSerializer)
        made = gold_sampling.from_scores(project=found, by=self.by, at=self.at, **wanted)
        return Response(GoldsMadeSerializer(made).data, status=201)

    @documented(GoldSerializer, takes=GoldChangeSerializer, refuses=(400, 404, 422))
    def partial_update(self, request: Request, project: str, pk: int) -> Response:
        """Change the explanation that is shown after a practice answer."""
        found = golds.get(self.by, self.project(), pk)
        words = self.given(GoldChangeSerializer)["explanation"]
        return self._one(gold.set_explanation(gold=found, explanation=words, by=self.by, at=self.at))

    @documented(GoldSerializer)
    def retire(self, request: Request, project: str, pk: int) -> Response:
        """Hand it out no more; a second time changes nothing."""
        found = golds.get(self.by, self.project(), pk)
        return self._one(gold.retire(gold=found, by=self.by, at=self.at))

    @documented(GoldSerializer)
    def restore(self, request: Request, project: str, pk: int) -> Response:
        """Hand it out again."""
        found = golds.get(self.by, self.project(), pk)
        return self._one(gold.restore(gold=found, by=self.by, at=self.at))

    def _one(self, found: Gold, status: int = 200) -> Response:
        body = GoldSerializer(found, context={"answered": golds.answered([found])})
        return Response(body.data, status=status)


class PracticeViewSet(ApiViewSet):
    """Your practice round."""

    scopes = {"skip": "annotate"}

    @documented(None, status=204)
    def skip(self, request: Request, project: str) -> Response:
        """Leave out your own practice round. Managers only."""
        practice.skip(project=self.project(), by=self.by, at=self.at)
        return Response(status=204)
