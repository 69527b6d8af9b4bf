"""`manage.py docs_diagrams`: rewrite the generated parts of docs/."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from frontend import doc_parts


class Command(BaseCommand):
    help = "Write the state diagrams and the table of settings into docs/, from the code and .env.example."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Change nothing; fail when a page is out of date."
        )

    def handle(self, *args: Any, check: bool = False, **options: Any) -> None:
        root = settings.BASE_DIR
        stale = []
        for page in sorted((root / "docs").rglob("*.md")):
            old = page.read_text()
            new = doc_parts.fill(old, root=root)
            if new != old:
                stale.append(page.name)
                if not check:
                    page.write_text(new)
        if check and stale:
            raise CommandError(f"Out of date: {', '.join(stale)}. Run `make diagrams`.")
        self.stdout.write(f"Written: {', '.join(stale)}" if stale else "All pages are current.")
