"""Files as streams, with their name, type and tag; the first bytes are made before 200 is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AnyAccept(BaseContentNegotiation):
    """A download has one form: `Accept` and `?format=` choose no renderer; errors are JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        only = next(iter(renderers))
        return only, str(only.media_type)

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers), None)


def download(
    request: Request,
    chunks: Iterator[bytes],
    *,
    filename: str,
    content_type: str,
    etag: str = "",
    headers: dict[str, str] | None = None,
) -> HttpResponseBase:
    """200 with the stream, 304 when the client has it already, headers only for HEAD."""
    quoted = quote_etag(etag) if etag else None
    known = get_conditional_response(request._request, etag=quoted) if quoted else None
    if known is not None:
        return known
    answer: HttpResponseBase
    if request.method == "HEAD":
        answer = HttpResponse(content_type=content_type)
    else:
        answer = StreamingHttpResponse(_begun(chunks), content_type=content_type)
    answer["Content-Disposition"] = str(content_disposition_header(as_attachment=True, filename=filename))
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-cache"
    if quoted:
        answer["ETag"] = quoted
    for name, value in (headers or {}).items():
        answer[name] = value
    return answer


def _begun(stream: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes; what goes wrong at the start is raised here, while there's still a status to choose."""
    first = next(stream, b"")
    return chain([first], stream)
