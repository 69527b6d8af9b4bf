"""Members of a project and the links that invite more."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from annotation.errors import DomainError
from annotation.models import Membership, Project, Role
from annotation.selectors import projects as selectors
from annotation.services import invites, members
from frontend import desk
from frontend.forms.admin_forms import InviteForm


@desk.page
@require_http_methods(["GET", "POST"])
def project_members(request: HttpRequest, slug: str) -> HttpResponse:
    """Members and invites. A POST makes an invite: its link is in this answer only."""
    user = desk.person(request)
    project = desk.managed(request, slug)
    form = InviteForm(request.POST or None)
    link, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                _, secret = invites.create(project=project, by=user, at=timezone.now(), **form.cleaned_data)
                link = request.build_absolute_uri(reverse("invite-accept", args=[secret]))
                form, status = InviteForm(), 200
            except DomainError as error:
                desk.show_refusal(form, error)
    context = _context(request, project, form, link)
    response = render(request, "frontend/project_members.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


@desk.page
@require_POST
def member_role(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    project = desk.managed(request, slug)
    member = _member(request, project, member_id)
    role = request.POST.get("role", "")
    desk.tell(
        request,
        lambda: members.set_role(
            project=project, user=member.user, role=role, by=desk.person(request), at=timezone.now()
        ),
        f"{member.user} is {role} now.",
    )
    return redirect("project-members", slug=project.slug)


@desk.page
@require_POST
def member_remove(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    project = desk.managed(request, slug)
    member = _member(request, project, member_id)
    desk.tell(
        request,
        lambda: members.remove(project=project, user=member.user, by=desk.person(request), at=timezone.now()),
        f"{member.user} is no longer a member. Their labels stay.",
    )
    return redirect("home") if member.user == request.user else redirect("project-members", slug=project.slug)


@desk.page
@require_POST
def invite_revoke(request: HttpRequest, slug: str, invite_id: int) -> HttpResponse:
    user = desk.person(request)
    project = desk.managed(request, slug)
    invite = selectors.invites(user, project).filter(pk=invite_id).first()
    if invite is None:
        raise Http404("No such invite.")
    desk.tell(
        request,
        lambda: invites.revoke(invite=invite, by=user, at=timezone.now()),
        "The invite is revoked: its link no longer works.",
    )
    return redirect("project-members", slug=project.slug)


def _context(request: HttpRequest, project: Project, form: InviteForm, link: str) -> dict[str, object]:
    user = desk.person(request)
    return {
        "project": project,
        "tab": "members",
        "form": form,
        "link": link,
        "page": desk.pages(request, selectors.members(user, project)),
        "invites": selectors.invites(user, project)[:50],
        "roles": [(role.value, role.label) for role in Role],
        "my_role": selectors.role_of(user, project),
        "now": timezone.now(),
    }


def _member(request: HttpRequest, project: Project, member_id: int) -> Membership:
    member = selectors.members(desk.person(request), project).filter(pk=member_id).first()
    if member is None:
        raise Http404("No such member.")
    return member
