from __future__ import annotations

from django.db import models


class Evaluation(models.Model):
    """A named result about one run, exactly as its `evaluation.json` has it.

    Figures of annotations that somebody uploaded stand here alone: in no file, and no worker knows them.
    """

    run = models.ForeignKey("training.Run", on_delete=models.CASCADE, related_name="evaluations")
    name = models.CharField(max_length=60)
    result = models.JSONField()
    seed = models.BigIntegerField(default=0)
    dataset_sha256 = models.CharField(max_length=64)
    duration_seconds = models.FloatField(default=0.0)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="evaluation_named_once")]

    def __str__(self) -> str:
        return f"{self.name} of run {self.run_id}"
