"""/healthz: this process answers. /readyz: what it needs answers too; 503 names what does not."""

from __future__ import annotations

import concurrent.futures
import os
import time
from collections.abc import Callable
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.selectors.workers import worker_status

SECONDS = 3.0  # for each check; they run side by side


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """The process lives. Asks nothing of anything else."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Database, broker and storage, each within a few seconds; live workers as information."""
    checks = _all_checks()
    failed = [name for name, answer in checks.items() if answer != "ok" and name != "workers"]
    body = {"status": "unavailable" if failed else "ok", "failed": failed, **checks}
    return JsonResponse(body, status=503 if failed else 200)


def _all_checks() -> dict[str, Any]:
    checks: dict[str, Callable[[], Any]] = {
        "database": _database,
        "broker": _broker,
        "storage": _storage,
        "workers": _workers,
    }
    pool = concurrent.futures.ThreadPoolExecutor(len(checks), "readyz")
    until = time.monotonic() + SECONDS
    futures = {name: pool.submit(check) for name, check in checks.items()}
    answers = {name: _answer(future, until - time.monotonic()) for name, future in futures.items()}
    pool.shutdown(wait=False, cancel_futures=True)
    return answers


def _answer(future: concurrent.futures.Future[Any], seconds: float) -> Any:
    try:
        return future.result(max(seconds, 0.0))
    except concurrent.futures.TimeoutError:
        return f"no answer within {SECONDS:.0f} seconds"
    except Exception as error:  # noqa: BLE001 - whatever fails, its kind is the answer
        # Not the message: it may hold a host, a path or a password.
        return f"failed: {type(error).__name__}"


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1 from annotation_project limit 1")
        return "ok"
    finally:
        connection.close()


def _broker() -> str:
    with current_app.connection_for_write(connect_timeout=SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=int(SECONDS))
        channel: Any = broker.default_channel
        channel._size(settings.CELERY_TASK_DEFAULT_QUEUE)
    return "ok"


def _storage() -> str:
    if isinstance(default_storage, FileSystemStorage) and not os.access(default_storage.location, os.W_OK):
        return "the folder is missing or not writable"
    default_storage.exists("readyz")
    return "ok"


def _workers() -> Any:
    try:
        return worker_status(timezone.now()).workers
    finally:
        connection.close()
