"""`manage.py load_demo`: the demo project and its two accounts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from annotation import demo
from annotation.errors import DomainError


class Command(BaseCommand):
    help = (
        "Make the demo project with its preferences and accounts; does nothing where they are already there."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = demo.load(timezone.now())
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"Demo project: {project.name} ({project.preferences.count()} preferences)")
        for account in demo.accounts():
            self.stdout.write(f"  user {account.username:<10} password {account.password}")
