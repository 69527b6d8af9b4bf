"""An arena from its manager's side: its results, and what becomes of its votes."""

from __future__ import annotations

from typing import TypeVar

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from annotation import kinds
from annotation.errors import DomainError
from annotation.models import PreferenceImport, Project
from annotation.selectors import arena as selectors
from annotation.selectors import arena_files
from annotation.selectors import projects as project_selectors
from annotation.services import arena_votes
from frontend import desk, figures
from frontend.forms.arena_form import IntoForm

Answer = TypeVar("Answer", bound=HttpResponseBase)


@desk.page
@require_http_methods(["GET", "HEAD", "POST"])
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Who is better, as far as the votes say. Posted: preferences of the votes, in another project."""
    project, user = desk.managed(request, slug), desk.person(request)
    kinds.check_arena(project)
    posted = request.method == "POST"
    targets = selectors.targets(user)
    form = IntoForm.of(targets, request.POST if posted else None)
    if posted and (started := _preferences(request, project, form)):
        return redirect("import-detail", import_id=started.pk)
    found = selectors.of_project(user, project)
    context = {
        "project": project,
        "tab": "arena",
        "found": found,
        "places": figures.places(found.rows),
        "targets": targets,
        "form": form,
    }
    return render(request, "frontend/arena.html", context, status=422 if posted else 200)


def _preferences(request: HttpRequest, arena: Project, form: IntoForm) -> PreferenceImport | None:
    """The import that was started; None where it was refused, and the form says why."""
    if not form.is_valid():
        return None
    user = desk.person(request)
    try:
        into = project_selectors.get(user, form.cleaned_data["into"])
        return arena_votes.make_preferences(arena=arena, into=into, by=user, at=timezone.now())
    except DomainError as error:
        form.add_error("into", error.message)
        return None


@desk.page
@require_safe
def standings_file(request: HttpRequest, slug: str) -> HttpResponse:
    """The standings as CSV."""
    project = desk.managed(request, slug)
    lines = b"".join(arena_files.standings(desk.person(request), project))
    return _file(HttpResponse(lines, content_type=arena_files.CSV), f"{project.slug}-arena.csv")


@desk.page
@require_safe
def votes_file(request: HttpRequest, slug: str, kind: str) -> StreamingHttpResponse:
    """Every answer as CSV; battles with a winner as preferences, one a line."""
    project = desk.managed(request, slug)
    if kind not in arena_files.VOTES:
        raise Http404
    media, write = arena_files.VOTES[kind]
    answer = StreamingHttpResponse(write(desk.person(request), project), content_type=media)
    return _file(answer, f"{project.slug}-votes.{kind}")


def _file(answer: Answer, name: str) -> Answer:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-cache"
    return answer
