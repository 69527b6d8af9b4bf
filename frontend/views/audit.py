"""What was done to a project, for its managers."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotation.selectors import audit
from frontend import desk

PER_PAGE = 50


@desk.page
@require_safe
def project_audit(request: HttpRequest, slug: str) -> HttpResponse:
    """Newest first, paged by the id before which to go on: a long trail costs no more than a short one."""
    project = desk.managed(request, slug)
    asked = {name: request.GET.get(name, "").strip().replace("\0", "") for name in ("actor", "verb")}
    entries = audit.of_project(desk.person(request), project, **asked)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        entries = entries.filter(pk__lt=int(before))
    found = list(entries[: PER_PAGE + 1])
    context = {
        "project": project,
        "tab": "audit",
        "rows": found[:PER_PAGE],
        "older": found[PER_PAGE - 1].pk if len(found) > PER_PAGE else None,
        "asked": asked,
        "query": urlencode({name: value for name, value in asked.items() if value}),
    }
    return render(request, "frontend/audit.html", context)
