"""WSGI entry point: `gunicorn config.wsgi`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from django.db import connections

PREPARE_AFTER = 3  # runs of a statement on one connection


def prepare_statements() -> None:
    """Have PostgreSQL plan a statement once for a connection: planning was half of what a label cost it.

    The web process alone: an import begins with empty tables, and went on by the plan made for them.
    """
    options = connections.settings["default"]["OPTIONS"]
    if options.get("server_side_binding"):
        options["prepare_threshold"] = PREPARE_AFTER


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
prepare_statements()
