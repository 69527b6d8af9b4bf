"""Refuses an upload over the limit by its declared size, before a byte of the body is read."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat

IMPORTS = re.compile(r"^/(api/v1/)?projects/[^/]+/imports/$")


class UploadLimitMiddleware:
    """Answers 413 with a sentence a person can act on; JSON under /api/, a page elsewhere."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        declared = request.META.get("CONTENT_LENGTH") or "0"
        size = int(declared) if declared.isascii() and declared.isdigit() else 0
        most = _limit(request)
        if size <= most:
            return self.get_response(request)
        limit = filesizeformat(most)
        message = (
            f"This upload is {filesizeformat(size)}; the limit is {limit}. "
            "Nothing was stored. Split the file, or raise POP_MAX_UPLOAD_MB."
        )
        if request.path.startswith("/api/"):
            return JsonResponse({"code": "upload_too_large", "detail": message}, status=413)
        return render(request, "frontend/upload_too_large.html", {"message": message}, status=413)


def _limit(request: HttpRequest) -> int:
    """Files are imported in two places. Elsewhere a form is small, and nobody may fill the disk with one."""
    is_form = request.META.get("CONTENT_TYPE", "").lower().startswith("multipart/")
    if not is_form or IMPORTS.search(request.path_info):
        return int(settings.MAX_UPLOAD_BYTES)
    return int(min(settings.MAX_UPLOAD_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
