"""A project from its manager's side: create it, see how it stands, change it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import rules
from annotation.errors import DomainError
from annotation.models import Project
from annotation.selectors import datasets as dataset_selectors
from annotation.selectors import estimates, funnel
from annotation.selectors import imports as import_selectors
from annotation.selectors import progress as progress_selectors
from annotation.selectors import raising as raising_selectors
from annotation.services import projects, raising
from frontend import desk
from frontend.forms.project_form import ArenaSettingsForm, RaiseForm, SettingsForm
from frontend.forms.strategies import labels_estimate
from training.selectors import runs as run_selectors

MOVES: dict[str, tuple[Any, str]] = {
    "pause": (projects.pause, "Paused: annotators get no more comparisons until you reopen it."),
    "reopen": (projects.reopen, "Open again: annotators get comparisons."),
    "archive": (projects.archive, "Archived. Nothing was deleted; you can reopen it."),
}


@desk.page
@require_http_methods(["GET", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    user = desk.person(request)
    rules.check_create_project(user)
    form = SettingsForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                made = projects.create(by=user, at=timezone.now(), **form.cleaned_data)
                return redirect("project-imports", slug=made.slug)
            except DomainError as error:
                desk.show_refusal(form, error)
    context = {"form": form, "estimate": labels_estimate(request.POST or {})}
    return render(request, "frontend/project_new.html", context, status=status)


@desk.page
@require_safe
def project_estimate(request: HttpRequest) -> HttpResponse:
    """HTMX: about how many labels the settings typed so far will need."""
    rules.check_create_project(desk.person(request))
    return render(request, "frontend/parts/labels_estimate.html", {"estimate": labels_estimate(request.GET)})


@desk.page
@require_safe
def project_overview(request: HttpRequest, slug: str) -> HttpResponse:
    project = desk.managed(request, slug)
    return render(request, "frontend/project.html", _overview(request, project))


@desk.page
@require_safe
def project_live(request: HttpRequest, slug: str) -> HttpResponse:
    """HTMX, every few seconds: the part of the overview that moves."""
    project = desk.managed(request, slug)
    return render(request, "frontend/project_live.html", _overview(request, project))


@desk.page
@require_http_methods(["GET", "POST"])
def project_settings(request: HttpRequest, slug: str) -> HttpResponse:
    project = desk.managed(request, slug)
    kind = ArenaSettingsForm if project.is_arena else SettingsForm
    fixed = _fixed(request, project) & kind.base_fields.keys()
    form = kind.of(project, request.POST or None, fixed)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                projects.update(
                    project=project, by=desk.person(request), at=timezone.now(), **form.cleaned_data
                )
                desk.say(request, "Saved.")
                return redirect("project-settings", slug=project.slug)
            except DomainError as error:
                desk.show_refusal(form, error)
    user = desk.person(request)
    context = {"project": project, "tab": "settings", "form": form, "begun": "strategy" in fixed}
    context["estimate"] = estimates.of_project(user, project)
    return render(request, "frontend/project_settings.html", context, status=status)


@desk.page
@require_safe
def raise_preview(request: HttpRequest, slug: str) -> HttpResponse:
    """HTMX: what the raised numbers typed so far would cost."""
    project = desk.managed(request, slug)
    form = RaiseForm(request.GET)
    typed = {name: form.cleaned_data[name] for name in form.fields} if form.is_valid() else None
    estimate = estimates.of_project(desk.person(request), project, **typed) if typed else None
    lowered = any(value < getattr(project, name) for name, value in (typed or {}).items())
    context = {"project": project, "estimate": estimate, "lowered": lowered}
    return render(request, "frontend/parts/raise_preview.html", context)


@desk.page
@require_POST
def project_state(request: HttpRequest, slug: str) -> HttpResponse:
    """Pause, reopen or archive."""
    project = desk.managed(request, slug)
    move, done = MOVES.get(request.POST.get("to", ""), (None, ""))
    if move is None:
        return HttpResponse("Choose pause, reopen or archive.", status=422)
    desk.tell(request, lambda: move(project=project, by=desk.person(request), at=timezone.now()), done)
    return redirect("project-settings", slug=project.slug)


def _fixed(request: HttpRequest, project: Project) -> set[str]:
    """What the service will no longer change, so that nobody types it in vain."""
    counts = funnel.of_project(desk.person(request), project)
    fixed = projects.BEFORE_DRAWING - raising.RAISABLE if counts.comparisons else set()
    return set(fixed) | (set(projects.BEFORE_IMPORTING) if counts.preferences else set())


def _overview(request: HttpRequest, project: Project) -> dict[str, Any]:
    user = desk.person(request)
    now = timezone.now()
    runs = run_selectors.of_project(user, project).select_related("dataset__project")[:5]
    known = progress_selectors.of_project(user, project, now)
    return {
        "project": project,
        "tab": "overview",
        "funnel": funnel.of_project(user, project),
        "progress": known,
        "battles": known.decided + known.undecided,
        "checked": any(one.checks for one in known.per_annotator),
        "raise": raising_selectors.of_project(user, project),
        "imports": import_selectors.of_project(user, project)[:3],
        "datasets": dataset_selectors.of_project(user, project)[:3],
        "runs": runs,
        "missing": desk.missing_queues(
            "default", *(["gpu"] if any(r.state == "queued" for r in runs) else [])
        ),
        "now": now,
    }
