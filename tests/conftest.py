"""Fixtures every test may ask for: the fixed cast, and a database that threads and children can open."""

from __future__ import annotations

import gc
import os
from datetime import datetime
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import cast as casting

if TYPE_CHECKING:
    from annotation.models import Project, User
    from tests.cast import Cast

os.environ.setdefault("HF_HUB_OFFLINE", "1")
hypothesis.settings.register_profile("patient", deadline=None, max_examples=50)  # a slow machine is no fault
hypothesis.settings.load_profile("patient")
CONNECTIONS = 40  # the concurrency tests hold 16 at once


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports() -> None:
    """What was imported is no garbage: every run of the engine collects, and would look through all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """SQLite tests use a real file (threads and child processes open it too); PostgreSQL gets room for 16."""
    from django.db import connections

    settings = connections["default"].settings_dict
    if "sqlite" in str(settings["ENGINE"]):
        settings["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    else:
        settings["OPTIONS"]["pool"] = {"min_size": 0, "max_size": CONNECTIONS}


@pytest.fixture
def at() -> datetime:
    return casting.NOW


@pytest.fixture
def cast(db: None) -> Cast:
    return casting.make_cast()


@pytest.fixture
def project(cast: Cast) -> Project:
    return cast.project


@pytest.fixture
def owner(cast: Cast) -> User:
    return cast.owner


@pytest.fixture
def admin(cast: Cast) -> User:
    return cast.admin


@pytest.fixture
def ann_one(cast: Cast) -> User:
    return cast.ann_one


@pytest.fixture
def ann_two(cast: Cast) -> User:
    return cast.ann_two


@pytest.fixture
def outsider(cast: Cast) -> User:
    return cast.outsider
