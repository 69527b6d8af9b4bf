from __future__ import annotations

from django.conf import settings
from django.db import models


class Webhook(models.Model):
    """An address that is told of a project's events, signed by the Standard Webhooks scheme."""

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    events = models.JSONField(default=list, help_text="Names of the events it is told of.")
    secret = models.TextField(help_text="The signing secret, encrypted under the server's key.")
    is_active = models.BooleanField(default=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"webhook {self.pk} of {self.project}"
