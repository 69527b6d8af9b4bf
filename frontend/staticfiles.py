"""Static files: content-hashed names, and Plotly's script straight from its Python package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStatic(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed, compressed files; a name missing from the manifest falls back to itself.

    Our own ES modules import each other by relative names: those are rewritten to the hashed names too, so
    that a browser never mixes modules of two versions. Scripts from packages are left as they are.
    """

    manifest_strict = False
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("frontend/js/*.js", ((r"""(?P<matched>from\s+["'](?P<url>\.{1,2}/.*?)["'])""", 'from "%(url)s"'),)),
    )

    def stored_name(self, name: str) -> str:
        try:
            return str(super().stored_name(name))
        except ValueError:  # not collected yet: a checkout, a test
            return name


class PlotlyFinder(BaseFinder):
    """Finds `plotly/plotly.min.js` in the installed package: no copy of it lives in this tree."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        folder = Path(plotly.__file__).parent / "package_data"
        self.storage = FileSystemStorage(location=str(folder))
        self.storage.prefix = "plotly"  # type: ignore[attr-defined]
        super().__init__(*args, **kwargs)

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        found = [self.storage.path("plotly.min.js")] if path == "plotly/plotly.min.js" else []
        return found if find_all else (found[0] if found else [])

    def list(self, ignore_patterns: Any) -> Any:
        yield "plotly.min.js", self.storage
