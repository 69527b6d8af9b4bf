"""Which outside services the tests may use: PostgreSQL, Redis, Chromium.

Loaded as a pytest plugin by the root `conftest.py`. A test marked `postgres`, `redis` or `browser` is skipped
with the reason when its service is missing; with REQUIRE_SERVICES=1 the session ends before its first test.
"""

from __future__ import annotations

import os
import shutil
from functools import cache

import psycopg
import pytest
import redis

POSTGRES_URL = os.environ.get("DATABASE_URL_TEST", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("REDIS_URL_TEST", "redis://127.0.0.1:6379/0")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
REQUIRED = os.environ.get("REQUIRE_SERVICES", "") not in {"", "0"}


def _postgres() -> str:
    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=3).close()
    except psycopg.Error as error:
        return f"no PostgreSQL at DATABASE_URL_TEST ({str(error).splitlines()[0]})"
    return ""


def _redis() -> str:
    try:
        with redis.Redis.from_url(REDIS_URL, socket_connect_timeout=3) as client:
            client.ping()
    except redis.RedisError as error:
        return f"no Redis at REDIS_URL_TEST ({error})"
    return ""


def _chromium() -> str:
    return "" if shutil.which(CHROMIUM) else f"no Chromium at {CHROMIUM}; set CHROMIUM to its path"


@cache
def missing() -> dict[str, str]:
    """Marker name → why its service cannot be used. Services that answer are not in it."""
    found = {"postgres": _postgres(), "redis": _redis(), "browser": _chromium()}
    return {marker: reason for marker, reason in found.items() if reason}


def on_postgres() -> bool:
    """Whether this session's own database is PostgreSQL."""
    return os.environ.get("DATABASE_URL", "").startswith("postgres")


def _reason(item: pytest.Item) -> str:
    marks = {mark.name for mark in item.iter_markers()}
    for marker in sorted(marks & missing().keys()):
        return missing()[marker]
    if "postgres" in marks and not on_postgres():
        return "runs when DATABASE_URL names a PostgreSQL database, as `make test` does"
    return ""


def _costly(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("browser", "slow"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run, saying why; start the costly files first so that no worker idles at the end."""
    for item in items:
        reason = _reason(item)
        if not reason:
            continue
        if REQUIRED and any(item.get_closest_marker(name) for name in missing()):
            raise pytest.UsageError(f"REQUIRE_SERVICES is set, and there is {reason}")
        item.add_marker(pytest.mark.skip(reason=reason))
    costly_files = {item.path for item in items if _costly(item)}
    items.sort(key=lambda item: item.path not in costly_files)
