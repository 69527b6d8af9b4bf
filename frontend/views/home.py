"""The first page after signing in: the projects a person is in, and what they can do there."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render

from annotation import rules
from annotation.models import Project, Role
from annotation.selectors import adjudication, progress, projects
from frontend.http import SignedInRequest, now

MANAGERS = {Role.OWNER, Role.ADMIN}


@login_required
def home(request: SignedInRequest) -> HttpResponse:
    visible = projects.with_role(request.user).prefetch_related("pools")
    mine = progress.mine_by_project(request.user, now())
    totals = progress.totals_of(visible)
    waiting = adjudication.counts(request.user, visible)
    cards = [
        {**_card(project, mine.get(project.pk), totals[project.pk]), "disputes": waiting.get(project.pk, 0)}
        for project in visible
    ]
    context = {
        "current": [card for card in cards if card["project"].state != Project.State.ARCHIVED],
        "archived": [card for card in cards if card["project"].state == Project.State.ARCHIVED],
        "can_create": rules.can_create_project(request.user),
    }
    return render(request, "frontend/home.html", context)


def _card(project: Any, mine: Any, totals: progress.Totals) -> dict[str, Any]:
    pools = list(project.pools.all())
    return {
        "project": project,
        "role": Role(project.my_role).label if project.my_role else "",
        "manages": project.my_role in MANAGERS,
        "reviews": project.my_role == Role.REVIEWER,
        "preferences": sum(pool.size for pool in pools),
        "labels": totals.labels,
        "expected": totals.labels_expected,
        "mine": mine,
    }
