from __future__ import annotations

from django.db import models


class Contender(models.Model):
    """A model whose responses are compared in an arena. `source` says where they came from: "run 12"."""

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="contenders")
    number = models.PositiveSmallIntegerField(help_text="0 … models − 1, in the order they were given.")
    name = models.CharField(max_length=200)
    source = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="contender_numbered_once"),
            models.UniqueConstraint(fields=["project", "name"], name="contender_named_once"),
        ]
        indexes = [models.Index(fields=["source"], name="contender_by_source")]

    def __str__(self) -> str:
        return self.name
