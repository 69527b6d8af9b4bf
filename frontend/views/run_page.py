"""One run: its state while it trains, its curves, its log, its results, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from frontend import desk
from frontend.evaluations import key_figures, margin_accuracy, margin_scatter, reports
from frontend.plotly_csp import style_ids
from frontend.plots import curves
from frontend.run_state import model_card, stage_progress, stages, tiles
from frontend.snippets import model_snippets
from frontend.templatetags.desk import run_title
from frontend.views import alpaca
from frontend.views.runs import LIVE
from training import rules, run_words
from training.engine import catalog
from training.models import Run, RunLink
from training.selectors import lineage, responses
from training.selectors import runs as selectors
from training.selectors.comparing import MAX_RUNS
from training.services import runs


@desk.page
@require_safe
def run_page(request: HttpRequest, run_id: int) -> HttpResponse:
    run = _run(request, run_id)
    spec = json.dumps(run.spec, indent=2, ensure_ascii=False)
    user = desk.person(request)
    sources = list(lineage.sources(user, run))
    live, results = _live_context(request, run), _results_context(request, run)
    context = {
        "spec": spec,
        "sources": sources,
        "base_source": any(link.role == RunLink.Role.BASE for link in sources),
        "hidden_sources": lineage.hidden_sources(user, run),
        "used_by": lineage.used_by(user, run),
        "hidden_uses": lineage.hidden_uses(user, run),
        **_evaluating_context(request, run),
        "style_ids": style_ids(),
        **live,
        **results,
        "names": live["names"] | results.get("names", {}),
    }
    return render(request, "frontend/run.html", context)


@desk.page
@require_safe
def run_live(request: HttpRequest, run_id: int) -> HttpResponse:
    """HTMX, every two seconds: state, progress, metrics, warnings. Once the run has ended: the page anew."""
    run = _run(request, run_id)
    if run.state not in LIVE:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "frontend/run_live.html", _live_context(request, run))


@desk.page
@require_safe
def run_log(request: HttpRequest, run_id: int) -> HttpResponse:
    """HTMX: the last lines of the engine's log. Status 286 tells htmx to stop asking."""
    run = _run(request, run_id)
    log = selectors.log_tail(desk.person(request), run, lines=200)
    return render(request, "frontend/run_log.html", {"log": log}, status=200 if run.state in LIVE else 286)


@desk.page
@require_safe
def run_data(request: HttpRequest, run_id: int) -> JsonResponse:
    """The plots' data: curves of the metrics, and those of the margins once they are there."""
    run = _run(request, run_id)
    user = desk.person(request)
    found = list(selectors.evaluations(user, run))
    margins = [
        *margin_accuracy(found),
        *margin_scatter(found, reverse("run-preference", args=[run.pk, "ID"])),
    ]
    return JsonResponse({"plots": [*curves(selectors.curves(user, run)), *margins]})


@desk.page
@require_safe
def run_model(request: HttpRequest, run_id: int) -> StreamingHttpResponse:
    """The trained model as a tar file."""
    archive = selectors.model_archive(desk.person(request), _run(request, run_id))
    response = StreamingHttpResponse(archive.chunks, content_type="application/x-tar")
    response["Content-Length"] = str(archive.size)
    response["Content-Disposition"] = f'attachment; filename="{archive.filename}"'
    return response


@desk.page
@require_POST
def run_cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    run = _run(request, run_id)
    desk.tell(
        request,
        lambda: runs.cancel(run=run, by=desk.person(request), at=timezone.now()),
        "Cancelling: the run stops after a checkpoint.",
    )
    return redirect("run", run_id=run.pk)


@desk.page
@require_POST
def run_resume(request: HttpRequest, run_id: int) -> HttpResponse:
    run = _run(request, run_id)
    desk.tell(
        request,
        lambda: runs.resume(run=run, by=desk.person(request), at=timezone.now()),
        "Queued again: it goes on from its checkpoint.",
    )
    return redirect("run", run_id=run.pk)


@desk.page
@require_POST
def run_delete(request: HttpRequest, run_id: int) -> HttpResponse:
    run = _run(request, run_id)
    gone = desk.tell(
        request,
        lambda: runs.delete(run=run, by=desk.person(request), at=timezone.now()),
        f"“{run}” is deleted.",
    )
    return redirect("runs", slug=run.project.slug) if gone else redirect("run", run_id=run.pk)


def _run(request: HttpRequest, run_id: int) -> Run:
    return selectors.get(desk.person(request), run_id)


def _evaluating_context(request: HttpRequest, run: Run) -> dict[str, Any]:
    """The evaluations of this run's model by other runs, with what they found."""
    user = desk.person(request)
    found = [(one, key_figures(one.evaluations.all())) for one in lineage.evaluated_again(user, run)]
    compared = [run.pk, *(one.pk for one, _ in found if one.state == Run.State.FINISHED)][:MAX_RUNS]
    return {"again": found, "compared": compared}


def _live_context(request: HttpRequest, run: Run) -> dict[str, Any]:
    user = desk.person(request)
    live = run.state in LIVE
    of = lineage.subject(user, run) if run.kind == Run.Kind.EVALUATION else None
    return {
        "project": run.project,
        "tab": "runs",
        "run": run,
        "names": _names(request, run, (run.error, run.hint, *map(str, run.warnings))),
        "live": live,
        "method": catalog.METHODS.get(run.method),
        "resumable": rules.can_resume(user, run),
        "evaluable": rules.can_evaluate(user, run),
        "of": of,
        "missing": desk.missing_queues("gpu") if run.state == Run.State.QUEUED else [],
        "latest": tiles(run),
        "stages": stages(run, of) if live else [],
        "stage_progress": stage_progress(selectors.events(user, run, kinds=["progress"]), run)
        if live
        else None,
    }


def _names(request: HttpRequest, run: Run, texts: Iterable[str]) -> dict[int, str]:
    """The runs whose folders the engine names in these texts, by id; nothing is asked where it names none."""
    ids = run_words.mentioned(texts)
    if not ids:
        return {}
    return {pk: run_title(one) for pk, one in lineage.names(desk.person(request), ids).items()}


def _results_context(request: HttpRequest, run: Run) -> dict[str, Any]:
    """Evaluations and model; nothing of it is looked for while the run is live."""
    if run.state in LIVE:
        return {}
    user = desk.person(request)
    found = list(selectors.evaluations(user, run))
    files = selectors.model_files(user, run)
    shown = reports(found)
    said = [text for one in shown for text in (one.skipped, *(words for _, words in one.remarks))]
    return {
        "reports": shown,
        "of_dataset": not shown or any(one.name not in catalog.BENCHMARKS for one in shown),
        "names": _names(request, run, said),
        "has_margin_plot": bool(margin_accuracy(found) or margin_scatter(found, "")),
        "files": files,
        "archive_size": sum(file.size for file in files),
        "card": model_card(files),
        "snippets": model_snippets(request, run),
        "responses": responses.count(user, run),
        **alpaca.context(request, run),
    }
