"""Arenas of runs."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.base import ApiViewSet
from annotation.api.docs import documented
from annotation.api.routing import MAX_ID
from annotation.api.serializers.arenas import (
    ArenaAddedSerializer,
    ArenaAddSerializer,
    ArenaSettingsSerializer,
)
from annotation.api.serializers.projects import ProjectSerializer
from annotation.selectors import projects
from training.selectors import arenas as selectors
from training.selectors.comparing import MAX_RUNS
from training.services import arenas


class RunsSerializer(serializers.Serializer[Any]):
    """Runs whose models take part in an arena."""

    runs = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        min_length=1,
        max_length=100,
        help_text=f"Ids of runs that wrote responses, at most {MAX_RUNS}: of the project that the arena is "
        "made in, or of any that you manage where they are added to one.",
    )
    with_reference = serializers.BooleanField(
        default=False, help_text="The reference's responses take part as a model of its own."
    )


class RunArenaWriteSerializer(RunsSerializer, ArenaSettingsSerializer):
    """An arena of what the models of runs wrote."""

    name = serializers.CharField(
        max_length=200,
        default="",
        allow_blank=True,
        help_text="Annotators read it; absent: of how many models, and the day.",
    )


class RunsAddSerializer(RunsSerializer, ArenaAddSerializer):
    """Runs whose models are added to an arena."""


class RunArenaViewSet(ApiViewSet):
    """Ask people which run's model is better."""

    scopes = {"list": "read", "create": "manage", "add": "manage"}

    @documented(ProjectSerializer(many=True))
    def list(self, request: Request, project: str) -> Response:
        """The arenas you manage that a run of this project takes part in, newest first. Managers only."""
        return self.pages(selectors.of_runs(self.by, self.project()), ProjectSerializer)

    @documented(ProjectSerializer, takes=RunArenaWriteSerializer, status=201, refuses=(400, 404, 422))
    def create(self, request: Request, project: str) -> Response:
        """Make an arena of runs that wrote responses, the first of each to a prompt; you become its owner."""
        given: dict[str, Any] = self.given(RunArenaWriteSerializer)
        made = arenas.from_runs(project=self.project(), by=self.by, at=self.at, **given)
        return Response(ProjectSerializer(projects.with_role(self.by).get(pk=made.pk)).data, status=201)

    @documented(ArenaAddedSerializer, takes=RunsAddSerializer, refuses=(400, 404, 409, 422))
    def add(self, request: Request, project: str) -> Response:
        """Add what runs' models wrote to this arena; votes stay. A second time changes nothing."""
        found, given = self.project(), self.given(RunsAddSerializer)
        done = arenas.add_runs(arena=found, by=self.by, at=self.at, **given)
        return Response(ArenaAddedSerializer(done).data)
