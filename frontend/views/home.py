"""The first page after signing in: the projects a person is in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render

from frontend.http import SignedInRequest


@login_required
def home(request: SignedInRequest) -> HttpResponse:
    return render(request, "frontend/home.html")
