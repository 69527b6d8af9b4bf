"""`Authorization: Token pop_…`: knox's hashed tokens, narrowed by scopes."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from annotation.models import ApiToken, User


class ScopedTokenAuthentication(TokenAuthentication):  # type: ignore[misc]
    """Signs a request in by its token; `request.auth` is the token, whose scopes `permissions` reads."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        try:
            token.decode("ascii")
        except UnicodeDecodeError as wrong:
            raise AuthenticationFailed("Invalid token.") from wrong
        user, found = super().authenticate_credentials(token)
        from annotation.services import tokens

        tokens.touch(found, timezone.now())
        return user, found

    def _cleanup_token(self, auth_token: ApiToken) -> bool:
        """Whether the token has expired. Unlike knox's, a request deletes nothing: people see old tokens."""
        return auth_token.expiry is not None and auth_token.expiry < timezone.now()


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema describes the token header."""

    target_class = "annotation.api.authentication.ScopedTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token pop_…`, made under “API tokens” or by `POST /api/v1/tokens/`.",
        }
