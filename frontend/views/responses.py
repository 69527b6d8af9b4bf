"""What a run's model wrote, beside its reference; and how it sees a preference of its data."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend import desk
from frontend.rendering import turns
from training.selectors import points, responses
from training.selectors import runs as run_selectors
from training.selectors.responses import Answered

PER_PAGE = 10  # prompts


@desk.page
@require_safe
def run_responses(request: HttpRequest, run_id: int) -> HttpResponse:
    """Responses to the same prompts side by side, a few prompts a page."""
    person = desk.person(request)
    run = run_selectors.get(person, run_id)
    page = desk.pages(request, responses.answered(person, run), PER_PAGE)
    context = {
        "project": run.project,
        "tab": "runs",
        "run": run,
        "page": page,
        "shown": [_shown(number, one) for number, one in enumerate(page, start=page.start_index())],
        "query": "",
    }
    return render(request, "frontend/run_responses.html", context)


@desk.page
@require_safe
def run_responses_file(request: HttpRequest, run_id: int) -> StreamingHttpResponse:
    """generations.jsonl, whole."""
    person = desk.person(request)
    run = run_selectors.get(person, run_id)
    found = responses.file(person, run)
    response = StreamingHttpResponse(found.chunks(), content_type="application/x-ndjson")
    response["Content-Length"] = str(found.size)
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}-responses.jsonl"'
    return response


@desk.page
@require_safe
def run_preference(request: HttpRequest, run_id: int, preference_id: str) -> HttpResponse:
    """The preference behind a point of the run's plot. Scores are on it: managers only, as all of a run."""
    person = desk.person(request)
    run = run_selectors.get(person, run_id)
    found = points.get(person, run, preference_id)
    record = found.record
    context = {
        "project": run.project,
        "tab": "runs",
        "run": run,
        "found": found,
        "prompt": turns(record["prompt"], alone="user"),
        "responses": [
            ("chosen", "✓", turns(record["chosen"], alone="assistant"), record["score_chosen"]),
            ("rejected", "✗", turns(record["rejected"], alone="assistant"), record["score_rejected"]),
        ],
    }
    return render(request, "frontend/run_preference.html", context)


def _shown(number: int, one: Answered) -> dict[str, Any]:
    sides = [("This run's model", one.ours), ("Its reference", one.theirs)]
    return {
        "number": number,
        "prompt": turns(one.prompt, alone="user"),
        "sides": [
            {
                "title": title,
                "responses": [
                    {"turns": turns(response.text, alone="assistant"), "about": response}
                    for response in written
                ],
            }
            for title, written in sides
            if written
        ],
    }
