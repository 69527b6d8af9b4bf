"""What a token may do: each view names the scope each of its actions needs; the rest is denied."""

from __future__ import annotations

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from annotation.models import ApiToken


class ScopeAllows(BasePermission):
    """A signed-in session may ask for every named action; a token needs the action's scope.

    Who may touch which project is not decided here: selectors and rules do that for every caller alike.
    """

    message = "This token's scopes don't allow this."
    code = "scope_missing"

    def has_permission(self, request: Request, view: APIView) -> bool:
        action = getattr(view, "action", None)
        if action is None:  # a method the view doesn't have: on its way to 405
            return True
        scope = getattr(view, "scopes", {}).get(action)
        if scope is None:
            return False
        return not isinstance(request.auth, ApiToken) or scope in request.auth.scopes
