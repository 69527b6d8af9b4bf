from __future__ import annotations

from django.db import models
from knox.models import AbstractAuthToken


class ApiToken(AbstractAuthToken):  # type: ignore[misc]
    """An API token: only its SHA-512 digest is stored (django-rest-knox). Scopes narrow what it may do."""

    class Scope(models.TextChoices):
        READ = "read", "Read projects, datasets and runs"
        ANNOTATE = "annotate", "Fetch comparisons and submit labels"
        MANAGE = "manage", "Create projects, import, invite, freeze"
        TRAIN = "train", "Start and cancel training runs"

    name = models.CharField(max_length=100)
    scopes = models.JSONField(default=list)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"
