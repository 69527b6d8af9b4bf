"""Runs of a project side by side, and its leaderboard."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from annotation import rules
from annotation.errors import DomainError
from annotation.models import Project
from annotation.selectors import arena
from annotation.selectors import projects as project_selectors
from frontend import desk
from frontend.comparisons import FIRST, legend, metrics, overlaid
from frontend.forms.arena_form import AddRunsForm, ArenaForm
from frontend.plotly_csp import style_ids
from frontend.views import arena_adding
from training import comparing
from training.comparison_files import FORMATS
from training.models import Run
from training.selectors import comparing as selectors
from training.selectors import runs as run_selectors
from training.selectors import studies
from training.selectors import trade_off as sampling
from training.services import arenas
from training.trade_off import PAPER

OFFERED = 100  # runs to choose from, the newest


@desk.page
@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """`?run=3&run=5`: measures, curves, settings and data of these runs.

    Posted: an arena is made of them, or with `add` they are added to one. A refused form comes back as it was
    typed, with the reasons: on the page, or to HTMX its part alone.
    """
    project, user = desk.managed(request, slug), desk.person(request)
    posted, fragment = request.method == "POST", "HX-Request" in request.headers
    adding = posted and "add" in request.POST
    form = ArenaForm(request.POST if posted and not adding else None)
    add_form = AddRunsForm.of(arena.open_to(user), request.POST if adding else None)
    onward = (_added(request, add_form) if adding else _made(request, project, form)) if posted else ""
    if onward:
        return HttpResponseClientRedirect(onward) if fragment else redirect(onward)
    forms = {"arena_form": form, "add_form": add_form}
    if posted and fragment:
        runs = selectors.chosen(user, project, _ids(request))
        context = forms | _asked(request, project, runs)
        return render(request, "frontend/compare/arena.html", context, status=422)
    found = selectors.compared(user, project, _ids(request))
    context = forms | _compared(request, project, found) | _asked(request, project, found.runs)
    return render(request, "frontend/compare.html", context, status=422 if posted else 200)


def _made(request: HttpRequest, project: Project, form: ArenaForm) -> str:
    """The address of the arena that was made; nothing where it was refused, and the form says why."""
    if not form.is_valid():
        return ""
    given: dict[str, Any] = form.cleaned_data
    try:
        made = arenas.from_runs(
            project=project, runs=_ids(request), by=desk.person(request), at=timezone.now(), **given
        )
    except DomainError as error:
        desk.show_refusal(form, error)
        return ""
    desk.say(request, "The arena is made. Invite people to vote: nobody but you is in it yet.")
    return reverse("project", args=[made.slug])


def _added(request: HttpRequest, form: AddRunsForm) -> str:
    """The address of the arena that the runs were added to; nothing where that was refused."""
    if not form.is_valid():
        return ""
    given, user = form.cleaned_data, desk.person(request)
    try:
        done = arenas.add_runs(
            arena=project_selectors.get(user, given.pop("arena")),
            runs=_ids(request),
            by=user,
            at=timezone.now(),
            **given,
        )
    except DomainError as error:
        desk.show_refusal(form, error)
        return ""
    desk.say(request, arena_adding.words(done))
    return reverse("arena", args=[done.project.slug])


def _asked(request: HttpRequest, project: Project, runs: list[Run]) -> dict[str, Any]:
    """What the part about arenas needs."""
    user = desk.person(request)
    return {
        "project": project,
        "runs": runs,
        "query": request.GET.urlencode(),
        "may_create": rules.can_create_project(user),
        "arenas": arena.with_sources(user, map(arenas.source, runs)),
    }


def _compared(request: HttpRequest, project: Project, found: selectors.Comparison) -> dict[str, Any]:
    asked = _metrics(request)
    plotted = metrics(found.runs, asked)
    return {
        "tab": "runs",
        "found": found,
        "groups": [(title, list(lines)) for title, lines in groupby(found.lines, lambda line: line.title)],
        "metrics": plotted,
        "shown": sum(metric.shown for metric in plotted),
        "offered": _offered(request, project, found.runs),
        "most": selectors.MAX_RUNS,
        "formats": FORMATS.items(),
        "runs_query": urlencode({"run": [run.pk for run in found.runs]}, doseq=True),
        "data_query": urlencode({"run": [run.pk for run in found.runs], "metric": asked}, doseq=True),
        "style_ids": style_ids(),
    }


@desk.page
@require_safe
def compare_data(request: HttpRequest, slug: str) -> JsonResponse:
    """The curves of the chosen metrics, one line a run."""
    project, user, asked = desk.managed(request, slug), desk.person(request), _metrics(request)
    found = selectors.curves(user, project, _ids(request), asked)
    names = [legend(run) for run, _ in found]
    return JsonResponse({"plots": overlaid(names, [curves for _, curves in found], asked)})


@desk.page
@require_safe
def compare_file(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    """The table of measures as a file."""
    project = desk.managed(request, slug)
    if kind not in FORMATS:
        raise Http404
    found = selectors.compared(desk.person(request), project, _ids(request))
    form = FORMATS[kind]
    response = HttpResponse(
        form.write(selectors.columns(found.runs), found.lines), content_type=form.content_type
    )
    response["Content-Disposition"] = str(
        content_disposition_header(as_attachment=True, filename=f"{project.slug}-runs.{kind}")
    )
    response["Cache-Control"] = "private, no-cache"
    return response


@desk.page
@require_safe
def leaderboard(request: HttpRequest, slug: str) -> HttpResponse:
    """Finished runs in the order of a measure, of one dataset or of all; and which sampling to use."""
    project, user = desk.managed(request, slug), desk.person(request)
    offered = {comparing.key_of(*one): one for one in selectors.measured(user, project)}
    key = request.GET.get("measure", "")
    key = key if key in offered else next(iter(offered), "")
    dataset = desk.number(request.GET.get("dataset", ""))
    rows = selectors.leaderboard(user, project, *offered[key], dataset=dataset) if key else []
    context = {
        "project": project,
        "tab": "runs",
        "page": desk.pages(request, rows),
        "measures": [(name, comparing.title_of(*one)) for name, one in offered.items()],
        "measure": key,
        "better": comparing.better(*offered[key]) if key else "",
        "won": bool(key) and offered[key][0] in comparing.WON,
        "title": comparing.title_of(*offered[key]) if key else "",
        "datasets": selectors.datasets(user, project),
        "dataset": dataset,
        "mixed": any(place.why for place, _ in rows),
        "top": [run.pk for _, run in rows[: selectors.MAX_RUNS]],
        "advised": sampling.of_project(user, project),
        "paper": PAPER,
        "studied": studies.on_sampling(user),
        "query": urlencode({"measure": key, "dataset": dataset or ""}) + "&",
    }
    return render(request, "frontend/leaderboard.html", context)


def _ids(request: HttpRequest) -> list[int]:
    """The runs the address names; what is no number is no run's."""
    numbers = [desk.number(text) for text in request.GET.getlist("run")]
    return [0 if one is None else one for one in numbers]


def _metrics(request: HttpRequest) -> list[str]:
    return request.GET.getlist("metric") or list(FIRST)


def _offered(request: HttpRequest, project: Project, chosen: list[Run]) -> list[tuple[Run, bool]]:
    """Runs to choose from, with whether they are chosen; the chosen ones first, whatever their age."""
    newest = run_selectors.of_project(desk.person(request), project)[:OFFERED]
    picked = {run.pk for run in chosen}
    return [*((run, True) for run in chosen), *((run, False) for run in newest if run.pk not in picked)]
