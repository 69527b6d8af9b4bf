"""Gold comparisons from the manager's side: make them, see how they are answered, retire them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from annotation.errors import DomainError
from annotation.models import Gold, Project
from annotation.selectors import golds
from annotation.services import gold, gold_sampling
from frontend import desk
from frontend.forms.check_forms import FromScoresForm, PairForm

PAGE = 20
LONGEST = 18  # digits of an id that every database can be asked for


@desk.page
@require_http_methods(["GET", "POST"])
def project_checks(request: HttpRequest, slug: str) -> HttpResponse:
    """The golds, and the two ways of making more: `make` says which form was sent."""
    project = desk.managed(request, slug)
    way = request.POST.get("make", "")
    scores = FromScoresForm(request.POST if way == "scores" else None)
    pair = PairForm.of(project, request.POST if way == "pair" else None)
    status = 200
    if request.method == "POST":
        done = _from_scores(request, project, scores) if way == "scores" else _pair(request, project, pair)
        if done:
            desk.say(request, done)
            return redirect("project-checks", slug=slug)
        status = 422
    return render(
        request, "frontend/project_checks.html", _context(request, project, scores, pair), status=status
    )


@desk.page
@require_POST
def gold_change(request: HttpRequest, slug: str, gold_id: int) -> HttpResponse:
    """Retire it, restore it, or say something else after a practice answer."""
    project, user, at = desk.managed(request, slug), desk.person(request), timezone.now()
    found = golds.get(user, project, gold_id)
    words = request.POST.get("explanation", "")
    deeds: dict[str, tuple[Any, str]] = {
        "retire": (lambda: gold.retire(gold=found, by=user, at=at), "Retired: it is handed out no more."),
        "restore": (lambda: gold.restore(gold=found, by=user, at=at), "It is handed out again."),
        "explain": (
            lambda: gold.set_explanation(gold=found, explanation=words, by=user, at=at),
            "The explanation is saved.",
        ),
    }
    deed, done = deeds.get(request.POST.get("do", ""), (None, ""))
    if deed is None:
        return HttpResponse("Choose retire, restore or explain.", status=422)
    desk.tell(request, deed, done)
    return redirect("project-checks", slug=slug)


def _from_scores(request: HttpRequest, project: Project, form: FromScoresForm) -> str:
    """What came of it in words; nothing when it was refused."""

    def deed() -> str:
        made = gold_sampling.from_scores(
            project=project, by=desk.person(request), at=timezone.now(), **form.cleaned_data
        )
        were = "was" if made.made == 1 else "were"
        if made.made == made.wanted:
            return f"{made.made} gold comparison{'s' * (made.made != 1)} {were} made."
        among = f"among the {made.looked_at:,} pairs looked at"
        if not made.made:
            return f"No gold comparison was made: {among}, none is that far apart and free."
        return f"Only {made.made} of {made.wanted} {were} made: {among}, no more are that far apart and free."

    return _tried(form, deed)


def _pair(request: HttpRequest, project: Project, form: PairForm) -> str:
    def deed() -> str:
        gold.add(project=project, by=desk.person(request), at=timezone.now(), **form.gold())
        return "The gold comparison is added."

    return _tried(form, deed)


def _tried(form: forms.Form, deed: Any) -> str:
    if not form.is_valid():
        return ""
    try:
        return str(deed())
    except DomainError as error:
        desk.show_refusal(form, error, {"use": "gold_use"} if isinstance(form, PairForm) else {})
        return ""


def _context(request: HttpRequest, project: Project, scores: forms.Form, pair: forms.Form) -> dict[str, Any]:
    user = desk.person(request)
    rows, following = _page(request, golds.of_project(user, project))
    answered = golds.answered(rows)
    words = request.GET.get("comparison", "")
    return {
        "project": project,
        "tab": "checks",
        "rows": [(one, answered[one.pk]) for one in rows],
        "following": following,
        "after": request.GET.get("after", ""),
        "usable": golds.usable(user, project),
        "scores_form": scores,
        "pair_form": pair,
        "words": words,
        "candidates": golds.candidates(user, project, words),
    }


def _page(request: HttpRequest, rows: Any) -> tuple[list[Gold], int | None]:
    """One page after the gold the address names, and the id to ask for the next page with."""
    after = request.GET.get("after", "")
    if after.isascii() and after.isdigit() and len(after) <= LONGEST:
        rows = rows.filter(pk__gt=int(after))
    found = list(rows[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None
