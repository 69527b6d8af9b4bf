"""The demo's two accounts. Their passwords are made once and kept in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from annotation.models import User
from annotation.services import accounts as accounts_service

ADMIN, ANNOTATOR = "admin", "annotator"


class Account(NamedTuple):
    username: str
    password: str


def file() -> Path:
    return Path(settings.VAR_DIR) / "demo_accounts.json"


def accounts() -> list[Account]:
    """The demo accounts whose generated password still opens them, for whoever starts the program."""
    found = []
    for username, password in _kept().items():
        user = User.objects.filter(username=username, is_active=True).first()
        if user and user.check_password(password):
            found.append(Account(username, password))
    return found


def ensure() -> tuple[User, User]:
    """Admin and annotator. The file comes first: a crash leaves no account whose password nobody knows."""
    kept = _kept()
    missing = [name for name in (ADMIN, ANNOTATOR) if not User.objects.filter(username=name).exists()]
    new = {name: kept.get(name) or secrets.token_urlsafe(12) for name in missing}
    if new.items() - kept.items():
        _keep({**kept, **new})
    passwords = {**dict.fromkeys((ADMIN, ANNOTATOR), ""), **new}
    admin = accounts_service.ensure(ADMIN, passwords[ADMIN], can_create_projects=True)
    return admin, accounts_service.ensure(ANNOTATOR, passwords[ANNOTATOR])


def _kept() -> dict[str, str]:
    try:
        kept = json.loads(file().read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(password) for name, password in kept.items()} if isinstance(kept, dict) else {}


def _keep(passwords: dict[str, str]) -> None:
    target = file()
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(passwords, out, indent=2)
    fresh.replace(target)
