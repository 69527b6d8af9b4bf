"""Frozen datasets and their files. Managers only: the canonical files hold the scores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import QuerySet

from annotation import rules
from annotation.errors import Conflict, Invalid, NotFound, Unavailable
from annotation.exports import EXPORTS, Source, source
from annotation.exports.canonical import FILES
from annotation.models import DatasetPush, PopDataset, Project, User


def of_project(user: User, project: Project) -> QuerySet[PopDataset]:
    rules.check_manage(user, project)
    return PopDataset.objects.filter(project=project).select_related("created_by", "project")


def get(user: User, dataset_id: int) -> PopDataset:
    """One dataset.

    Raises:
        NotFound: there is none, or it is in a project this person is not a member of.
        NotAllowed: to annotators of its project.
    """
    found = PopDataset.objects.select_related("project", "created_by").filter(pk=dataset_id).first()
    if found is None or not rules.can_view(user, found.project):
        raise NotFound("no_dataset", "No such dataset.")
    rules.check_manage(user, found.project)
    return found


def pushes(user: User, dataset: PopDataset) -> QuerySet[DatasetPush]:
    """Newest first."""
    rules.check_manage(user, dataset.project)
    return DatasetPush.objects.filter(dataset=dataset).select_related("created_by").order_by("-id")


def push(user: User, dataset: PopDataset, push_id: int) -> DatasetPush:
    """Raises NotFound when the dataset has no such push."""
    found = pushes(user, dataset).filter(pk=push_id).first()
    if found is None:
        raise NotFound("no_push", "No such push.")
    return found


def open_file(dataset: PopDataset, name: str) -> BinaryIO:
    """One of the canonical files, seekable; the caller closes it.

    Raises:
        NotFound: no canonical file has this name.
        Conflict: the dataset is not frozen.
        Unavailable: storage does not have the file.
    """
    if name not in FILES:
        raise NotFound("no_file", f"A dataset has the files {', '.join(FILES)}.")
    _check_frozen(dataset)
    try:
        return cast("BinaryIO", default_storage.open(f"{dataset.folder}/{name}", "rb"))
    except OSError as error:
        raise Unavailable("file_missing", f"{name} of this dataset is not in storage.") from error


def stream(dataset: PopDataset, format: str) -> Iterator[bytes]:  # noqa: A002
    """A download in chunks. What can be refused is refused before the first chunk is asked for.

    Raises:
        Invalid: no such format.
        Conflict: the dataset is not frozen.
        Unavailable: storage does not have its files.
    """
    export = EXPORTS.get(format)
    if export is None:
        known = f"Choose one of: {', '.join(EXPORTS)}."
        raise Invalid("unknown_format", "There is no such format.", {"format": [known]})
    _check_frozen(dataset)
    for name in FILES:
        open_file(dataset, name).close()
    return export.stream(Source(lambda name: open_file(dataset, name), settings.FILE_UPLOAD_TEMP_DIR))


def first_rows(dataset: PopDataset, count: int) -> list[dict[str, Any]]:
    """The first rows with their texts.

    Raises:
        Conflict: the dataset is not frozen.
        Unavailable: storage does not have its files.
    """
    return source.first_rows(Source(lambda name: open_file(dataset, name)), count)


def preference(dataset: PopDataset, preference_id: str) -> dict[str, Any]:
    """One of its preferences, as it was frozen.

    Raises:
        NotFound: it is not in there.
        Conflict: the dataset is not frozen.
        Unavailable: storage does not have its files.
    """
    found = source.preference(Source(lambda name: open_file(dataset, name)), preference_id)
    if found is None:
        raise NotFound("no_preference", "This dataset has no such preference.")
    return found


def rows_of(dataset: PopDataset, preference_id: str, most: int) -> tuple[int, list[dict[str, Any]]]:
    """How many of its rows a preference stands in, and the first of them. Raises as `preference`."""
    return source.rows_of(Source(lambda name: open_file(dataset, name)), preference_id, most)


def materialise(dataset: PopDataset, folder: Path) -> Path:
    """Copy the canonical files into `folder`, for the engine. Each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        part = folder / f".{name}.part"
        with open_file(dataset, name) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        part.replace(folder / name)
    return folder


def engine_folder(dataset: PopDataset, scratch: Path) -> Path:
    """A folder with the canonical files: storage's own where it is a local disk, else a copy in `scratch`."""
    _check_frozen(dataset)
    try:
        local = Path(default_storage.path(dataset.folder))
    except NotImplementedError:
        return materialise(dataset, scratch)
    return local if all((local / name).is_file() for name in FILES) else materialise(dataset, scratch)


def _check_frozen(dataset: PopDataset) -> None:
    if dataset.state != PopDataset.State.FROZEN:
        raise Conflict("not_frozen", f"This dataset is {dataset.get_state_display().lower()}, not frozen.")
