"""The responses of an arena: read, taken out with a reason, put back."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from annotation import kinds
from annotation.errors import DomainError, NotFound
from annotation.models import Preference, Project
from annotation.selectors import flags
from annotation.selectors import preferences as selectors
from annotation.services import exclusion
from frontend import desk
from frontend.forms.arena_form import ExclusionForm

PER_PAGE = 25


@desk.page
@require_http_methods(["GET", "HEAD", "POST"])
def responses(request: HttpRequest, slug: str) -> HttpResponse:
    """All of them, or (`show=excluded`) those taken out. Posted: take one out, or put it back."""
    project, user = desk.managed(request, slug), desk.person(request)
    kinds.check_arena(project)
    refused: dict[int, ExclusionForm] = {}
    if request.method == "POST":
        found = _response(request, project)
        form = ExclusionForm.of(found, request.POST)
        if _changed(request, found, form):
            return redirect(f"{request.get_full_path()}#response-{found.pk}")
        refused = {found.pk: form}
    excluded = request.GET.get("show") == "excluded"
    rows: Any = flags.excluded(user, project) if excluded else selectors.InOrder(user, project)
    page = desk.pages(request, rows, per_page=PER_PAGE)
    context = {
        "project": project,
        "tab": "preferences",
        "excluded": excluded,
        "page": page,
        "rows": [(one, refused.get(one.pk) or ExclusionForm.of(one)) for one in page],
        "changeable": project.state != Project.State.ARCHIVED,
        "query": "show=excluded&" if excluded else "",
        "here": request.GET.urlencode(),
    }
    return render(request, "frontend/arena_responses.html", context, status=422 if refused else 200)


def _response(request: HttpRequest, project: Project) -> Preference:
    found = flags.get(desk.person(request), desk.number(request.POST.get("response", "")) or 0)
    if found.project_id != project.pk:
        raise NotFound("no_preference", "No such response.")
    return found


def _changed(request: HttpRequest, found: Preference, form: ExclusionForm) -> bool:
    """False where it was refused, and the form says why."""
    user, at = desk.person(request), timezone.now()
    try:
        if request.POST.get("do") == "include":
            exclusion.include(preference=found, by=user, at=at)
            desk.say(
                request, f"Response {found.number} is in the arena again, with its battles and their votes."
            )
            return True
        if not form.is_valid():
            return False
        exclusion.exclude(preference=found, by=user, at=at, reason=form.cleaned_data["reason"])
    except DomainError as error:
        form.full_clean()
        desk.show_refusal(form, error)
        return False
    desk.say(
        request, f"Response {found.number} is excluded: its battles are withdrawn, their votes do not count."
    )
    return True
