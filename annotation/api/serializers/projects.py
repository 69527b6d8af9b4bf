from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.models import AuditEntry, Membership, Project, Role
from annotation.models.project import DEFAULT_QUESTION
from annotation.sampling import STRATEGIES

SETTINGS = (
    "strategy",
    "k",
    "attempt_cap",
    "reuse",
    "labels_per_comparison",
    "lease_minutes",
    "holdout_percent",
    "gold_percent",
    "retest_percent",
    "practice_size",
    "dispute_below",
)
ARENA_SETTINGS = ("battles", "names_told")


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project as its members see it. The seed stays inside: it would tell what comes next."""

    role = serializers.ChoiceField(Role.choices, source="my_role", help_text="Your role in it.")

    class Meta:
        model = Project
        fields = (
            "id",
            "slug",
            "kind",
            "name",
            "question",
            "guidelines",
            "state",
            *SETTINGS,
            *ARENA_SETTINGS,
            "created_at",
            "role",
        )
        read_only_fields = fields


class ProjectWriteSerializer(serializers.ModelSerializer[Project]):
    """What a project is made from; only `name` must be given."""

    question = serializers.CharField(max_length=300, default=DEFAULT_QUESTION)
    strategy = serializers.ChoiceField(choices=sorted(STRATEGIES), default="random")

    class Meta:
        model = Project
        fields: tuple[str, ...] = ("name", "question", "guidelines", *SETTINGS, "seed")
        extra_kwargs = {"seed": {"required": False, "write_only": True}}


class ProjectChangeSerializer(ProjectWriteSerializer):
    """What of a project can be changed; the last two in arenas only."""

    class Meta(ProjectWriteSerializer.Meta):
        fields = (*ProjectWriteSerializer.Meta.fields, *ARENA_SETTINGS)


class MemberSerializer(serializers.ModelSerializer[Membership]):
    user_id = serializers.IntegerField()
    username = serializers.CharField(source="user.username")

    class Meta:
        model = Membership
        fields = ("user_id", "username", "role", "joined_at")
        read_only_fields = fields


class MemberWriteSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(Role.choices)


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    actor = serializers.CharField(source="actor.username")

    class Meta:
        model = AuditEntry
        fields = ("id", "at", "actor", "verb", "target", "details")
        read_only_fields = fields


class AuditQuerySerializer(serializers.Serializer[Any]):
    actor = serializers.CharField(required=False, max_length=150, help_text="A user name.")
    verb = serializers.CharField(
        required=False, max_length=60, help_text="A verb (`dataset.deleted`) or its noun (`dataset`)."
    )


class AuditExportQuerySerializer(AuditQuerySerializer):
    format = serializers.ChoiceField(["csv", "jsonl"], default="jsonl")
