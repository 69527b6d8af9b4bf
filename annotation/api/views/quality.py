"""How good the answers are: of a project, of each annotator, of every two of them."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.serializers.quality import (
    AnnotatorQuerySerializer,
    AnnotatorSerializer,
    PairQuerySerializer,
    PairSerializer,
    QualitySerializer,
)
from annotation.models import AgreementPair
from annotation.selectors import annotators, quality


class QualityViewSet(ApiViewSet):
    """Agreement, checks, position bias and time."""

    scopes = {"retrieve": "read"}

    @documented(QualitySerializer)
    def retrieve(self, request: Request, project: str) -> Response:
        """The figures of the whole project. Reviewers, owners and admins only."""
        return Response(QualitySerializer(quality.of_project(self.by, self.project())).data)


class AnnotatorViewSet(ApiViewSet):
    """Annotators side by side. Owners and admins only."""

    scopes = {"list": "read", "paired": "read"}
    queryset = AgreementPair.objects.none()

    @documented(AnnotatorSerializer(many=True), query=[AnnotatorQuerySerializer], refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """Everybody who answered, sorted as asked; what is unknown comes last."""
        sort = self.asked(AnnotatorQuerySerializer)["sort"]
        return self.pages(annotators.of_project(self.by, self.project(), sort), AnnotatorSerializer)

    @documented(PairSerializer(many=True), query=[PairQuerySerializer], refuses=(404, 422))
    def paired(self, request: Request, project: str) -> Response:
        """Every two people who answered ten or more of the same comparisons."""
        sort = self.asked(PairQuerySerializer)["sort"]
        return self.pages(annotators.pairs(self.by, self.project(), sort), PairSerializer)
