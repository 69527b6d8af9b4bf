"""Answers counted into the agreement figures: exactly, by any number of folders, whenever one dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from itertools import count
from uuid import UUID

import pytest
from django.db import connection

from annotation import tasks
from annotation.errors import DomainError
from annotation.models import Comparison, Label, Project, User
from annotation.services import assignments, exclusion, folding, history, labels
from tests.annotation import agreed, invariants
from tests.annotation.crowd import TABS, Clock, Tab, together
from tests.annotation.disputes import disputed, settings, vote
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, join, make_user

pytestmark = pytest.mark.either


def waiting(project: Project) -> int:
    return Comparison.objects.filter(pool__project=project, needs_fold=True).count()


def people(cast: Cast, number: int) -> list[User]:
    made = [make_user(f"person-{index}") for index in range(number)]
    for person in made:
        join(cast.project, person)
    return made


@pytest.mark.django_db
def test_answers_are_counted_once(cast: Cast) -> None:
    comparison = disputed(cast)
    assert waiting(cast.project) == 1
    for _ in range(2):
        tasks.fold_answers()
        pair = (cast.ann_one.pk, cast.ann_two.pk)
        assert agreed.stored(cast.project) == ({(1, 1, 0): 1}, {pair: 1}, {})
        assert waiting(cast.project) == 0
    comparison.refresh_from_db()
    assert comparison.folded == [[cast.ann_one.pk, "low"], [cast.ann_two.pk, "high"]]


@pytest.mark.django_db
def test_a_missing_judgement_and_a_withdrawn_comparison_count_for_nothing(cast: Cast) -> None:
    project = settings(cast, 4)
    first = vote(project, cast.ann_one, "none")
    held = assignments.next_for(project=project, by=cast.ann_two, at=NOW)
    assert held
    answer(held, verdict="cannot_judge")
    folding.fold_waiting()
    assert agreed.stored(project) == ({(0, 0, 1): 1}, {}, {})
    low = Comparison.objects.get(pk=first.comparison_id).low
    exclusion.exclude(preference=low, by=cast.owner, at=NOW)
    folding.fold_waiting()
    assert agreed.stored(project) == ({}, {}, {})
    exclusion.include(preference=low, by=cast.owner, at=NOW)
    folding.fold_waiting()
    assert agreed.stored(project) == ({(0, 0, 1): 1}, {}, {})


class Deeds:
    """Somebody answers, changes or takes back an answer, or a folder comes by: at random."""

    def __init__(self, project: Project, crowd: list[User], seed: int) -> None:
        self.project, self.crowd = project, crowd
        self.draw = random.Random(seed)  # noqa: S311 - test data
        self.clock = Clock()
        self.numbers = count()

    def any(self) -> None:
        deed = self.draw.choices([self.give, self.change, self.take_back, self.fold], [10, 3, 3, 2])[0]
        try:
            deed()
        except DomainError as error:
            if error.status != 409:
                raise

    def give(self) -> None:
        held = assignments.next_for(project=self.project, by=self.draw.choice(self.crowd), at=self.clock())
        if held:
            answer(held, self.clock(), self.draw.choice(Label.Verdict.values))

    def change(self) -> None:
        if label := self._standing():
            verdict = self.draw.choice(Label.Verdict.values)
            key = UUID(int=next(self.numbers))
            history.edit(label_id=label.pk, verdict=verdict, by=label.annotator, at=self.clock(), key=key)

    def take_back(self) -> None:
        if label := self._standing():
            if self.draw.random() < 0.5:
                history.undo(label_id=label.pk, by=label.annotator, at=self.clock())
            else:
                labels.undo_last(project=self.project, by=label.annotator, at=self.clock())

    def fold(self) -> None:
        for pool in self.project.pools.order_by("pk"):
            folding.fold_batch(pool, size=self.draw.randint(1, 6))

    def _standing(self) -> Label | None:
        rows = list(Label.objects.filter(is_current=True).select_related("annotator").order_by("pk"))
        return self.draw.choice(rows) if rows else None


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_answers_changes_and_folds_is_a_recount(cast: Cast, seed: int) -> None:
    project = settings(cast, 8, labels_per_comparison=3)
    deeds = Deeds(project, people(cast, 4), seed)
    for _ in range(12):
        for _ in range(6):
            deeds.any()
        agreed.check(project)
    assert agreed.stored(project) != ({}, {}, {})
    folding.fold_waiting()
    assert waiting(project) == 0
    agreed.check(project)


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_folders_beside_annotators_lose_and_double_nothing(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    project = settings(cast, 24, labels_per_comparison=3)
    crowd = people(cast, TABS - 4)
    clock = Clock()

    def work(number: int) -> int:
        if number < len(crowd):
            draw = random.Random(number)  # noqa: S311 - test data
            return len(Tab(project, crowd[number], clock, draw).work(20))
        pools = list(project.pools.order_by("pk"))
        return sum(folding.fold_batch(pools[turn % 2], size=7).size for turn in range(60))

    done = together(work)
    assert sum(done[: len(crowd)]) > 60
    assert "tried again" not in caplog.text
    assert agreed.stored(project) == agreed.folded(project)
    folding.fold_waiting()
    assert waiting(project) == 0
    agreed.check(project)
    invariants.check(project)


KILLED = """
import sys, time, django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = {database!r}
from annotation.services import folding
write = folding._write
def slow(project, changes):
    write(project, changes)
    if len(done) == {batches}:
        print("in the middle", flush=True)
        time.sleep(60)
    done.append(1)
done = []
folding._write, folding.BATCH = slow, 3
folding.fold_waiting()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batches", [0, 2])
def test_a_folder_killed_in_the_middle_of_a_batch_loses_nothing(cast: Cast, batches: int) -> None:
    project = settings(cast, 8)
    label_everything(project, [cast.ann_one, cast.ann_two])
    before = waiting(project)
    assert before > 10
    code = KILLED.format(database=str(connection.settings_dict["NAME"]), batches=batches)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    assert child.stdout
    assert child.stdout.readline() == b"in the middle\n"
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert waiting(project) == before - 3 * batches
    agreed.check(project)
    folding.fold_waiting()
    assert waiting(project) == 0
    agreed.check(project)
