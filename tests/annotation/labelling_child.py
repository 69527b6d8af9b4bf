"""Labels without end and says so after each label: a process for tests to kill.

`python -m tests.annotation.labelling_child PROJECT_SLUG USERNAME`
"""

from __future__ import annotations

import sys
from uuid import uuid4

import django


def main(slug: str, username: str) -> None:
    django.setup()
    from django.utils import timezone

    from annotation.models import Project, User
    from annotation.services import assignments, labels

    project, person = Project.objects.get(slug=slug), User.objects.get(username=username)
    while held := assignments.next_for(project=project, by=person, at=timezone.now()):
        label = labels.submit(
            assignment_id=held.pk, verdict="first", by=person, at=timezone.now(), key=uuid4()
        )
        sys.stdout.write(f"{label.pk}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
