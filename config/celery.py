"""The Celery application, its broker in embedded mode, and what a worker does outside its tasks."""

from __future__ import annotations

import os

import kombu.transport
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# The embedded broker: kombu's folder of messages, with writes and reads that no half-written file can upset.
kombu.transport.TRANSPORT_ALIASES["filesystem"] = "config.folder_broker:Transport"

app = Celery("pop_studio")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["annotation", "training"])

import config.worker_life  # noqa: E402, F401 - connects to the worker's signals
