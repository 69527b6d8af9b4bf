"""Play annotators from the secret scores, to see the whole loop in two minutes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from annotation.errors import DomainError
from annotation.models import Project, User
from annotation.selectors import progress, queue
from annotation.services import simulation

STEP = 50  # labels between two progress lines


class Command(BaseCommand):
    help = "Simulated annotators label a project from its secret scores, through the same services as people."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="Slug or id of the project.")
        parser.add_argument("--annotators", type=int, default=8, help="How many: sim-1 … sim-N.")
        parser.add_argument("--labels", type=int, default=400, help="Labels to give at most.")
        parser.add_argument(
            "--min-gap", type=float, default=1.0, help="A smaller difference of margins is too close."
        )
        parser.add_argument("--noise", type=float, default=0.1, help="Share of decisive answers flipped.")
        parser.add_argument("--seed", type=int, default=0, help="Same seed, same noise.")

    def handle(self, *args: Any, **options: Any) -> None:
        self._check(options)
        project = _project(options["project"])
        try:
            simulation.check_scored(project)
            given = self._play(project, options)
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(self.style.SUCCESS(f"{given} labels given to {project.slug}."))

    def _check(self, options: dict[str, Any]) -> None:
        if options["annotators"] < 1 or options["labels"] < 1:
            raise CommandError("--annotators and --labels are at least 1.")
        if not 0 <= options["noise"] <= 1:
            raise CommandError("--noise is a share between 0 and 1.")
        if options["min_gap"] < 0:
            raise CommandError("--min-gap is not negative.")

    def _play(self, project: Project, options: dict[str, Any]) -> int:
        people = simulation.people(project, options["annotators"], timezone.now())
        played = simulation.play(
            project=project,
            by=people,
            most=options["labels"],
            character=simulation.Character(options["min_gap"], options["noise"]),
            seed=options["seed"],
            clock=timezone.now,
        )
        given = 0
        for given, _ in enumerate(played, start=1):
            if given % STEP == 0:
                self._say(project, people[0], given, options["labels"])
        if given < options["labels"]:
            why = queue.why_empty(people[0], project, timezone.now())
            self.stdout.write(f"Stopped after {given} of {options['labels']} labels: {why.message}")
        return given

    def _say(self, project: Project, person: User, given: int, most: int) -> None:
        known = progress.of_project(person, project, timezone.now())
        self.stdout.write(
            f"{given}/{most} labels · {known.decided} comparisons decided, {known.undecided} undecided, "
            f"{known.comparisons_open} open"
        )


def _project(slug_or_id: str) -> Project:
    found = Project.objects.filter(slug=slug_or_id).first()
    if found is None and slug_or_id.isdigit():
        found = Project.objects.filter(pk=int(slug_or_id)).first()
    if found is None:
        known = ", ".join(Project.objects.values_list("slug", flat=True)[:20]) or "none"
        raise CommandError(f"There is no project {slug_or_id!r}. Projects: {known}.")
    return found
