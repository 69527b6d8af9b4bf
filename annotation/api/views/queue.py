"""The annotator's queue: a card, an answer, the next card."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.serializers.queue import (
    NEXT,
    AnsweredSerializer,
    AnswerSerializer,
    CardSerializer,
    EmptyQueueSerializer,
    ExcludeSerializer,
    ExtendedSerializer,
    HeartbeatSerializer,
    ReleasedSerializer,
)
from annotation.models import Project
from annotation.selectors import arena_names, practice, queue
from annotation.services import assignments, labels


class QueueViewSet(ApiViewSet):
    """What is asked of you next."""

    scopes = {"next": "annotate", "undo": "annotate", "release": "annotate"}

    @documented(NEXT, takes=ExcludeSerializer, refuses=(400, 404, 422))
    def next(self, request: Request, project: str) -> Response:
        """Lease a comparison: the card to show, or `{"empty": …}` with the reason.

        A lease you hold and don't name in `exclude` comes first, so asking twice gives the same card.
        """
        found = self.project()
        return Response(next_card(self, found, self.given(ExcludeSerializer)["exclude"]))

    @documented(CardSerializer, refuses=(404, 409))
    def undo(self, request: Request, project: str) -> Response:
        """Take back your latest answer in this project; its comparison is leased to you again."""
        back = labels.undo_last(project=self.project(), by=self.by, at=self.at)
        return Response(CardSerializer(queue.card(back)).data)

    @documented(ReleasedSerializer)
    def release(self, request: Request, project: str) -> Response:
        """Give back every comparison you hold in this project."""
        count = assignments.release(project=self.project(), by=self.by, at=self.at)
        return Response(ReleasedSerializer({"released": count}).data)


class AssignmentViewSet(ApiViewSet):
    """A comparison leased to you."""

    scopes = {"label": "annotate", "heartbeat": "annotate"}

    @documented(AnsweredSerializer, takes=AnswerSerializer, status=201, refuses=(400, 404, 409, 422))
    def label(self, request: Request, pk: int) -> Response:
        """Answer, and get the next card in the same round trip. The same `key` again changes nothing."""
        given = self.given(AnswerSerializer)
        want_next, exclude = given.pop("want_next"), given.pop("exclude")
        label = labels.submit(assignment_id=pk, by=self.by, at=self.at, **given)
        following = next_card(self, label.project, exclude) if want_next else None
        answered = {
            "label": label,
            "feedback": practice.feedback(label),
            "models": arena_names.of_label(label.project, label),
            "next": following,
        }
        return Response(AnsweredSerializer(answered).data, status=201)

    @documented(ExtendedSerializer, takes=HeartbeatSerializer, refuses=(400, 422))
    def heartbeat(self, request: Request) -> Response:
        """Prolong leases you hold; the answer names those that still hold."""
        ids = self.given(HeartbeatSerializer)["ids"]
        held = assignments.heartbeat(assignment_ids=ids, by=self.by, at=self.at)
        return Response(ExtendedSerializer({"extended": held}).data)


def next_card(view: ApiViewSet, project: Project, exclude: Collection[int]) -> dict[str, Any]:
    """The next card as plain data, or why there is none."""
    lease = assignments.next_for(project=project, by=view.by, at=view.at, exclude=exclude)
    if lease is not None:
        return dict(CardSerializer(queue.card(lease)).data)
    return dict(EmptyQueueSerializer({"empty": queue.why_empty(view.by, project, view.at)}).data)
