"""Annotation's part of /api/v1/."""

from __future__ import annotations

from annotation.api.routing import route
from annotation.api.views.people import InviteAcceptViewSet, InviteViewSet, MeViewSet, TokenViewSet

PROJECT = "projects/<slug:project>"

urlpatterns = [
    *route("me/", MeViewSet, "me", get="retrieve"),
    *route("tokens/", TokenViewSet, "tokens", get="list", post="create"),
    *route("tokens/<slug:key>/", TokenViewSet, "token", delete="destroy"),
    *route("invites/accept", InviteAcceptViewSet, "invite-accept", post="create"),
    *route(f"{PROJECT}/invites/", InviteViewSet, "project-invites", get="list", post="create"),
    *route(f"{PROJECT}/invites/<int:invite>/", InviteViewSet, "invite", delete="destroy"),
]
