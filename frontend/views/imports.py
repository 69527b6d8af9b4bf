"""Imports of preferences: start one, watch it, read what it left out; and the preferences themselves."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import kinds
from annotation.errors import DomainError
from annotation.models import PreferenceImport, Project, Split
from annotation.selectors import imports as selectors
from annotation.selectors import pace
from annotation.selectors import preferences as preference_selectors
from annotation.services import imports
from frontend import desk
from frontend.forms.admin_forms import HubForm, UploadForm

FORMULAS = tuple("=+-@\t\r")
LIVE = {PreferenceImport.State.QUEUED, PreferenceImport.State.RUNNING}


@csrf_exempt  # `_imports` is protected: looking for its token in a form means to store the whole upload
@desk.page
def project_imports(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The list, and the two ways to start another. Who may not import is turned away unread."""
    return _imports(request, desk.of_preferences(request, slug, kinds.NO_IMPORTS))


@csrf_protect
@require_http_methods(["GET", "POST"])
def _imports(request: HttpRequest, project: Project) -> HttpResponse:
    user = desk.person(request)
    hub = request.POST.get("kind") == "hub"
    upload_form = UploadForm(*_bound(request, wanted=not hub))
    hub_form = HubForm(*_bound(request, wanted=hub)[:1])
    status = 200
    if request.method == "POST":
        status = 422
        form: UploadForm | HubForm = hub_form if hub else upload_form
        if form.is_valid():
            start: Any = imports.start_hub if hub else imports.start_file
            try:
                started = start(project=project, by=user, at=timezone.now(), **form.cleaned_data)
                return redirect("import-detail", import_id=started.pk)
            except DomainError as error:
                desk.show_refusal(form, error, {"file": "upload"})
    page = desk.pages(request, selectors.of_project(user, project))
    context = {
        "project": project,
        "tab": "imports",
        "upload_form": upload_form,
        "hub_form": hub_form,
        "hub_open": hub,
        "max_bytes": settings.MAX_UPLOAD_BYTES,
        "missing": desk.missing_queues("default"),
        "page": page,
        "moving": any(item.state in LIVE for item in page),
    }
    return render(request, "frontend/project_imports.html", context, status=status)


@desk.page
@require_safe
def import_detail(request: HttpRequest, import_id: int) -> HttpResponse:
    return render(request, "frontend/import_detail.html", _detail(request, import_id))


@desk.page
@require_safe
def import_live(request: HttpRequest, import_id: int) -> HttpResponse:
    """HTMX, every second while it runs: progress and counts."""
    return render(request, "frontend/import_live.html", _detail(request, import_id))


@desk.page
@require_POST
def import_cancel(request: HttpRequest, import_id: int) -> HttpResponse:
    user = desk.person(request)
    found = selectors.get(user, import_id)
    desk.tell(
        request,
        lambda: imports.cancel(job=found, by=user, at=timezone.now()),
        "The import stops after the rows it is storing now.",
    )
    return redirect("import-detail", import_id=found.pk)


@desk.page
@require_safe
def import_rejections(request: HttpRequest, import_id: int) -> StreamingHttpResponse:
    """What an import left out, as CSV."""
    user = desk.person(request)
    found = selectors.get(user, import_id)
    desk.managed(request, found.project.slug)
    rows = selectors.rejections(user, found).values_list("line", "reason", "excerpt")
    response = StreamingHttpResponse(_csv(rows.iterator()), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{found.pk}-rejected.csv"'
    return response


@desk.page
@require_safe
def project_preferences(request: HttpRequest, slug: str) -> HttpResponse:
    """The imported preferences with split and scores, for managers only. Responses have their own page."""
    project = desk.managed(request, slug)
    if project.is_arena:
        return redirect("arena-responses", slug=slug)
    split = request.GET.get("split", "")
    split = split if split in Split.values else ""
    rows = preference_selectors.InOrder(desk.person(request), project, split)
    context = {
        "project": project,
        "tab": "preferences",
        "split": split,
        "splits": Split.choices,
        "query": f"split={split}&" if split else "",
        "page": desk.pages(request, rows, per_page=25),
    }
    return render(request, "frontend/project_preferences.html", context)


def _detail(request: HttpRequest, import_id: int) -> dict[str, Any]:
    user = desk.person(request)
    found = selectors.get(user, import_id)
    live = found.state in LIVE
    return {
        "project": desk.managed(request, found.project.slug),
        "tab": "imports",
        "import": found,
        "live": live,
        "pace": pace.of_import(found, timezone.now()),
        "missing": desk.missing_queues("default") if live else [],
        "page": desk.pages(request, selectors.rejections(user, found)),
    }


def _bound(request: HttpRequest, *, wanted: bool) -> tuple[Any, ...]:
    return (request.POST, request.FILES) if request.method == "POST" and wanted else (None, None)


class _Echo:
    """A file that gives each written line back, so that csv can be streamed."""

    def write(self, line: str) -> str:
        return line


def _csv(rows: Iterator[tuple[int, str, str]]) -> Iterator[str]:
    writer: Any = csv.writer(_Echo())
    yield writer.writerow(("line", "reason", "excerpt"))
    for line, reason, excerpt in rows:
        # A cell that starts like a formula would be run by a spreadsheet.
        yield writer.writerow((line, reason, f"'{excerpt}" if excerpt.startswith(FORMULAS) else excerpt))
