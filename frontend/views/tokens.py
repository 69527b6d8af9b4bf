"""A person's own API tokens."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from annotation.errors import Invalid
from annotation.selectors import tokens as selectors
from annotation.services import tokens
from frontend import desk
from frontend.forms.admin_forms import TokenForm


@desk.page
@require_http_methods(["GET", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """The list, and the form that makes one: its secret is in this answer only."""
    user = desk.person(request)
    form = TokenForm(request.POST or None)
    secret, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                _, secret = tokens.create(by=user, at=timezone.now(), **form.cleaned_data)
                form, status = TokenForm(), 200
            except Invalid as error:
                desk.show_refusal(form, error)
    context = {
        "form": form,
        "secret": secret,
        "base_url": request.build_absolute_uri("/").rstrip("/"),
        "page": desk.pages(request, selectors.tokens_of(user)),
        "now": timezone.now(),
    }
    response = render(request, "frontend/tokens.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@desk.page
@require_POST
def token_revoke(request: HttpRequest, token_key: str) -> HttpResponse:
    user = desk.person(request)
    token = selectors.get(user, token_key)
    desk.tell(
        request,
        lambda: tokens.revoke(token=token, by=user, at=timezone.now()),
        f"Token “{token.name}” is revoked: the next request with it is refused.",
    )
    return redirect("tokens")
