from __future__ import annotations

from django.conf import settings
from django.db import models


class ArenaAddition(models.Model):
    """Responses that came to an arena after it was made. Their battles are a stream of their own.

    `counter` is how much of it has been drawn; whoever moves it on holds the pool's lock.
    """

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="additions")
    number = models.PositiveSmallIntegerField(help_text="1 …, in the order they came.")
    counter = models.BigIntegerField(default=0)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="addition_numbered_once"),
        ]

    def __str__(self) -> str:
        return f"addition {self.number} to project {self.project_id}"
