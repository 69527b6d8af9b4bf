"""What managers see of runs, and that nobody else sees anything."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import override_settings

from tests.cast import NOW, Cast
from tests.training.conftest import Launch
from training import artifacts
from training.errors import NotAllowed, NotFound
from training.models import Run, RunEvent
from training.selectors import runs

pytestmark = [pytest.mark.either, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path) -> Iterator[None]:
    files = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "files"},
    }
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(RUNS_DIR=tmp_path / "runs", STORAGES={"default": files, "staticfiles": static}):
        yield


def write(run: Run, name: str, content: bytes) -> Path:
    path = artifacts.folder(run.pk) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def metrics(run: Run, *steps: tuple[int, Mapping[str, object]]) -> None:
    taken = RunEvent.objects.filter(run=run).count()
    RunEvent.objects.bulk_create(
        RunEvent(run=run, seq=(taken + place) * 100, kind="metrics", step=step, at=NOW, data=dict(data))
        for place, (step, data) in enumerate(steps)
    )


def test_managers_see_the_projects_runs_newest_first(cast: Cast, launch: Launch) -> None:
    first, second = launch(), launch()
    assert list(runs.of_project(cast.admin, cast.project)) == [second, first]
    assert list(runs.visible_to(cast.owner)) == [second, first]
    assert runs.get(cast.owner, first.pk) == first


def test_annotators_and_outsiders_see_none(cast: Cast, launch: Launch) -> None:
    run = launch()
    assert not runs.visible_to(cast.ann_one).exists()
    assert not runs.visible_to(cast.outsider).exists()
    with pytest.raises(NotAllowed):
        runs.of_project(cast.ann_one, cast.project)
    with pytest.raises(NotFound):
        runs.of_project(cast.outsider, cast.project)
    for read in (
        runs.events,
        runs.curves,
        runs.log_tail,
        runs.evaluations,
        runs.model_archive,
        runs.model_files,
    ):
        with pytest.raises(NotAllowed):
            read(cast.ann_one, run)
        with pytest.raises(NotFound):
            read(cast.outsider, run)


def test_a_foreign_run_and_no_run_are_refused_in_the_same_words(cast: Cast, launch: Launch) -> None:
    run = launch()
    with pytest.raises(NotFound) as foreign:
        runs.get(cast.outsider, run.pk)
    with pytest.raises(NotFound) as missing:
        runs.get(cast.outsider, run.pk + 1)
    assert (foreign.value.code, foreign.value.message) == (missing.value.code, missing.value.message)


def test_superusers_see_every_run(cast: Cast, launch: Launch) -> None:
    run = launch()
    cast.outsider.is_superuser = True
    assert list(runs.visible_to(cast.outsider)) == [run]


def test_events_after_one_already_read(cast: Cast, launch: Launch) -> None:
    run = launch()
    metrics(run, (1, {}), (2, {}), (3, {}))
    assert [event.seq for event in runs.events(cast.owner, run)] == [0, 100, 200]
    assert [event.seq for event in runs.events(cast.owner, run, after_seq=100)] == [200]
    assert not runs.events(cast.owner, run, kinds=["failed"]).exists()


def test_curves_take_the_later_value_of_a_step_done_twice(cast: Cast, launch: Launch) -> None:
    run = launch()
    metrics(
        run,
        (1, {"loss": 0.9}),
        (2, {"loss": 0.8}),
        (2, {"loss": 0.7, "note": "x", "flag": True}),
        (3, {"loss": None}),
    )
    assert runs.curves(cast.owner, run) == {"loss": [[1, 0.9], [2, 0.7]]}


def test_long_curves_are_thinned_and_keep_their_end(cast: Cast, launch: Launch) -> None:
    run = launch()
    metrics(run, *((step, {"loss": float(step)}) for step in range(2501)))
    curve = runs.curves(cast.owner, run)["loss"]
    assert len(curve) <= runs.MAX_POINTS + 1
    assert (curve[0], curve[-1]) == ([0, 0.0], [2500, 2500.0])


def test_the_log_tail_shows_whole_lines_and_the_end_of_progress_bars(cast: Cast, launch: Launch) -> None:
    run = launch()
    assert runs.log_tail(cast.owner, run) == ""
    write(run, "log.txt", b"one\n10%\r50%\r100%\ntwo\nthree\xff\n")
    assert runs.log_tail(cast.owner, run, lines=3) == "100%\ntwo\nthree\ufffd"


def test_a_long_log_is_not_read_whole(cast: Cast, launch: Launch) -> None:
    run = launch()
    write(run, "log.txt", b"x" * 100 + b"\n" + b"line\n" * 200_000)
    assert runs.log_tail(cast.owner, run, lines=2) == "line\nline"


def test_a_run_without_a_model_has_nothing_to_download(cast: Cast, launch: Launch) -> None:
    run = launch()
    write(run, "model/config.json", b"{}")  # half-made by an engine that still runs
    with pytest.raises(NotFound) as refusal:
        runs.model_archive(cast.owner, run)
    assert refusal.value.code == "no_model"


MODEL = {"config.json": b"{}", "model.safetensors": b"w" * 3_000_001, "sub/tokenizer.json": b"[]"}


@pytest.mark.parametrize("where", ["folder", "storage"])
def test_the_model_is_a_tar_of_the_announced_size(cast: Cast, launch: Launch, where: str) -> None:
    run = launch()
    for name, content in MODEL.items():
        write(run, f"model/{name}", content)
    if where == "storage":
        artifacts.publish(run.pk)
        artifacts.folder(run.pk).rename(artifacts.folder(run.pk).with_name("elsewhere"))
    Run.objects.update(has_model=True)
    run.refresh_from_db()
    archive = runs.model_archive(cast.owner, run)
    content = b"".join(archive)
    assert len(content) == archive.size
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        read = {member.name: tar.extractfile(member) for member in tar.getmembers()}
    top = archive.filename.removesuffix(".tar")
    assert {name: file.read() for name, file in read.items() if file} == {
        f"{top}/{name}": content for name, content in MODEL.items()
    }


def test_publishing_again_replaces_what_was_there(launch: Launch) -> None:
    run = launch()
    for words in (b"first\n", b"second\n"):
        path = artifacts.folder(run.pk) / "log.txt"
        path.unlink(missing_ok=True)
        write(run, "log.txt", words)
        artifacts.publish(run.pk)
    with default_storage.open(f"runs/{run.pk}/log.txt") as log:
        assert log.read() == b"second\n"


def test_removing_a_run_leaves_no_files_and_touches_no_other(launch: Launch) -> None:
    run, other = launch(), launch()
    for each in (run, other):
        write(each, "model/config.json", b"{}")
        write(each, "evaluation.json", b"{}")
        artifacts.publish(each.pk)
    artifacts.remove(run.pk)
    assert not artifacts.folder(run.pk).exists()
    assert not default_storage.exists(f"runs/{run.pk}/model/config.json")
    assert default_storage.exists(f"runs/{other.pk}/model/config.json")
    default_storage.save("unrelated", ContentFile(b""))
    artifacts.remove(run.pk)
