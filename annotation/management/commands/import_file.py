"""`manage.py import_file PROJECT FILE --as NAME`: an import without a browser or a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation.errors import DomainError
from annotation.management.following import following, in_words
from annotation.management.people import manager_of
from annotation.models import PreferenceImport
from annotation.selectors import pace
from annotation.services import imports


class Command(BaseCommand):
    help = "Import preferences from a file here and now. Ctrl-C cancels: what is in by then stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("file", type=Path)
        parser.add_argument("--as", dest="person", default="", help="a manager; else the project's owner")
        parser.add_argument("--format", default="", help="else the file's name decides")

    def handle(self, *args: Any, **options: Any) -> None:
        project, by = manager_of(options["project"], options["person"])
        try:
            with options["file"].open("rb") as file:
                upload = File(file, name=options["file"].name)
                job = imports.start_file(
                    project=project, upload=upload, by=by, at=timezone.now(), format=options["format"]
                )
        except (DomainError, OSError) as error:
            raise CommandError(str(getattr(error, "message", error))) from error
        try:
            with following(self.stdout, lambda: _line(job.pk)):
                imports.run(job.pk)
        except KeyboardInterrupt:
            imports.cancel(job=job, by=by, at=timezone.now())
            imports.end_cancelled(job.pk)
        job.refresh_from_db()
        if job.state != PreferenceImport.State.DONE:
            raise CommandError(job.error or f"The import is {job.state}.")


def _line(import_id: int) -> str:
    job = PreferenceImport.objects.get(pk=import_id)
    return (
        f"{job.rows_read:,} rows read: {job.rows_imported:,} imported, {job.rows_duplicate:,} known already, "
        f"{job.rows_rejected:,} refused{in_words(pace.of_import(job, timezone.now()))}"
    )
