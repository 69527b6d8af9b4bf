"""The studies and their reports: for anybody who is signed in."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from training.api.study_serializers import StudyDetailSerializer, StudySerializer
from training.selectors import studies


class StudyViewSet(ApiViewSet):
    """Studies in a simulated world (docs/study.md)."""

    scopes = {"list": "read", "retrieve": "read"}
    pagination_class = None

    @documented(StudySerializer(many=True), refuses=())
    def list(self, request: Request) -> Response:
        """Every study, how far it is on this server, and the command that computes it."""
        return Response(StudySerializer(studies.of_all(self.by), many=True).data)

    @documented(StudyDetailSerializer, refuses=(404,))
    def retrieve(self, request: Request, name: str) -> Response:
        """One study with its figures by setting and method: means over seeds with 95% intervals."""
        return Response(StudyDetailSerializer(studies.get(self.by, name)).data)
