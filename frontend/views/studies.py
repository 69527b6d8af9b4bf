"""The study's reports: what there is, the tables and plots of one, and its files."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend import desk, study_plots
from frontend.plotly_csp import style_ids
from training.selectors import studies
from training.study import tables
from training.study.reports import FILES, Entry, Lines


@desk.page
@require_safe
def study_list(request: HttpRequest) -> HttpResponse:
    """Every study, how far it is, and the command that computes it."""
    return render(request, "frontend/studies/list.html", {"entries": studies.of_all(desk.person(request))})


@desk.page
@require_safe
def study_page(request: HttpRequest, name: str) -> HttpResponse:
    """A study's tables and plots, one setting at a time."""
    entry = studies.get(desk.person(request), name)
    number, title, lines = _setting(request, entry)
    made = entry.found.made.get(title) if entry.found else None
    context: dict[str, Any] = {
        "entry": entry,
        "found": entry.found,
        "titles": list(entry.found.settings) if entry.found else [],
        "number": number,
        "setting": title,
        "made": made,
        "style_ids": style_ids(),
        "files": studies.files(entry),
    }
    if lines:
        context |= {
            "figures": tables.table(lines, tables.TITLES, tables.METRICS),
            "differences": tables.compared(lines),
            "paper": tables.against_the_paper(lines) if entry.study.name == studies.TABLES else "",
        }
    return render(request, "frontend/studies/page.html", context)


@desk.page
@require_safe
def study_data(request: HttpRequest, name: str) -> JsonResponse:
    """The plots' data: those of one setting, and those over all of them."""
    entry = studies.get(desk.person(request), name)
    _, _, lines = _setting(request, entry)
    over = study_plots.over_settings(entry.found.settings) if entry.found else []
    return JsonResponse({"plots": [*study_plots.of_setting(lines), *over]})


@desk.page
@require_safe
def study_file(request: HttpRequest, name: str, kind: str) -> FileResponse:
    """results.json or report.md, whole."""
    found = studies.file(desk.person(request), name, kind)
    return FileResponse(
        found.open("rb"), as_attachment=True, filename=f"{name}-{kind}", content_type=FILES[kind]
    )


def _setting(request: HttpRequest, entry: Entry) -> tuple[int, str, Lines]:
    """The setting that the address asks for, by number; the first one for anything else."""
    settings = list(entry.found.settings.items()) if entry.found else []
    number = desk.number(request.GET.get("setting", "")) or 0
    number = number if number < len(settings) else 0
    return (number, *settings[number]) if settings else (0, "", {})
