"""JSON bodies of a bounded size: DRF reads them whole, so a limit on uploads alone is none on memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from rest_framework.exceptions import APIException
from rest_framework.parsers import JSONParser


class TooLarge(APIException):
    """413: nothing of the body was read."""

    status_code = 413
    default_code = "body_too_large"


class BoundedJSONParser(JSONParser):
    """JSON up to `DATA_UPLOAD_MAX_MEMORY_SIZE`; a body without a length is read as empty by Django."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        meta = (parser_context or {})["request"].META
        size, limit = int(meta.get("CONTENT_LENGTH") or 0), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if limit is not None and size > limit:
            raise TooLarge(f"This JSON is {filesizeformat(size)}; the limit is {filesizeformat(limit)}.")
        return super().parse(stream, media_type, parser_context)
