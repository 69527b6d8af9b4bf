from __future__ import annotations

from django.db import models


class ArenaEntry(models.Model):
    """What a model said to a prompt of an arena. Models that said the same share the preference."""

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="entries")
    prompt_number = models.PositiveIntegerField(help_text="0 … prompts − 1, in the order they were given.")
    contender = models.ForeignKey("annotation.Contender", on_delete=models.CASCADE, related_name="entries")
    addition = models.PositiveSmallIntegerField(
        default=0, help_text="0: it was there when the arena was made; else the number of its addition."
    )
    preference = models.ForeignKey("annotation.Preference", on_delete=models.CASCADE, related_name="entries")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "prompt_number", "contender"], name="one_response_per_prompt"
            )
        ]

    def __str__(self) -> str:
        return f"entry {self.pk}: contender {self.contender_id}, prompt {self.prompt_number}"
