"""Whether the answers fit together: strengths, cycles, flagged preferences and what is done about them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from annotation import kinds
from annotation.models import Analysis, Project, Split
from annotation.selectors import consistency, flags
from annotation.services import analyses, exclusion
from frontend import desk, figures

PER_PAGE = 25
GOING = {Analysis.State.QUEUED, Analysis.State.RUNNING}


@desk.page
@require_safe
def strengths(request: HttpRequest, slug: str) -> HttpResponse:
    """The compared preferences by strength, a page at a time."""
    context = _context(request, slug, "strengths")
    weakest = request.GET.get("order") == "weakest"
    after = consistency.key_from(request.GET.get("after", ""))
    rows = consistency.strengths(
        desk.person(request), context["project"], split=context["split"], weakest=weakest, after=after
    )
    page = list(rows[: PER_PAGE + 1])
    shown = page[:PER_PAGE]
    context |= {
        "weakest": weakest,
        "rows": figures.intervals(shown),
        "paged": after is not None,
        "following": consistency.key_of(shown[-1]) if len(page) > PER_PAGE else "",
        "columns": figures.columns(context["found"].get("histogram", {})),
    }
    return render(request, "frontend/consistency/strengths.html", context)


@desk.page
@require_safe
def cycles(request: HttpRequest, slug: str) -> HttpResponse:
    """How many circles there are, and some of them with their comparisons."""
    context = _context(request, slug, "cycles")
    context["cycles"] = consistency.cycles(desk.person(request), context["project"], context["split"])
    return render(request, "frontend/consistency/cycles.html", context)


@desk.page
@require_safe
def flagged(request: HttpRequest, slug: str) -> HttpResponse:
    """Preferences flagged as swapped, or (`show=excluded`) those taken out."""
    project, user = desk.managed(request, slug), desk.person(request)
    excluded = request.GET.get("show") == "excluded"
    rows: Any = flags.excluded(user, project) if excluded else flags.flagged(user, project)
    page = desk.pages(request, rows, per_page=PER_PAGE)
    context = {
        "project": project,
        "tab": "consistency",
        "excluded": excluded,
        "page": page,
        "rows": list(page) if excluded else flags.with_texts(page),
        "query": "show=excluded&" if excluded else "",
    }
    return render(request, "frontend/consistency/flagged.html", context)


@desk.page
@require_safe
def live(request: HttpRequest, slug: str) -> HttpResponse:
    """HTMX, every two seconds while a worker is at it: how far it is."""
    project = desk.managed(request, slug)
    part = "cycles" if request.GET.get("part") == "cycles" else "strengths"
    context = {**_state(request, project), "part": part, "reload": True}
    return render(request, "frontend/consistency/state.html", context)


@desk.page
@require_POST
def recompute(request: HttpRequest, slug: str) -> HttpResponse:
    project, user = desk.managed(request, slug), desk.person(request)
    analyses.recompute(project=project, by=user, at=timezone.now())
    desk.say(request, "Strengths and cycles are being computed anew.")
    return redirect("consistency-cycles" if "cycles" in request.POST else "consistency", slug=slug)


@desk.page
@require_POST
def preference_change(request: HttpRequest, slug: str, preference_id: int) -> HttpResponse:
    """Exclude it, put it back, or have its corrected form take its place."""
    project, user, at = desk.managed(request, slug), desk.person(request), timezone.now()
    found = flags.get(user, preference_id)
    reason = request.POST.get("reason", "")
    deeds: dict[str, tuple[Any, str]] = {
        "exclude": (
            lambda: exclusion.exclude(preference=found, by=user, at=at, reason=reason),
            "It is excluded, and its comparisons are withdrawn.",
        ),
        "include": (
            lambda: exclusion.include(preference=found, by=user, at=at),
            "It is in the project again, with its comparisons.",
        ),
        "correct": (
            lambda: exclusion.correct(preference=found, by=user, at=at),
            "Its corrected form took its place.",
        ),
    }
    deed, done = deeds.get(request.POST.get("do", ""), (None, ""))
    if deed is None:
        return HttpResponse("Choose exclude, include or correct.", status=422)
    desk.tell(request, deed, done)
    answer = redirect("consistency-flags", slug=project.slug)
    if "excluded" in request.POST:
        answer["Location"] += "?show=excluded"
    return answer


def _context(request: HttpRequest, slug: str, kind: str) -> dict[str, Any]:
    """What was found for the split that the address names."""
    project = desk.of_preferences(request, slug, kinds.NO_STRENGTHS)
    split = request.GET.get("split", "")
    split = split if split in Split.values else Split.TRAIN.value
    state = _state(request, project)
    row = state["analyses"].get(kind)
    found = row.result.get("splits", {}).get(split, {}) if row else {}
    about = {"tab": "consistency", "part": kind, "split": split, "splits": Split.choices}
    return {**state, **about, "analysis": row, "found": found}


def _state(request: HttpRequest, project: Project) -> dict[str, Any]:
    known = consistency.analyses(desk.person(request), project)
    going = any(row.state in GOING for row in known.values())
    failed = next((row for row in known.values() if row.state == Analysis.State.FAILED), None)
    return {
        "project": project,
        "analyses": known,
        "latest": min((row.computed_at for row in known.values() if row.computed_at), default=None),
        "going": going,
        "failed": failed,
        "missing": desk.missing_queues("default") if going else [],
    }
