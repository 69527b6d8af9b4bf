from __future__ import annotations

from django.db import models


class WorkerBeat(models.Model):
    """A Celery worker that has said it is alive, and the queues it serves."""

    name = models.CharField(max_length=200, unique=True)
    queues = models.JSONField(default=list)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
