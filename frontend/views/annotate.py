"""The comparison page and the endpoints its script talks to."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse

from frontend.http import SignedInRequest


@login_required
def page(request: SignedInRequest, slug: str) -> HttpResponse:
    raise NotImplementedError


next_task = answer = undo = heartbeat = release = page
