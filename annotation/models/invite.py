from __future__ import annotations

from django.conf import settings
from django.db import models

from annotation.models.membership import Role


class Invite(models.Model):
    """A link that makes whoever follows it a member. Only the SHA-256 of its secret is stored."""

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="invites")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.ANNOTATOR)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    max_uses = models.PositiveIntegerField(default=1)
    uses = models.PositiveIntegerField(default=0)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(uses__lte=models.F("max_uses")), name="invite_not_overused"
            ),
            models.CheckConstraint(condition=~models.Q(role=Role.OWNER), name="invite_never_makes_an_owner"),
        ]

    def __str__(self) -> str:
        return f"invite {self.pk} to {self.project}"
