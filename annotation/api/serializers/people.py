from __future__ import annotations

from typing import Any

from rest_framework import serializers

from annotation.models import ApiToken, Invite, Role, User


class MeSerializer(serializers.ModelSerializer[User]):
    """Who is signed in; `scopes` is null in a browser session, which has them all."""

    email = serializers.CharField(help_text="Empty where none is known.")
    scopes = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ("id", "username", "first_name", "last_name", "email", "can_create_projects", "scopes")
        read_only_fields = fields

    def get_scopes(self, user: User) -> list[str] | None:
        token = self.context["request"].auth
        return list(token.scopes) if isinstance(token, ApiToken) else None


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    key = serializers.CharField(source="token_key", help_text="The first characters of the secret: names it.")
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiToken.Scope.choices))
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = ("key", "name", "scopes", "created_at", "expires_at", "last_used_at")
        read_only_fields = fields


class NewTokenSerializer(TokenSerializer):
    """The one answer that carries the secret."""

    secret = serializers.CharField(help_text="Shown once; only its hash is kept.")

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "secret")
        read_only_fields = fields


class TokenWriteSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiToken.Scope.choices), min_length=1)
    days = serializers.IntegerField(
        min_value=1, max_value=3650, allow_null=True, default=None, help_text="null: never expires."
    )


class InviteSerializer(serializers.ModelSerializer[Invite]):
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = Invite
        fields: tuple[str, ...] = (
            "id",
            "role",
            "created_by",
            "created_at",
            "expires_at",
            "max_uses",
            "uses",
            "revoked_at",
        )
        read_only_fields = fields


class NewInviteSerializer(InviteSerializer):
    """The one answer that carries the link's secret."""

    secret = serializers.CharField(help_text="Shown once; `POST /api/v1/invites/accept` takes it.")
    link = serializers.CharField(help_text="What to send to the person.")

    class Meta(InviteSerializer.Meta):
        fields = (*InviteSerializer.Meta.fields, "secret", "link")
        read_only_fields = fields


class InviteWriteSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(
        [(role.value, role.label) for role in Role if role != Role.OWNER], default="annotator"
    )
    max_uses = serializers.IntegerField(min_value=1, max_value=10_000, default=1)
    valid_days = serializers.IntegerField(min_value=1, max_value=365, default=14)


class InviteAcceptSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField(max_length=200)
