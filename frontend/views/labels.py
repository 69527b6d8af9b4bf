"""Answers after they were given: one's own to change, all of them for managers to read."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import kinds, rules
from annotation.errors import DomainError
from annotation.models import Label
from annotation.selectors import arena_names
from annotation.selectors import history as selectors
from annotation.selectors import projects as project_selectors
from annotation.services import history
from frontend import cards, desk, wording
from frontend.forms.label_form import AnswerForm, CorrectionForm

PER_PAGE = 25


@desk.page
@require_safe
@never_cache
def my_labels(request: HttpRequest, slug: str) -> HttpResponse:
    """One's own answers, newest first."""
    user = desk.person(request)
    project = project_selectors.get(user, slug)
    rows, older = _keyset(request, selectors.mine(user, project))
    for label in rows:
        low, high = label.comparison.low, label.comparison.high
        label.sides = (low, high) if label.low_first else (high, low)  # type: ignore[attr-defined]
    names = arena_names.of_labels(project, rows)
    context = {
        "about": project,
        "rows": rows,
        "older": older,
        "words": wording.verdicts(project),
        "told": {row.pk: wording.told(row.verdict, names[row.pk]) for row in rows if row.pk in names},
        "paged": _is_number(request),
    }
    return render(request, "frontend/labels/mine.html", context)


@desk.page
@require_safe
def project_labels(request: HttpRequest, slug: str) -> HttpResponse:
    """Everybody's answers, for managers."""
    project = desk.managed(request, slug)
    asked = {name: request.GET.get(name, "").strip() for name in ("annotator", "verdict", "comparison")}
    rows = selectors.of_project(desk.person(request), project)
    if asked["annotator"]:
        rows = rows.filter(annotator__username=asked["annotator"])
    words = wording.verdicts(project)
    if asked["verdict"] in words:
        rows = rows.filter(verdict=asked["verdict"])
    if asked["comparison"]:
        number = asked["comparison"]
        rows = rows.filter(comparison=int(number)) if _is_id(number) else rows.none()
    found, older = _keyset(request, rows)
    query = request.GET.copy()
    query.pop("before", None)
    context = {"project": project, "tab": "labels", "rows": found, "older": older, "asked": asked}
    context |= {"words": words, "query": query.urlencode(), "paged": _is_number(request)}
    return render(request, "frontend/labels/all.html", context)


@desk.page
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def label_page(request: HttpRequest, label_id: int) -> HttpResponse:
    """One answer: texts, history, and for whoever gave it the form that changes it."""
    user = desk.person(request)
    story = selectors.story(user, label_id)
    form, status = AnswerForm.of(story.label), 200
    if request.method == "POST":
        form, status = AnswerForm.of(story.label, request.POST), 422
        if form.is_valid():
            try:
                new = history.edit(label_id=label_id, by=user, at=timezone.now(), **form.cleaned_data)
                desk.say(request, "Changed. The old answer stays in the history.")
                return redirect("label", label_id=new.pk)
            except DomainError as error:
                desk.show_refusal(form, error)
    return render(request, "frontend/labels/label.html", _context(request, story, form), status=status)


@desk.page
@require_POST
def label_undo(request: HttpRequest, label_id: int) -> HttpResponse:
    """Take one's answer back."""
    user = desk.person(request)
    story = selectors.story(user, label_id)
    form = CorrectionForm(request.POST)
    reason = form.cleaned_data["correction"] if form.is_valid() else ""
    done = "Taken back. The comparison is in the queue again, for anybody."
    if desk.tell(
        request, lambda: history.undo(label_id=label_id, by=user, at=timezone.now(), correction=reason), done
    ):
        return redirect("my-labels", slug=story.label.project.slug)
    return redirect("label", label_id=label_id)


def _context(request: HttpRequest, story: selectors.Story, form: AnswerForm) -> dict[str, Any]:
    label = story.label
    sides = [("A", story.first), ("B", story.second)]
    texts = [{"letter": letter, **cards.texts(side)} for letter, side in sides]
    can_change = story.own and label.is_current and label.project.state != "archived"
    can_change = can_change and not kinds.tells_names(label.project)
    form.fields["correction"].required = story.held_by is not None  # says so; the service insists
    return {
        "about": label.project,
        "story": story,
        "label": label,
        "sides": texts,
        "words": wording.verdicts(label.project),
        "told": wording.told(label.verdict, story.models) if story.models else "",
        "form": form,
        "can_change": can_change,
        "manages": rules.can_manage(desk.person(request), label.project),
    }


def _keyset(request: HttpRequest, rows: QuerySet[Label]) -> tuple[list[Label], int | None]:
    """The rows before the answer named in the address; the id to go on with, if there are more."""
    if _is_number(request):
        rows = rows.filter(pk__lt=int(request.GET["before"]))
    found = list(rows[: PER_PAGE + 1])
    more = len(found) > PER_PAGE
    return found[:PER_PAGE], found[PER_PAGE - 1].pk if more else None


def _is_number(request: HttpRequest) -> bool:
    return _is_id(request.GET.get("before", ""))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
