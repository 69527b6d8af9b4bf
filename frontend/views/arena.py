"""An arena from its manager's side: made of runs, its results, and what becomes of its votes."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from annotation.errors import DomainError
from annotation.models import Project
from annotation.selectors import arena as selectors
from annotation.selectors import arena_files
from annotation.selectors import projects as project_selectors
from annotation.services import arena_votes
from frontend import desk, figures
from frontend.forms.arena_form import ArenaForm
from training.services import arenas

Answer = TypeVar("Answer", bound=HttpResponseBase)


@desk.page
@require_safe
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Who is better, as far as the votes say."""
    project, user = desk.managed(request, slug), desk.person(request)
    found = selectors.of_project(user, project)
    context = {
        "project": project,
        "tab": "arena",
        "found": found,
        "places": figures.places(found.rows),
        "targets": selectors.targets(user),
    }
    return render(request, "frontend/arena.html", context)


@desk.page
@require_safe
def standings_file(request: HttpRequest, slug: str) -> HttpResponse:
    """The standings as CSV."""
    project = desk.managed(request, slug)
    lines = b"".join(arena_files.standings(desk.person(request), project))
    return _file(HttpResponse(lines, content_type=arena_files.CSV), f"{project.slug}-arena.csv")


@desk.page
@require_safe
def votes_file(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """Battles with a winner as preferences, one a line."""
    project = desk.managed(request, slug)
    lines = arena_files.winners(desk.person(request), project)
    answer = StreamingHttpResponse(lines, content_type=arena_files.JSONL)
    return _file(answer, f"{project.slug}-votes.jsonl")


@desk.page
@require_POST
def preferences(request: HttpRequest, slug: str) -> HttpResponse:
    """Make preferences of the votes, in another project."""
    arena, user = desk.managed(request, slug), desk.person(request)
    try:
        into = project_selectors.get(user, request.POST.get("into", ""))
        started = arena_votes.make_preferences(arena=arena, into=into, by=user, at=timezone.now())
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("arena", slug=slug)
    return redirect("import-detail", import_id=started.pk)


@desk.page
@require_POST
def of_runs(request: HttpRequest, slug: str) -> HttpResponse:
    """Make an arena of the runs that were compared; what is wrong is said above the comparison."""
    project = desk.managed(request, slug)
    runs = [desk.number(text) or 0 for text in request.POST.getlist("run")]
    form = ArenaForm(request.POST)
    made = _made(request, project, runs, form) if form.is_valid() else None
    if made:
        return redirect("project", slug=made.slug)
    for name, errors in form.errors.items():
        label = form.fields[name].label or name.capitalize()
        messages.error(request, f"{label}: {errors[0]}")
    return redirect(f"{reverse('compare', args=[slug])}?{urlencode({'run': runs}, doseq=True)}")


def _made(request: HttpRequest, project: Project, runs: list[int], form: ArenaForm) -> Project | None:
    given: dict[str, Any] = form.cleaned_data
    try:
        made = arenas.from_runs(
            project=project, runs=runs, by=desk.person(request), at=timezone.now(), **given
        )
    except DomainError as error:
        messages.error(request, error.message)
        return None
    desk.say(request, "The arena is made. Invite people to vote: nobody but you is in it yet.")
    return made


def _file(answer: Answer, name: str) -> Answer:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-cache"
    return answer
