"""Answers after they were given: one's own to change, all of them for managers to read."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented, files_of
from annotation.api.downloads import AnyAccept, download
from annotation.api.pagination import CursorPages
from annotation.api.serializers.labels import (
    AnyLabelSerializer,
    CorrectionSerializer,
    EditSerializer,
    LabelEventSerializer,
    LabelExportQuerySerializer,
    LabelFilterSerializer,
    OwnLabelSerializer,
    StorySerializer,
)
from annotation.models import Label
from annotation.selectors import datasets, history, label_export
from annotation.services import history as deeds
from annotation.services import label_files


class NewestFirst(CursorPages):
    ordering = "-id"


class ProjectLabelViewSet(ApiViewSet):
    """Answers given in a project."""

    scopes = {"list": "read", "mine": "read"}
    pagination_class = NewestFirst
    queryset = Label.objects.none()

    @documented(OwnLabelSerializer(many=True))
    def mine(self, request: Request, project: str) -> Response:
        """Your answers that count now, newest first."""
        return self.pages(history.mine(self.by, self.project()), OwnLabelSerializer)

    @documented(AnyLabelSerializer(many=True), query=[LabelFilterSerializer], refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """Everybody's answers, current or not, newest first. Managers only."""
        rows = history.of_project(self.by, self.project())
        asked = self.asked(LabelFilterSerializer)
        name = asked.pop("annotator", None)
        wanted = {field: value for field, value in asked.items() if value is not None}
        return self.pages(
            rows.filter(**wanted, **({"annotator__username": name} if name else {})), AnyLabelSerializer
        )


class LabelExportViewSet(ApiViewSet):
    """A project's answers as a file."""

    scopes = {"retrieve": "read"}
    content_negotiation_class = AnyAccept

    @documented(
        files_of(label_export.FORMATS.values()), query=(LabelExportQuerySerializer,), refuses=(404, 422)
    )
    def retrieve(self, request: Request, project: str) -> HttpResponseBase:
        """Every answer that counts now, oldest first, as a stream; annotators are pseudonyms by default.

        `stronger_id` is the content hash of the preference that was called stronger. Managers only; an export
        with names is in the audit log.
        """
        found, asked = self.project(), self.asked(LabelExportQuerySerializer)
        kind = asked["format"]
        return download(
            request,
            label_files.take(
                project=found, by=self.by, at=self.at, kind=kind, pseudonymise=asked["pseudonymise"]
            ),
            filename=f"{found.slug}-labels.{kind}",
            content_type=label_export.FORMATS[kind],
        )


class LabelViewSet(ApiViewSet):
    """One answer."""

    scopes = {"retrieve": "read", "partial_update": "annotate", "destroy": "annotate"}

    @documented(StorySerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        """An answer with its texts and history: your own, or any in a project you manage."""
        return Response(StorySerializer(history.story(self.by, pk)).data)

    @documented(OwnLabelSerializer, takes=EditSerializer, refuses=(400, 404, 409, 422))
    def partial_update(self, request: Request, pk: int) -> Response:
        """Answer anew: a new label that supersedes this one. The same `key` again changes nothing."""
        label = deeds.edit(label_id=pk, by=self.by, at=self.at, **self.given(EditSerializer))
        return Response(OwnLabelSerializer(label).data)

    @documented(None, status=204, query=[CorrectionSerializer], refuses=(404, 409, 422))
    def destroy(self, request: Request, pk: int) -> Response:
        """Take one of your answers back; its comparison is anybody's again."""
        reason = self.asked(CorrectionSerializer)["correction"]
        deeds.undo(label_id=pk, by=self.by, at=self.at, correction=reason)
        return Response(status=204)


class CorrectionViewSet(ApiViewSet):
    """What was corrected since a dataset was frozen."""

    scopes = {"list": "read"}
    pagination_class = NewestFirst

    @documented(LabelEventSerializer(many=True))
    def list(self, request: Request, pk: int) -> Response:
        """Labels corrected since it was frozen, newest first; the dataset stays as it is. Managers only."""
        return self.pages(history.corrections(self.by, datasets.get(self.by, pk)), LabelEventSerializer)
