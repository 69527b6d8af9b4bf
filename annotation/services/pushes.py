"""Pushes of frozen datasets to the Hugging Face Hub: asked for by a manager, done by whoever claims the row.

The person's token is sealed in the row while the push waits and runs, and gone from it when the push ends.
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from annotation import rules
from annotation.errors import Conflict, DomainError, Invalid
from annotation.exports import Source, hub_folder
from annotation.models import DatasetPush, PopDataset, User
from annotation.selectors import datasets as datasets_seen
from annotation.services import audit, doorbell, sealing

TASK = "annotation.tasks.run_push"
PURPOSE = "hub.token"
STALE = timedelta(minutes=2)  # without a heartbeat for so long, another worker may take over
BEAT_SECONDS = 20.0
RING_AFTER = timedelta(seconds=20)
REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
TOKEN = re.compile(r"[\x21-\x7e]{8,500}")
State = DatasetPush.State
logger = logging.getLogger(__name__)


@transaction.atomic
def start(
    *, dataset: PopDataset, repo_id: str, token: str, by: User, at: datetime, private: bool = True
) -> DatasetPush:
    """Queue a push to `owner/name`, made there when it does not exist.

    Raises:
        Invalid: no such id, or nothing that could be a token.
        Conflict: the dataset is not frozen, or a push of it is under way.
    """
    rules.check_manage(by, dataset.project)
    errors: dict[str, list[str]] = {}
    if not REPO_ID.fullmatch(repo_id):
        errors["repo_id"] = ["An id looks like owner/name."]
    if not TOKEN.fullmatch(token):
        errors["token"] = ["A token of the Hub that may write, such as hf_…."]
    if errors:
        raise Invalid("invalid_push", "This cannot be pushed.", errors)
    locked = PopDataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    if locked.state != PopDataset.State.FROZEN:
        raise Conflict("not_frozen", "This dataset is not frozen.")
    if locked.pushes.filter(state__in=[State.QUEUED, State.RUNNING]).exists():
        raise Conflict("push_under_way", "A push of this dataset is under way: wait for its end.")
    made = DatasetPush.objects.create(
        dataset=dataset,
        repo_id=repo_id,
        private=private,
        sealed_token=sealing.seal(token, purpose=PURPOSE),
        created_by=by,
        created_at=at,
    )
    told = {"repo": repo_id, "private": private}
    audit.record(
        by=by, at=at, verb="dataset.push_asked", project=dataset.project, target=dataset, details=told
    )
    doorbell.ring_on_commit(TASK, made.pk)
    return made


def run(push_id: int) -> None:
    """Claim the row by one conditional UPDATE, then push. Every way out leaves the row in a true state."""
    now = timezone.now()
    one = DatasetPush.objects.filter(pk=push_id)
    if not one.filter(Q(state=State.QUEUED) | _stale(now)).update(state=State.RUNNING, heartbeat_at=now):
        return
    push = one.select_related("dataset", "dataset__project").get()
    token = ""
    try:
        token = sealing.unseal(push.sealed_token, purpose=PURPOSE)
        with _folder(push) as folder, _beating(push):
            source = Source(lambda name: datasets_seen.open_file(push.dataset, name))
            hub_folder.write(source, folder, repo_id=push.repo_id)
            url = _upload(push, folder, token)
    except DomainError as error:
        _end(push, state=State.FAILED, error=error.message)
    except DatabaseError:
        raise  # the row stays as it is; once its heartbeat is stale, it is taken up again
    except Exception as error:  # noqa: BLE001 - the library's own words reach the person, without the token
        logger.warning("push %s failed: %s", push_id, type(error).__name__)
        _end(push, state=State.FAILED, error=_in_words(push, error, token))
    else:
        _end(push, state=State.DONE, url=url)


def ring_waiting(at: datetime) -> int:
    """Ring for pushes that nobody took up: queued for a while, or left behind by a dead worker."""
    waiting = Q(state=State.QUEUED, created_at__lt=at - RING_AFTER) | _stale(at)
    ids = list(DatasetPush.objects.filter(waiting).order_by("id").values_list("pk", flat=True)[:100])
    return doorbell.ring_all(TASK, ids)


def _upload(push: DatasetPush, folder: Path, token: str) -> str:
    from huggingface_hub import HfApi

    hub = HfApi(token=token)
    made = hub.create_repo(push.repo_id, repo_type="dataset", private=push.private, exist_ok=True)
    said = f"{push.dataset.project.slug} {push.dataset.number}, SHA-256 {push.dataset.sha256}"
    hub.upload_folder(repo_id=push.repo_id, repo_type="dataset", folder_path=folder, commit_message=said)
    return str(made)


@contextmanager
def _folder(push: DatasetPush) -> Iterator[Path]:
    """A scratch folder; what a killed attempt left behind is removed first."""
    place, prefix = Path(settings.FILE_UPLOAD_TEMP_DIR), f"push-{push.pk}-"
    for leftover in place.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _beating(push: DatasetPush) -> Iterator[None]:
    """Says that this worker lives while the library uploads, which may take hours."""
    over = Event()

    def beat() -> None:
        try:
            while not over.wait(BEAT_SECONDS):
                running = DatasetPush.objects.filter(pk=push.pk, state=State.RUNNING)
                running.update(heartbeat_at=timezone.now())
        finally:
            connection.close()

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _end(push: DatasetPush, **fields: str) -> None:
    running = DatasetPush.objects.filter(pk=push.pk, state=State.RUNNING)
    running.update(**fields, sealed_token="", finished_at=timezone.now())


def _stale(at: datetime) -> Q:
    return Q(state=State.RUNNING, heartbeat_at__lt=at - STALE)


def _in_words(push: DatasetPush, error: Exception, token: str) -> str:
    name = type(error).__name__
    if "OfflineModeIsEnabled" in f"{name} {error}" or "offline mode is enabled" in str(error):
        return f"{push.repo_id} was not pushed: this server is set to work offline (HF_HUB_OFFLINE)."
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in {401, 403}:
        return f"The Hub does not let this token write to {push.repo_id}."
    words = (str(error).strip() or name).splitlines()[0][:300]
    words = words.replace(token, "…") if token else words
    return f"{push.repo_id} was not pushed: {words}"
