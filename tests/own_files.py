"""A folder for each test worker: two workers have the same ids in their databases, so the same file names.

`make test` names this module in PYTEST_PLUGINS: it must run before anything reads the settings.
"""

from __future__ import annotations

import os

_worker = os.environ.get("PYTEST_XDIST_WORKER")
if _worker and "POP_VAR_DIR" in os.environ:
    os.environ["POP_VAR_DIR"] += f"/{_worker}"
