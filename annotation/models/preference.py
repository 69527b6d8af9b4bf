from __future__ import annotations

from django.db import models

from annotation.models.pool import Split


class Preference(models.Model):
    """(prompt, chosen, rejected), each a list of chat messages `{"role", "content"}`.

    Scores are ground truth for evaluation and simulated annotators only: never shown to an annotator,
    never read by DPO-PoP training.
    """

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="preferences")
    preference_import = models.ForeignKey(
        "annotation.PreferenceImport", null=True, on_delete=models.SET_NULL, related_name="preferences"
    )
    split = models.CharField(max_length=8, choices=Split.choices)
    number = models.BigIntegerField(help_text="Position in its pool: 0 … size − 1, without gaps.")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 over the canonical JSON of the texts.")
    prompt = models.JSONField()
    chosen = models.JSONField()
    rejected = models.JSONField()
    score_chosen = models.FloatField(null=True, blank=True)
    score_rejected = models.FloatField(null=True, blank=True)
    external_id = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "content_hash"], name="preference_imported_once"),
            models.UniqueConstraint(fields=["project", "split", "number"], name="preference_numbered_once"),
        ]

    def __str__(self) -> str:
        return f"preference {self.pk} ({self.split} {self.number})"
