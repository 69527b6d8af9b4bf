"""What /api/ says where no view answers: the same shape as every other refusal."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.defaults import server_error as page


@csrf_exempt
def not_found(request: HttpRequest) -> JsonResponse:
    """A path under /api/ that is no endpoint, or an id that cannot be one."""
    return JsonResponse({"code": "not_found", "detail": "There is no such endpoint."}, status=404)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """A bug: JSON under /api/, the page elsewhere. What went wrong is in the log only."""
    if not request.path.startswith("/api/"):
        return page(request)
    return JsonResponse({"code": "error", "detail": "Something went wrong on the server."}, status=500)
