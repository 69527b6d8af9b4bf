from __future__ import annotations

from django.db import models


class RunEvent(models.Model):
    """One line of a run's events.jsonl."""

    run = models.ForeignKey("training.Run", on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveBigIntegerField(help_text="Byte offset of the line in events.jsonl.")
    kind = models.CharField(max_length=20)
    step = models.PositiveIntegerField(null=True, blank=True)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_read_once")]
        indexes = [models.Index(fields=["run", "kind", "seq"], name="event_by_kind")]

    def __str__(self) -> str:
        return f"{self.kind} of run {self.run_id}"
