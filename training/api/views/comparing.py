"""Runs of a project side by side, as JSON and as files, and in the order of a measure."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented, files_of
from annotation.api.downloads import AnyAccept, download
from training import comparing
from training.api.comparison_serializers import (
    CompareFileQuerySerializer,
    CompareQuerySerializer,
    ComparisonSerializer,
    LeaderboardQuerySerializer,
    RankedRunSerializer,
    SamplingAdviceSerializer,
)
from training.comparison_files import FORMATS
from training.selectors import comparing as selectors
from training.selectors import trade_off

MEASURES = {comparing.key_of(*one): one for one in comparing.DIRECTIONS}


class CompareViewSet(ApiViewSet):
    """Runs side by side. Managers only."""

    scopes = {"retrieve": "read"}

    @documented(ComparisonSerializer, query=(CompareQuerySerializer,), refuses=(404, 422))
    def retrieve(self, request: Request, project: str) -> Response:
        """Measures with the best and what is not distinguishable from it, settings that differ, datasets."""
        found = self.project()
        compared = selectors.compared(self.by, found, self.asked(CompareQuerySerializer)["run"])
        return Response(ComparisonSerializer(compared).data)


class CompareFileViewSet(ApiViewSet):
    """The table of measures as a file."""

    scopes = {"retrieve": "read"}
    content_negotiation_class = AnyAccept

    @documented(
        files_of(form.content_type for form in FORMATS.values()),
        query=(CompareFileQuerySerializer,),
        refuses=(404, 422),
    )
    def retrieve(self, request: Request, project: str) -> HttpResponseBase:
        """The measures of runs as CSV, Markdown or LaTeX, values with intervals. Managers only."""
        found, asked = self.project(), self.asked(CompareFileQuerySerializer)
        compared, form = selectors.compared(self.by, found, asked["run"]), FORMATS[asked["format"]]
        table = form.write(selectors.columns(compared.runs), compared.lines)
        return download(
            request,
            iter([table.encode()]),
            filename=f"{found.slug}-runs.{asked['format']}",
            content_type=form.content_type,
        )


class LeaderboardViewSet(ApiViewSet):
    """Finished runs of a project by a measure. Managers only."""

    scopes = {"list": "read"}

    @documented(RankedRunSerializer(many=True), query=(LeaderboardQuerySerializer,), refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """Finished runs, the best first, and whether each is distinguishable from the first."""
        found, asked = self.project(), self.asked(LeaderboardQuerySerializer)
        evaluation, measure = MEASURES[asked["measure"]]
        rows = selectors.leaderboard(self.by, found, evaluation, measure, dataset=asked.get("dataset"))
        return self.pages([{"place": place, "run": run} for place, run in rows], RankedRunSerializer)


class SamplingViewSet(ApiViewSet):
    """Which sampling a project's runs speak for. Managers only."""

    scopes = {"retrieve": "read"}

    @documented(SamplingAdviceSerializer)
    def retrieve(self, request: Request, project: str) -> Response:
        """Labels, discrimination and generation by sampling, and what the intervals allow to be said."""
        return Response(SamplingAdviceSerializer(trade_off.of_project(self.by, self.project()).advice).data)
