"""A run's model evaluated again: the form that launches it, and what such runs say on the pages of others."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from frontend import desk
from frontend.forms import evaluation_form
from frontend.forms.run_form import RunForm
from frontend.snippets import run_snippets
from frontend.views.runs import frozen, launched, offered
from training import benchmark_files, lineage
from training.models import Run
from training.selectors import lineage as family
from training.selectors import runs as selectors


@desk.page
@require_http_methods(["GET", "POST"])
def run_evaluate(request: HttpRequest, run_id: int) -> HttpResponse:
    """The form: as the run was evaluated, or as an earlier evaluation of it; the service launches."""
    run = selectors.get(desk.person(request), run_id)
    form, status = _form(request, run), 200
    if request.method == "POST":
        made = launched(request, run.project, form)
        if made is not None:
            return redirect("run", run_id=made.pk)
        status = 422
    return render(request, "frontend/run_evaluate.html", _context(request, run, form), status=status)


def _form(request: HttpRequest, run: Run) -> RunForm:
    if request.method == "POST":
        return evaluation_form.posted(run, request.POST)
    like = desk.number(request.GET.get("like", ""))
    earlier = family.evaluated_again(desk.person(request), run).filter(pk=like).first() if like else None
    return evaluation_form.opened(run, earlier, request.GET.get("checkpoint", ""))


def _context(request: HttpRequest, run: Run, form: RunForm) -> dict[str, Any]:
    user, project = desk.person(request), run.project
    datasets = list(frozen(request, project))
    chosen = next((one for one in datasets if str(one.pk) == form.dataset), None)
    subject, *parts = evaluation_form.rendered(form, run)
    steps = family.checkpoints(user, run)
    return {
        "project": project,
        "tab": "runs",
        "run": run,
        "subject": lineage.reference(run.pk),
        "form": form,
        "about": subject,
        "parts": parts,
        "datasets": datasets,
        "chosen": chosen,
        "steps": steps,
        "checkpoint": str(form.values["subject.checkpoint"]),
        "checkpoint_errors": [
            *form.errors.get("subject.checkpoint", []),
            *form.errors.get("subject.run", []),
        ],
        "judges": offered(request, project, "judge"),
        "opponents": offered(request, project, lineage.AGAINST),
        "benchmarks": {
            "benchmark-files": benchmark_files.names(*benchmark_files.ENDINGS),
            "baseline-files": benchmark_files.names(".json"),
            "prompt-files": benchmark_files.names(".txt"),
        },
        "snippets": run_snippets(request, form, chosen),
        "missing": desk.missing_queues("gpu"),
    }
