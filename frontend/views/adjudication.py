"""Disputed comparisons, one at a time, and what was decided about them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from annotation import rules
from annotation.errors import DomainError
from annotation.models import Comparison, Project
from annotation.selectors import adjudication as selectors
from annotation.selectors import projects as project_selectors
from annotation.services import adjudication
from frontend import cards, desk, wording
from frontend.forms.decision_form import DecisionForm

PER_PAGE = 25
PAGE, CASE = "frontend/adjudication/queue.html", "frontend/adjudication/case.html"


@desk.page
@require_safe
@never_cache
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    """The first comparison that waits, or the next after the one the address names; HTMX gets it alone."""
    project = _reviewed(request, slug)
    found = selectors.following(desk.person(request), project, _number(request.GET.get("after", "")))
    return render(request, CASE if _is_fragment(request) else PAGE, _context(request, project, found))


@desk.page
@require_safe
@never_cache
def case(request: HttpRequest, slug: str, comparison_id: int) -> HttpResponse:
    """One comparison, waiting or decided."""
    project = _reviewed(request, slug)
    found = selectors.get(desk.person(request), project, comparison_id)
    return render(request, PAGE, _context(request, project, found))


@desk.page
@require_POST
def decide(request: HttpRequest, slug: str, comparison_id: int) -> HttpResponse:
    """Take the decision; then the next one. What was refused is said above the next one."""
    project, user = _reviewed(request, slug), desk.person(request)
    form, told, tone = DecisionForm(request.POST), "Choose A, B or no winner.", "warn"
    if form.is_valid():
        words = wording.outcomes(project)
        try:
            found = selectors.get(user, project, comparison_id)
            adjudication.decide(comparison=found, by=user, at=timezone.now(), **form.cleaned_data)
            told, tone = f"Comparison {comparison_id}: {words[form.cleaned_data['outcome']]}.", "ok"
        except DomainError as error:
            told = f"Comparison {comparison_id}: {error.message}"
    if not _is_fragment(request):
        messages.add_message(request, messages.SUCCESS if tone == "ok" else messages.ERROR, told)
        return redirect(f"{reverse('adjudication', args=[slug])}?after={comparison_id}")
    following = selectors.following(user, project, comparison_id)
    told_context = {"told": told, "tone": tone, "told_of": comparison_id if tone == "ok" else None}
    return render(request, CASE, _context(request, project, following) | told_context)


@desk.page
@require_POST
def withdraw(request: HttpRequest, slug: str, comparison_id: int) -> HttpResponse:
    """Take a decision back."""
    project, user = _reviewed(request, slug), desk.person(request)

    def deed() -> None:
        found = selectors.get(user, project, comparison_id)
        adjudication.withdraw(comparison=found, by=user, at=timezone.now())

    done = f"The decision about comparison {comparison_id} is withdrawn: its votes decide again."
    desk.tell(request, deed, done)
    return redirect("adjudicated", slug=slug)


@desk.page
@require_safe
@never_cache
def decided(request: HttpRequest, slug: str) -> HttpResponse:
    """What was decided: one's own decisions, or for managers everybody's."""
    project = _reviewed(request, slug)
    asked = {name: request.GET.get(name, "").strip() for name in ("outcome", "by")}
    rows = selectors.decided(desk.person(request), project)
    if asked["outcome"] in Comparison.Outcome.values:
        rows = rows.filter(outcome=asked["outcome"])
    if asked["by"]:
        rows = rows.filter(adjudications__is_current=True, adjudications__decided_by__username=asked["by"])
    query = request.GET.copy()
    query.pop("page", None)
    context = _frame(request, project) | {
        "asked": asked,
        "page": desk.pages(request, rows, PER_PAGE),
        "query": f"{query.urlencode()}&" if query else "",
        "filtered": any(asked.values()),
    }
    return render(request, "frontend/adjudication/decided.html", context)


def _reviewed(request: HttpRequest, slug: str) -> Project:
    """The project, for its reviewers and managers only."""
    project = project_selectors.get(desk.person(request), slug)
    rules.check_review(desk.person(request), project)
    return project


def _frame(request: HttpRequest, project: Project) -> dict[str, Any]:
    """`project` brings the manager's tabs along, so it is left out for others."""
    manages = rules.can_manage(desk.person(request), project)
    return {
        "about": project,
        "project": project if manages else None,
        "manages": manages,
        "tab": "adjudication",
        "words": wording.outcomes(project),
    }


def _context(request: HttpRequest, project: Project, found: Comparison | None) -> dict[str, Any]:
    user = desk.person(request)
    context = _frame(request, project) | {"waiting": selectors.count(user, project)}
    context |= {"vote_words": wording.votes(project), "better": wording.better(project)}
    if found is None:
        return context | {"kept_back": selectors.kept_back(user, project)}
    texts = selectors.texts(found)
    sides = [
        {"side": side, "letter": letter, **cards.texts(texts[side])}
        for side, letter in (("low", "A"), ("high", "B"))
    ]
    return context | {"case": selectors.case(user, project, found), "sides": sides}


def _is_fragment(request: HttpRequest) -> bool:
    return "HX-Request" in request.headers


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
