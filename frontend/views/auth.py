"""Signing in and out, and joining a project by its invite link."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from annotation.errors import Invalid
from annotation.models import Invite
from annotation.services import accounts, invites
from frontend.http import now

BACKEND = "config.people.PeopleBackend"


class SignInForm(AuthenticationForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["username"].label = "User name"
        self.error_messages["invalid_login"] = (
            "This user name and password do not match. Mind upper and lower case."
        )


class SignIn(LoginView):
    template_name = "frontend/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.info(request, "You are signed out.")
    onward = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(onward, {request.get_host()}, require_https=request.is_secure())
    return redirect(onward if safe else "login")


class AccountForm(forms.Form):
    """A new account. The service checks the name and the password."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        help_text="Shown to the project's admins.",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 8 characters; a few unrelated words work well.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="Password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("password") and cleaned.get("again") and cleaned["password"] != cleaned["again"]:
            self.add_error("again", "The two passwords differ.")
        return cleaned


@sensitive_post_parameters("password", "again")
@never_cache
def join(request: HttpRequest, secret: str) -> HttpResponse:
    """GET shows what the invite is for; POST joins, with a new account unless somebody is signed in."""
    at = now()
    invite = invites.find(secret, at)
    if request.user.is_authenticated:
        return _join_as_me(request, invite, secret, at)
    form = AccountForm(request.POST or None, label_suffix="")
    if request.method == "POST" and form.is_valid() and _register(request, form, secret, at):
        return _welcome(request, invite)
    context = {"invite": invite, "form": form}
    return render(request, "frontend/join.html", context, status=422 if form.errors else 200)


def _join_as_me(request: HttpRequest, invite: Invite, secret: str, at: datetime) -> HttpResponse:
    if request.method == "POST" and request.user.is_authenticated:
        invites.accept(secret=secret, by=request.user, at=at)
        return _welcome(request, invite)
    return render(request, "frontend/join.html", {"invite": invite})


def _register(request: HttpRequest, form: AccountForm, secret: str, at: datetime) -> bool:
    given = form.cleaned_data
    try:
        user = accounts.register(secret=secret, username=given["username"], password=given["password"], at=at)
    except Invalid as refused:
        for field, why in refused.fields.items():
            form.add_error(field if field in form.fields else None, why)
        if not refused.fields:
            form.add_error(None, refused.message)
        return False
    login(request, user, backend=BACKEND)
    return True


def _welcome(request: HttpRequest, invite: Invite) -> HttpResponse:
    messages.success(request, f"Welcome to {invite.project.name}.")
    return redirect("home")
