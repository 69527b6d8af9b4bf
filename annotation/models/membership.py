from __future__ import annotations

from django.conf import settings
from django.db import models


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    REVIEWER = "reviewer", "Reviewer"
    ANNOTATOR = "annotator", "Annotator"


class Membership(models.Model):
    """A person's role in a project, and where their queue stands."""

    project = models.ForeignKey("annotation.Project", on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    joined_at = models.DateTimeField()
    # Comparisons up to this queue position need not be looked at again for this person.
    queue_cursor = models.BigIntegerField(default=0)
    # The anchor of this person's latest comparison: only one new preference has to be read.
    last_anchor = models.ForeignKey(
        "annotation.Anchor", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    served = models.PositiveIntegerField(
        default=0, help_text="Comparisons handed out so far: decides when a check is mixed in."
    )
    practised_at = models.DateTimeField(null=True, blank=True, help_text="When the practice round ended.")

    class Meta:
        ordering = ["joined_at", "id"]
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="one_role_per_project")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"
