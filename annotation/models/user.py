from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox has no types
    """A person who signs in. What they may do in a project is their `Membership`."""

    can_create_projects = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.get_full_name() or self.username
