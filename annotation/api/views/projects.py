"""Projects, their members, their trail and their progress."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented, files_of
from annotation.api.downloads import AnyAccept, download
from annotation.api.serializers.progress import FunnelSerializer, ProgressSerializer
from annotation.api.serializers.projects import (
    AuditExportQuerySerializer,
    AuditQuerySerializer,
    AuditSerializer,
    MemberSerializer,
    MemberWriteSerializer,
    ProjectChangeSerializer,
    ProjectSerializer,
    ProjectWriteSerializer,
)
from annotation.models import Project, User
from annotation.selectors import audit, funnel, progress_shown, projects
from annotation.services import members as member_deeds
from annotation.services import projects as project_deeds


class ProjectViewSet(ApiViewSet):
    """Projects you are a member of."""

    scopes = {
        "list": "read",
        "retrieve": "read",
        "progress": "read",
        "funnel": "read",
        "create": "manage",
        "partial_update": "manage",
        "pause": "manage",
        "reopen": "manage",
        "archive": "manage",
    }

    @documented(ProjectSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The projects you are a member of, newest first."""
        return self.pages(projects.with_role(self.by), ProjectSerializer)

    @documented(ProjectSerializer, takes=ProjectWriteSerializer, status=201, refuses=(400, 422))
    def create(self, request: Request) -> Response:
        """Create a project; you become its owner."""
        made = project_deeds.create(by=self.by, at=self.at, **self.given(ProjectWriteSerializer))
        return self._answer(made, status=201)

    @documented(ProjectSerializer)
    def retrieve(self, request: Request, project: str) -> Response:
        """One project, by its id or its slug."""
        return self._answer(self.project())

    @documented(ProjectSerializer, takes=ProjectChangeSerializer, refuses=(400, 404, 409, 422))
    def partial_update(self, request: Request, project: str) -> Response:
        """Change settings; what shapes the drawing is fixed once something was drawn or imported (409)."""
        found = self.project()
        changes = self.given(ProjectChangeSerializer, partial=True)
        return self._answer(project_deeds.update(project=found, by=self.by, at=self.at, **changes))

    @documented(ProjectSerializer, refuses=(404, 409))
    def pause(self, request: Request, project: str) -> Response:
        """Hand out no more comparisons; answers already leased are still taken."""
        return self._answer(project_deeds.pause(project=self.project(), by=self.by, at=self.at))

    @documented(ProjectSerializer, refuses=(404, 409))
    def reopen(self, request: Request, project: str) -> Response:
        """Hand out comparisons again."""
        return self._answer(project_deeds.reopen(project=self.project(), by=self.by, at=self.at))

    @documented(ProjectSerializer, refuses=(404, 409))
    def archive(self, request: Request, project: str) -> Response:
        """End the labelling; what was labelled stays readable."""
        return self._answer(project_deeds.archive(project=self.project(), by=self.by, at=self.at))

    @documented(ProgressSerializer)
    def progress(self, request: Request, project: str) -> Response:
        """How far the labelling is; `per_annotator` is for managers and empty for others."""
        return Response(ProgressSerializer(progress_shown.of_project(self.by, self.project(), self.at)).data)

    @documented(FunnelSerializer)
    def funnel(self, request: Request, project: str) -> Response:
        """From imported preferences to frozen datasets, in counts. Managers only."""
        return Response(FunnelSerializer(funnel.of_project(self.by, self.project())).data)

    def _answer(self, project: Project, status: int = 200) -> Response:
        seen = projects.with_role(self.by).get(pk=project.pk)
        return Response(ProjectSerializer(seen).data, status=status)


class MemberViewSet(ApiViewSet):
    """Who is in a project."""

    scopes = {"list": "read", "partial_update": "manage", "destroy": "manage"}

    @documented(MemberSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The members and their roles. Managers only."""
        return self.pages(projects.members(self.by, self.project()), MemberSerializer)

    @documented(MemberSerializer, takes=MemberWriteSerializer, refuses=(400, 404, 409, 422))
    def partial_update(self, request: Request, project: str, user: int) -> Response:
        """Give a member another role; a project keeps at least one owner (409)."""
        found = self.project()
        role = self.given(MemberWriteSerializer)["role"]
        member = member_deeds.set_role(
            project=found, user=self._member(found, user), role=role, by=self.by, at=self.at
        )
        return Response(MemberSerializer(member).data)

    @documented(None, status=204, refuses=(404, 409))
    def destroy(self, request: Request, project: str, user: int) -> Response:
        """Remove a member; their labels stay."""
        found = self.project()
        member_deeds.remove(project=found, user=self._member(found, user), by=self.by, at=self.at)
        return Response(status=204)

    def _member(self, project: Project, user: int) -> User:
        return projects.member(self.by, project, user).user


class AuditViewSet(ApiViewSet):
    """What was done to a project."""

    scopes = {"list": "read"}

    @documented(AuditSerializer(many=True), query=(AuditQuerySerializer,), refuses=(404, 422))
    def list(self, request: Request, project: str) -> Response:
        """Who did what when, newest first. Managers only."""
        wanted = self.asked(AuditQuerySerializer)
        return self.pages(audit.of_project(self.by, self.project(), **wanted), AuditSerializer)


class AuditExportViewSet(ApiViewSet):
    """The trail as a file."""

    scopes = {"retrieve": "read"}
    content_negotiation_class = AnyAccept

    @documented(
        files_of(audit.FORMATS.values()),
        query=(AuditExportQuerySerializer,),
        refuses=(404, 422),
    )
    def retrieve(self, request: Request, project: str) -> HttpResponseBase:
        """Every entry as JSON lines or CSV, newest first, as a stream. Managers only."""
        found = self.project()
        wanted = self.asked(AuditExportQuerySerializer)
        kind = wanted.pop("format")
        return download(
            request,
            audit.exported(audit.of_project(self.by, found, **wanted), kind),
            filename=f"{found.slug}-audit.{kind}",
            content_type=audit.FORMATS[kind],
        )
