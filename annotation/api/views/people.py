"""The person who asks: themselves, their tokens, invites they make and follow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.serializers.people import (
    InviteAcceptSerializer,
    InviteSerializer,
    InviteWriteSerializer,
    MeSerializer,
    NewInviteSerializer,
    NewTokenSerializer,
    TokenSerializer,
    TokenWriteSerializer,
)
from annotation.api.serializers.projects import ProjectSerializer
from annotation.api.throttling import AcceptThrottle, TokenThrottle
from annotation.errors import NotAllowed
from annotation.models import ApiToken
from annotation.selectors import projects
from annotation.selectors import tokens as tokens_seen
from annotation.services import invites, tokens


class MeViewSet(ApiViewSet):
    """Yourself."""

    scopes = {"retrieve": "read"}

    @documented(MeSerializer, refuses=())
    def retrieve(self, request: Request) -> Response:
        """Who you are signed in as, and what this token may do."""
        return Response(MeSerializer(self.by, context={"request": request}).data)


class TokenViewSet(ApiViewSet):
    """Your API tokens."""

    scopes = {"list": "read", "create": "manage", "destroy": "manage"}

    def get_throttles(self) -> list[TokenThrottle]:  # type: ignore[override]
        return [TokenThrottle()] if self.action == "create" else []

    @documented(TokenSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Your tokens, without their secrets."""
        return self.pages(tokens_seen.tokens_of(self.by), TokenSerializer)

    @documented(NewTokenSerializer, takes=TokenWriteSerializer, status=201, refuses=(400, 422, 429))
    def create(self, request: Request) -> Response:
        """Make a token; its secret is in this answer and never again.

        A token can make no token that may do more, or lives longer, than itself.
        """
        wanted = self.given(TokenWriteSerializer)
        self._check_no_wider(wanted)
        made, secret = tokens.create(by=self.by, at=self.at, **wanted)
        return Response({**TokenSerializer(made).data, "secret": secret}, status=201)

    @documented(None, status=204)
    def destroy(self, request: Request, key: str) -> Response:
        """Revoke one of your tokens."""
        tokens.revoke(token=tokens_seen.get(self.by, key), by=self.by, at=self.at)
        return Response(status=204)

    def _check_no_wider(self, wanted: dict[str, Any]) -> None:
        """A leaked token must not turn itself into one that may do more, or that lives longer."""
        token = self.request.auth
        if not isinstance(token, ApiToken):
            return
        if not set(wanted["scopes"]) <= set(token.scopes):
            raise NotAllowed("wider_token", "A token can make no token with scopes it doesn't have itself.")
        if token.expiry is not None:
            days = wanted["days"]
            if days is None or self.at + timedelta(days=days) > token.expiry:
                raise NotAllowed("wider_token", "A token can make no token that outlives it.")


class InviteViewSet(ApiViewSet):
    """Links that make whoever follows them a member."""

    scopes = {"list": "read", "create": "manage", "destroy": "manage"}

    @documented(InviteSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The project's invites, without their secrets. Managers only."""
        return self.pages(projects.invites(self.by, self.project()), InviteSerializer)

    @documented(NewInviteSerializer, takes=InviteWriteSerializer, status=201, refuses=(400, 404, 422))
    def create(self, request: Request, project: str) -> Response:
        """Make an invite link; the link is in this answer and never again."""
        found = self.project()
        wanted = self.given(InviteWriteSerializer)
        made, secret = invites.create(project=found, by=self.by, at=self.at, **wanted)
        link = request.build_absolute_uri(f"/join/{secret}/")
        body = {**InviteSerializer(made).data, "secret": secret, "link": link}
        return Response(body, status=201)

    @documented(None, status=204)
    def destroy(self, request: Request, project: str, invite: int) -> Response:
        """Revoke an invite; whoever joined by it stays."""
        found = projects.invite(self.by, self.project(), invite)
        invites.revoke(invite=found, by=self.by, at=self.at)
        return Response(status=204)


class InviteAcceptViewSet(ApiViewSet):
    """Following a link."""

    scopes = {"create": "annotate"}
    throttle_classes = (AcceptThrottle,)

    @documented(ProjectSerializer, takes=InviteAcceptSerializer, refuses=(400, 404, 409, 422, 429))
    def create(self, request: Request) -> Response:
        """Join the project an invite leads to; accepting twice changes nothing."""
        secret = self.given(InviteAcceptSerializer)["secret"]
        member = invites.accept(secret=secret, by=self.by, at=self.at)
        return Response(ProjectSerializer(projects.with_role(self.by).get(pk=member.project_id)).data)
