"""Static files: content-hashed names, in our ES modules too, and plain names before they are collected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command

from frontend.staticfiles import HashedStatic

IMPORT = re.compile(r'from "(\.{1,2}/[^"]+)"')


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything collected once, by the command a deployment runs."""
    from django.test import override_settings

    root = tmp_path_factory.mktemp("static")
    storages: dict[str, Any] = {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "staticfiles": {"BACKEND": "frontend.staticfiles.HashedStatic"},
    }
    with override_settings(STATIC_ROOT=root, STORAGES=storages):
        call_command("collectstatic", interactive=False, verbosity=0)
    return root


def test_modules_import_each_other_by_hashed_names(collected: Path) -> None:
    modules = [path for path in (collected / "frontend/js").rglob("*.js") if path.name.count(".") == 2]
    imports = {
        (path.parent / name).resolve() for path in modules for name in IMPORT.findall(path.read_text())
    }
    assert len(imports) >= 8
    for target in imports:
        assert target.exists(), target
        assert target.name.count(".") == 2, f"{target.name} has no hash in its name"


def test_plotly_comes_from_its_package(collected: Path) -> None:
    assert (collected / "plotly/plotly.min.js").stat().st_size > 1_000_000
    assert finders.find("plotly/plotly.min.js")


def test_before_collecting_a_file_has_its_plain_name(tmp_path: Path) -> None:
    storage = HashedStatic(location=tmp_path, base_url="/static/")
    assert storage.url("frontend/css/base.css") == "/static/frontend/css/base.css"
