"""How good the answers are: agreement, checks, position, time, and annotators side by side."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotation.models import Project
from annotation.selectors import annotators, quality
from annotation.selectors.annotators import Annotator
from frontend import desk
from frontend.views.imports import FORMULAS

PAIRS_SHOWN = 10
SHARES = ("gold", "retests", "first", "too_close", "cannot_judge")
COLUMNS = (
    ("name", "Name", ""),
    ("labels", "Labels", "Current answers to work"),
    ("alike", "Agrees", "Answers of others to the same comparisons that are like theirs"),
    ("gold", "Gold", "Gold comparisons answered right"),
    ("retests", "Retests", "Retests answered as before"),
    ("first", "First", "The side shown first, of the answers that name a side"),
    ("too_close", "Too close", ""),
    ("cannot_judge", "Can’t judge", ""),
    ("seconds", "Time", "Mean time of an answer, none counted above ten minutes"),
    ("last_at", "Latest", ""),
)


@dataclass(frozen=True)
class Column:
    """A head of the table: what a click sorts by, and how it is sorted now (as `aria-sort` says it)."""

    key: str
    title: str
    about: str
    sort: str
    sorted: str


@desk.page
@require_safe
def project_quality(request: HttpRequest, slug: str) -> HttpResponse:
    project = desk.managed(request, slug)
    return render(request, "frontend/quality/page.html", _context(request, project))


@desk.page
@require_safe
def quality_live(request: HttpRequest, slug: str) -> HttpResponse:
    """HTMX, every ten seconds: the same figures, as they are now."""
    project = desk.managed(request, slug)
    return render(request, "frontend/quality/figures.html", _context(request, project))


@desk.page
@require_safe
def quality_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """The table of annotators as a file, in the order asked for."""
    project = desk.managed(request, slug)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-annotators.csv"'
    response["Cache-Control"] = "private, no-cache"
    writer = csv.writer(response)
    shares = ("alike", *SHARES)
    parts = [f"{name}_{part}" for name in shares for part in ("hits", "of", "share", "low", "high")]
    writer.writerow(["name", "labels", *parts, "seconds", "last_at"])
    for row in annotators.of_project(desk.person(request), project, _sort(request)):
        writer.writerow(_cells(row))
    return response


def _cells(row: Annotator) -> list[Any]:
    # A name that starts like a formula would be run by a spreadsheet.
    name = f"'{row.name}" if row.name.startswith(FORMULAS) else row.name
    shares = [row.alike, *(getattr(row.answers, part) for part in SHARES)]
    cells = [cell for one in shares for cell in (one.hits, one.of, one.value, one.low, one.high)]
    last = row.last_at.isoformat() if row.last_at else None
    return [name, row.answers.labels, *cells, row.answers.seconds, last]


def _context(request: HttpRequest, project: Project) -> dict[str, Any]:
    user, sort = desk.person(request), _sort(request)
    return {
        "project": project,
        "tab": "quality",
        "quality": quality.of_project(user, project),
        "page": desk.pages(request, annotators.of_project(user, project, sort)),
        "pairs": list(annotators.pairs(user, project)[:PAIRS_SHOWN]),
        "columns": [_column(*column, sort) for column in COLUMNS],
        "sort": sort,
        "query": f"sort={sort}&",
        "least_shared": annotators.LEAST_SHARED,
    }


def _column(key: str, title: str, about: str, now: str) -> Column:
    """Numbers begin with the largest, names with A; a second click turns the order round."""
    order = {key: "ascending", f"-{key}": "descending"}.get(now, "")
    first, other = (key, f"-{key}") if key == "name" else (f"-{key}", key)
    return Column(key, title, about, other if now == first else first, order)


def _sort(request: HttpRequest) -> str:
    asked = request.GET.get("sort", "")
    return asked if asked in annotators.CHOICES else annotators.DEFAULT_SORT
