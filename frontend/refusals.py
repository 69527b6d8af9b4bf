"""What the domain refuses, as an answer a person can act on."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from annotation.errors import DomainError, Invalid

TITLES = {
    403: "Not allowed",
    404: "Not found",
    409: "That no longer fits",
    422: "Something is not right",
    503: "Not available just now",
}


class DomainErrorMiddleware:
    """A `DomainError` nobody caught becomes a page in words; JSON for scripts and HTMX.

    And a fragment asked for after the session ended sends the whole page to sign in, instead of putting the
    sign-in page into the fragment's place.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        return _whole_page_to_sign_in(request, response) or response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer(request, error) if isinstance(error, DomainError) else None


def answer(request: HttpRequest, error: DomainError) -> HttpResponse:
    if wants_json(request):
        return as_json(error)
    context = {"title": TITLES.get(error.status, "That did not work"), "message": error.message}
    return render(request, "frontend/refused.html", context, status=error.status)


def _whole_page_to_sign_in(request: HttpRequest, response: HttpResponse) -> HttpResponse | None:
    sign_in = reverse(settings.LOGIN_URL)
    target = response.headers.get("Location", "")
    if request.headers.get("HX-Request") != "true" or not target.startswith(sign_in):
        return None
    back = urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
    return HttpResponse(status=204, headers={"HX-Redirect": f"{sign_in}?{urlencode({'next': back})}"})


def as_json(error: DomainError) -> JsonResponse:
    body: dict[str, object] = {"code": error.code, "detail": error.message}
    if isinstance(error, Invalid) and error.fields:
        body["fields"] = error.fields
    return JsonResponse(body, status=error.status)


def wants_json(request: HttpRequest) -> bool:
    """Our scripts say so; HTMX's refusals are shown as a message by `ui.js`."""
    asked = request.headers.get("Accept", "")
    return asked.startswith("application/json") or request.headers.get("HX-Request") == "true"
