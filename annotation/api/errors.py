"""Every error answer is `{"code", "detail", "fields"?}`.

400 the request cannot be read (broken JSON, wrong media type is 415); 401 not signed in; 403 not allowed;
404 no such thing, or none you may know of; 409 the state forbids it; 413 too large; 422 it can be read but
its values are wrong (`fields` says which); 429 too often; 503 try again later.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler, set_rollback

from annotation.api.parsers import TooLarge
from annotation.errors import DomainError

logger = logging.getLogger(__name__)
CODES = {
    status.HTTP_400_BAD_REQUEST: "malformed",
    status.HTTP_401_UNAUTHORIZED: "not_signed_in",
    status.HTTP_403_FORBIDDEN: "not_allowed",
    status.HTTP_404_NOT_FOUND: "not_found",
    status.HTTP_405_METHOD_NOT_ALLOWED: "method_not_allowed",
    status.HTTP_406_NOT_ACCEPTABLE: "not_acceptable",
    status.HTTP_413_REQUEST_ENTITY_TOO_LARGE: "too_large",
    status.HTTP_415_UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    status.HTTP_429_TOO_MANY_REQUESTS: "too_often",
}


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: domain errors and DRF's own, in one shape."""
    if isinstance(exc, DomainError):
        set_rollback()
        return Response(_domain(exc), status=exc.status)
    if isinstance(exc, exceptions.ValidationError):
        set_rollback()
        fields = _fields(exc.detail)
        return Response(
            {"code": "invalid", "detail": _sentence(fields), "fields": fields},
            status=status.HTTP_422_UNPROCESSABLE_ENTITY,
        )
    if isinstance(exc, RequestDataTooBig):
        exc = TooLarge("The body is over the limit.")
    if isinstance(exc, RecursionError):
        logger.warning("A body was nested too deeply to be read.", exc_info=True)
        exc = exceptions.ParseError("The JSON is nested too deeply.")
    if isinstance(exc, OperationalError):
        logger.exception("The database did not answer.")
        busy = {"code": "database_busy", "detail": "The database is busy or away. Try again in a moment."}
        return Response(busy, status=status.HTTP_503_SERVICE_UNAVAILABLE)
    response = exception_handler(exc, context)
    if response is not None:
        response.data = {"code": _code(exc, response.status_code), "detail": _detail(exc, response)}
    return response


def _domain(exc: DomainError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": exc.code, "detail": exc.message}
    fields = getattr(exc, "fields", None)
    return {**body, "fields": fields} if fields else body


def _code(exc: Exception, answered: int) -> str:
    if isinstance(exc, exceptions.PermissionDenied) and exc.get_codes() != "permission_denied":
        return str(exc.get_codes())
    return CODES.get(answered, "error")


def _detail(exc: Exception, response: Response) -> str:
    if isinstance(exc, Http404):
        return "Not found."
    if isinstance(exc, PermissionDenied):
        return "You may not do this."
    data = response.data
    return str(data["detail"]) if isinstance(data, dict) and "detail" in data else "The request failed."


def _fields(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested error detail, flattened: `{"a": {"b": [...]}}` becomes `{"a.b": [...]}`."""
    if not isinstance(detail, dict):
        words = [_sendable(item) for item in (detail if isinstance(detail, list) else [detail])]
        return {prefix or api_settings.NON_FIELD_ERRORS_KEY: words}
    flat: dict[str, list[str]] = {}
    for name, inner in detail.items():
        flat |= _fields(inner, f"{prefix}.{name}" if prefix else str(name))
    return flat


def _sendable(words: object) -> str:
    """A complaint may quote what was sent, even half a character, which UTF-8 cannot say."""
    return str(words).encode("utf-8", "replace").decode("utf-8")


def _sentence(fields: dict[str, list[str]]) -> str:
    parts = [
        " ".join(words) if name == api_settings.NON_FIELD_ERRORS_KEY else f"{name}: {' '.join(words)}"
        for name, words in fields.items()
    ]
    return "; ".join(parts)
