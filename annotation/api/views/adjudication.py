"""Disputed comparisons and a reviewer's word on them."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.pagination import CursorPages
from annotation.api.serializers.adjudication import (
    CaseSerializer,
    DecideSerializer,
    DisputeFilterSerializer,
    DisputeSerializer,
)
from annotation.models import Comparison
from annotation.selectors import adjudication as selectors
from annotation.services import adjudication


class DisputeViewSet(ApiViewSet):
    """The adjudication queue of a project. Reviewers, owners and admins only."""

    scopes = {"list": "read", "retrieve": "read", "decide": "annotate", "withdraw": "annotate"}
    pagination_class = CursorPages
    queryset = Comparison.objects.none()

    @documented(DisputeSerializer(many=True), query=[DisputeFilterSerializer], refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """What waits for you, without what you answered yourself; or what was decided, by `state`.

        Reviewers see their own decisions, managers all.
        """
        state = self.asked(DisputeFilterSerializer)["state"]
        rows = (selectors.waiting if state == "waiting" else selectors.decided)(self.by, self.project())
        return self.pages(rows, DisputeSerializer)

    @documented(CaseSerializer)
    def retrieve(self, request: Request, project: str, pk: int) -> Response:
        """Both preferences' texts and the votes; annotators are told apart, not named."""
        return self._case(pk)

    @documented(CaseSerializer, takes=DecideSerializer, refuses=(400, 404, 409, 422))
    def decide(self, request: Request, project: str, pk: int) -> Response:
        """Give it its outcome. The same decision of yours once more changes nothing."""
        wanted = self.given(DecideSerializer)
        comparison = selectors.get(self.by, self.project(), pk)
        adjudication.decide(comparison=comparison, by=self.by, at=self.at, **wanted)
        return self._case(pk)

    @documented(None, status=204, refuses=(404, 409))
    def withdraw(self, request: Request, project: str, pk: int) -> Response:
        """Take a decision back: your own, or as a manager any. The votes decide again."""
        comparison = selectors.get(self.by, self.project(), pk)
        adjudication.withdraw(comparison=comparison, by=self.by, at=self.at)
        return Response(status=204)

    def _case(self, pk: int) -> Response:
        project = self.project()
        found = selectors.case(self.by, project, selectors.get(self.by, project, pk))
        return Response(CaseSerializer(found).data)
