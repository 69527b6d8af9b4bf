from __future__ import annotations

from django.conf import settings
from django.db import models


class AuditEntry(models.Model):
    """What an admin did, written in the same transaction as the deed."""

    project = models.ForeignKey(
        "annotation.Project", null=True, on_delete=models.CASCADE, related_name="audit_entries"
    )
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=60)
    target = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.target}"
