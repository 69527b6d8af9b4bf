"""`manage.py freeze PROJECT --as NAME`: a PoP dataset without a browser or a worker."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation.errors import DomainError, Invalid
from annotation.management.following import following, in_words
from annotation.management.people import manager_of
from annotation.models import PopDataset
from annotation.selectors import pace
from annotation.services import datasets
from annotation.services.freeze_options import CHECKS


class Command(BaseCommand):
    help = "Freeze a project's labels into a PoP dataset here and now. Ctrl-C discards it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--as", dest="person", default="", help="a manager; else the project's owner")
        parser.add_argument("--name", default="")
        parser.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"may be repeated; one of {', '.join(CHECKS)}; VALUE is JSON, or text",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project, by = manager_of(options["project"], options["person"])
        chosen = _pairs(options["option"])
        try:
            made = datasets.freeze(
                project=project,
                by=by,
                at=timezone.now(),
                name=options["name"],
                options=chosen,
            )
        except DomainError as error:
            fields = error.fields if isinstance(error, Invalid) else {}
            about = "; ".join(f"{name}: {' '.join(words)}" for name, words in fields.items())
            raise CommandError(f"{error.message} {about}".strip()) from error
        try:
            with following(self.stdout, lambda: _line(made.pk)):
                datasets.run_freeze(made.pk)
        except KeyboardInterrupt:
            datasets.cancel(dataset=made, by=by, at=timezone.now())
            datasets.end_cancelled(made.pk)
        made.refresh_from_db()
        if made.state != PopDataset.State.FROZEN:
            raise CommandError(made.error or f"The dataset is {made.state}.")
        self.stdout.write(f"dataset {made.pk}: {made.row_count:,} rows, sha256 {made.sha256}")


def _pairs(given: list[str]) -> dict[str, object]:
    """`noise=0.1` as {"noise": 0.1}."""
    found: dict[str, object] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise CommandError(f"--option takes NAME=VALUE, not {one!r}.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _line(dataset_id: int) -> str:
    made = PopDataset.objects.get(pk=dataset_id)
    done = f"{made.progress_done:,} of {made.progress_total:,} preferences and rows written"
    return done + in_words(pace.of_dataset(made, timezone.now()))
