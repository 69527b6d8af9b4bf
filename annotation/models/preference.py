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

    excluded_at = models.DateTimeField(null=True, blank=True, help_text="Left out of drawing and freezing.")
    exclusion_reason = models.CharField(max_length=300, blank=True)
    replaces = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="replaced_by",
        help_text="The excluded preference this is the corrected form of.",
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "content_hash"], name="preference_imported_once"),
            models.UniqueConstraint(fields=["project", "split", "number"], name="preference_numbered_once"),
        ]
        indexes = [
            models.Index(
                fields=["project", "id"],
                name="preference_excluded",
                condition=models.Q(excluded_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"preference {self.pk} ({self.split} {self.number})"
