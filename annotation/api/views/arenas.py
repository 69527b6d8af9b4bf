"""Arenas: made of responses, their results, and what becomes of their votes."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented, files_of
from annotation.api.downloads import AnyAccept, download
from annotation.api.serializers.arenas import (
    ArenaAddedSerializer,
    ArenaEntriesSerializer,
    ArenaResultsSerializer,
    ArenaWriteSerializer,
    IntoSerializer,
    VotesQuerySerializer,
)
from annotation.api.serializers.preferences import ImportSerializer
from annotation.api.serializers.projects import ProjectSerializer
from annotation.selectors import arena, arena_files, projects
from annotation.services import arena_additions, arena_entries, arena_votes, arenas


class ArenaViewSet(ApiViewSet):
    """Blind comparisons of models."""

    scopes = {
        "list": "read",
        "create": "manage",
        "retrieve": "read",
        "entries": "manage",
        "preferences": "manage",
    }

    @documented(ProjectSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The arenas you are a member of, newest first."""
        return self.pages(arena.of_person(self.by), ProjectSerializer)

    @documented(ProjectSerializer, takes=ArenaWriteSerializer, status=201, refuses=(400, 413, 422))
    def create(self, request: Request) -> Response:
        """Make an arena of responses by two or more models; you become its owner.

        Prompts that only one model answered are left out.
        """
        given = self.given(ArenaWriteSerializer)
        entries = arena_entries.read(given.pop("entries"))
        made = arenas.create(entries=entries, by=self.by, at=self.at, **given)
        return Response(ProjectSerializer(projects.with_role(self.by).get(pk=made.pk)).data, status=201)

    @documented(ArenaResultsSerializer, refuses=(404, 409))
    def retrieve(self, request: Request, project: str) -> Response:
        """Win rates and scores with intervals, as the votes stand. Managers only."""
        return Response(ArenaResultsSerializer(arena.of_project(self.by, self.project())).data)

    @documented(ArenaAddedSerializer, takes=ArenaEntriesSerializer, refuses=(400, 404, 409, 413, 422))
    def entries(self, request: Request, project: str) -> Response:
        """Add another model's responses, or more prompts; votes stay. A second time changes nothing.

        New prompts that only one model answered are left out.
        """
        found, given = self.project(), self.given(ArenaEntriesSerializer)
        entries = arena_entries.read(given["entries"])
        done = arena_additions.add(
            project=found, entries=entries, by=self.by, at=self.at, battles=given["battles"]
        )
        return Response(ArenaAddedSerializer(done).data)

    @documented(ImportSerializer, takes=IntoSerializer, status=201, refuses=(400, 404, 409, 422))
    def preferences(self, request: Request, project: str) -> Response:
        """Import every battle with a winner into another project that you manage, as a preference."""
        into = projects.get(self.by, self.given(IntoSerializer)["into"])
        started = arena_votes.make_preferences(arena=self.project(), into=into, by=self.by, at=self.at)
        return Response(ImportSerializer(started).data, status=201)


class ArenaFileViewSet(ApiViewSet):
    """An arena as files."""

    scopes = {"standings": "read", "votes": "read"}
    content_negotiation_class = AnyAccept

    @documented(files_of([arena_files.CSV]), refuses=(404, 409))
    def standings(self, request: Request, project: str) -> HttpResponseBase:
        """The standings as CSV. Managers only."""
        found = self.project()
        lines = arena_files.standings(self.by, found)
        return download(request, lines, filename=f"{found.slug}-arena.csv", content_type=arena_files.CSV)

    @documented(
        files_of(media for media, _ in arena_files.VOTES.values()),
        refuses=(404, 409, 422),
        query=[VotesQuerySerializer],
    )
    def votes(self, request: Request, project: str) -> HttpResponseBase:
        """Battles with a winner as JSON lines: prompt, chosen, rejected, models. Or every answer as CSV.

        Managers only.
        """
        found, kind = self.project(), self.asked(VotesQuerySerializer)["format"]
        media, write = arena_files.VOTES[kind]
        lines = write(self.by, found)
        return download(request, lines, filename=f"{found.slug}-votes.{kind}", content_type=media)
