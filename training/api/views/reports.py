"""What a run tells: events, curves, log, evaluations, the model it made, what that wrote and sees."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.downloads import AnyAccept, download
from training.api.serializers import (
    AnnotationsSerializer,
    CurvesSerializer,
    EvaluationSerializer,
    EventsQuerySerializer,
    EventsSerializer,
    LogQuerySerializer,
    LogSerializer,
    RunPreferenceSerializer,
)
from training.models import Run
from training.selectors import alpaca as alpaca_seen
from training.selectors import points, responses, runs
from training.services import alpaca


class RunReportViewSet(ApiViewSet):
    """What a run tells about itself. Managers only."""

    scopes = {"events": "read", "curves": "read", "log": "read", "evaluations": "read"}
    pagination_class = None

    @documented(EventsSerializer, query=(EventsQuerySerializer,), refuses=(404, 422))
    def events(self, request: Request, pk: int) -> Response:
        """The run's events in order; poll with `after_seq` = the last `last_seq`."""
        run, asked = self._run(pk), self.asked(EventsQuerySerializer)
        after: int | None = asked.get("after_seq")
        rows = runs.events(self.by, run, kinds=sorted(asked["kinds"]) if asked.get("kinds") else None)
        if after is not None:  # the first event's seq is 0, so 0 is a place like any other
            rows = rows.filter(seq__gt=after)
        found = list(rows[: asked["limit"]])
        last = found[-1].seq if found else after
        return Response(EventsSerializer({"events": found, "last_seq": last, "state": run.state}).data)

    @documented(CurvesSerializer)
    def curves(self, request: Request, pk: int) -> Response:
        """Loss, margins, accuracies … by step, as the run page plots them."""
        return Response(CurvesSerializer({"curves": runs.curves(self.by, self._run(pk))}).data)

    @documented(LogSerializer, query=(LogQuerySerializer,), refuses=(404, 422))
    def log(self, request: Request, pk: int) -> Response:
        """The tail of the engine's log."""
        run, lines = self._run(pk), self.asked(LogQuerySerializer)["lines"]
        return Response(LogSerializer({"log": runs.log_tail(self.by, run, lines=lines)}).data)

    @documented(EvaluationSerializer(many=True))
    def evaluations(self, request: Request, pk: int) -> Response:
        """The run's evaluation results."""
        found = runs.evaluations(self.by, self._run(pk))
        return Response(EvaluationSerializer(found, many=True).data)

    def _run(self, pk: int) -> Run:
        return runs.get(self.by, pk)


class RunAnnotationsViewSet(ApiViewSet):
    """A judge's annotations of a run's outputs."""

    scopes = {"create": "train"}
    parser_classes = (MultiPartParser,)

    @documented(
        EvaluationSerializer,
        takes={"multipart/form-data": AnnotationsSerializer},
        status=201,
        refuses=(400, 404, 409, 413, 422),
    )
    def create(self, request: Request, pk: int) -> Response:
        """AlpacaEval's win rates from a judge's `annotations.json`. An earlier file's are replaced.

        `generator_2` must be the run's own name there: `run-ID-METHOD`, or `run-ID-sft`.
        """
        run, given = runs.get(self.by, pk), self.given(AnnotationsSerializer)
        made = alpaca.take(run=run, file=given["file"], by=self.by, at=self.at)
        return Response(EvaluationSerializer(made).data, status=201)


class RunAlpacaFileViewSet(ApiViewSet):
    """What an evaluation run wrote for AlpacaEval."""

    scopes = {"retrieve": "read"}
    content_negotiation_class = AnyAccept

    @documented({(200, "application/json"): {"type": "array", "items": {"type": "object"}}}, refuses=(404,))
    def retrieve(self, request: Request, pk: int, file: str) -> HttpResponseBase:
        """`outputs` of the model or `annotations` of the judge, in the package's formats. Managers only."""
        found = alpaca_seen.file(self.by, runs.get(self.by, pk), file)
        return download(
            request,
            found.chunks(),
            filename=f"run-{pk}-{found.name}",
            content_type="application/json",
            headers={"Content-Length": str(found.size)},
        )


class RunPreferenceViewSet(ApiViewSet):
    """A preference of a run's dataset under its model."""

    scopes = {"retrieve": "read"}

    @documented(RunPreferenceSerializer)
    def retrieve(self, request: Request, pk: int, preference: str) -> Response:
        """Texts, learned and true margin, and the PoP rows it stands in. Managers only: scores are in it."""
        found = points.get(self.by, runs.get(self.by, pk), preference)
        return Response(RunPreferenceSerializer(found).data)


class RunModelViewSet(ApiViewSet):
    """The model a run made."""

    scopes = {"retrieve": "read"}
    content_negotiation_class = AnyAccept

    @documented({(200, "application/x-tar"): OpenApiTypes.BINARY}, refuses=(404,))
    def retrieve(self, request: Request, pk: int) -> HttpResponseBase:
        """The trained model as a tar: safetensors, tokenizer, model card. Managers only."""
        archive = runs.model_archive(self.by, runs.get(self.by, pk))
        return download(
            request,
            archive.chunks,
            filename=archive.filename,
            content_type="application/x-tar",
            headers={"Content-Length": str(archive.size)},
        )


class RunResponsesViewSet(ApiViewSet):
    """What a run's model wrote."""

    scopes = {"retrieve": "read"}
    content_negotiation_class = AnyAccept

    @documented({(200, "application/x-ndjson"): OpenApiTypes.BINARY}, refuses=(404,))
    def retrieve(self, request: Request, pk: int) -> HttpResponseBase:
        """Responses to held-out prompts, a JSON object a line (docs/evaluations.md). Managers only."""
        found = responses.file(self.by, runs.get(self.by, pk))
        return download(
            request,
            found.chunks(),
            filename=f"run-{pk}-responses.jsonl",
            content_type="application/x-ndjson",
            headers={"Content-Length": str(found.size)},
        )
