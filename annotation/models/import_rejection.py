from __future__ import annotations

from django.db import models


class ImportRejection(models.Model):
    """A row an import left out: where it stood and why. The first 1,000 of an import are kept."""

    preference_import = models.ForeignKey(
        "annotation.PreferenceImport", on_delete=models.CASCADE, related_name="rejections"
    )
    line = models.PositiveIntegerField(help_text="1-based line (JSONL, CSV) or row (Parquet, Hub).")
    reason = models.CharField(max_length=300)
    excerpt = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["line", "id"]
        constraints = [
            models.UniqueConstraint(fields=["preference_import", "line"], name="one_rejection_per_line")
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
