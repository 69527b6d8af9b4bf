"""Adding a file of responses to an arena: another model, or more prompts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from annotation import kinds
from annotation.errors import DomainError
from annotation.models import Project
from annotation.services import arena_additions, arena_entries
from annotation.services.arena_additions import Added
from frontend import desk
from frontend.forms.arena_form import AddFileForm


@desk.page
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, slug: str) -> HttpResponse:
    """The form. Refused, it comes back as it was filled in, to HTMX alone, and htmx keeps the file chosen."""
    project = desk.managed(request, slug)
    kinds.check_arena(project)
    posted, fragment = request.method == "POST", "HX-Request" in request.headers
    form = AddFileForm(request.POST, request.FILES) if posted else AddFileForm()
    if posted and (done := _added(request, project, form)):
        desk.say(request, words(done))
        onward = reverse("arena", args=[slug])
        return HttpResponseClientRedirect(onward) if fragment else redirect(onward)
    context = {
        "project": project,
        "tab": "arena",
        "form": form,
        "closed": project.state == Project.State.ARCHIVED,
    }
    part = "frontend/parts/arena_add_form.html" if posted and fragment else "frontend/arena_add.html"
    return render(request, part, context, status=422 if posted else 200)


def words(done: Added) -> str:
    """What came of it, in sentences."""
    if not done.responses:
        return "Nothing was added: all of these responses are in the arena already." + _left_out(done)
    told = f"Added {_count(done.responses, 'response')}"
    told += f" to {_count(done.prompts, 'new prompt')}" if done.prompts and not done.new_models else ""
    told += f", with {', '.join(done.new_models)} as new in the arena" if done.new_models else ""
    for one in done.models:
        if one.missing and one.model in done.new_models:
            told += (
                f". {one.model} has no response to {_count(one.missing, 'prompt')} and is not compared there"
            )
    told += f". {_count(done.project.battles, 'battle')} are asked for now."
    return told + _left_out(done)


def _left_out(done: Added) -> str:
    return (
        f" Left out: {_count(done.left_out, 'prompt')} that only one model answered." if done.left_out else ""
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _added(request: HttpRequest, project: Project, form: AddFileForm) -> Added | None:
    """None where it was refused, and the form says why."""
    if not form.is_valid():
        return None
    given = form.cleaned_data
    try:
        entries = arena_entries.of_file(given["file"].read(), model=given["model"])
        return arena_additions.add(
            project=project,
            entries=entries,
            by=desk.person(request),
            at=timezone.now(),
            battles=given["battles"],
        )
    except DomainError as error:
        desk.show_refusal(form, error, {"entries": "file"})
        return None
