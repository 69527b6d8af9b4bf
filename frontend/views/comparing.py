"""Runs of a project side by side, and its leaderboard."""

from __future__ import annotations

from itertools import groupby
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from annotation import rules
from annotation.models import Project
from annotation.selectors import arena
from frontend import desk
from frontend.comparisons import FIRST, legend, metrics, overlaid
from frontend.forms.arena_form import ArenaForm
from frontend.plotly_csp import style_ids
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
@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """`?run=3&run=5`: measures, curves, settings and data of these runs."""
    project = desk.managed(request, slug)
    found = selectors.compared(desk.person(request), project, _ids(request))
    asked = _metrics(request)
    plotted = metrics(found.runs, asked)
    context = {
        "project": project,
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
        "arena_form": ArenaForm(),
        "may_create": rules.can_create_project(desk.person(request)),
        "arenas": arena.with_sources(desk.person(request), map(arenas.source, found.runs)),
    }
    return render(request, "frontend/compare.html", context)


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
