"""Typed readers for settings. Everything comes from the environment; `X_FILE` names a file that holds X."""

from __future__ import annotations

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
_env = environ.FileAwareEnv()


def read_dotenv(file: Path) -> None:
    """Load a file of settings, when there is one; real environment variables win."""
    if file.is_file():
        _env.read_env(str(file))


def text(name: str, default: str) -> str:
    """A setting as text, without the newline that a file of a secret ends with."""
    return str(_env.str(name, default=default)).strip()


def whole(name: str, default: int) -> int:
    """An integer setting.

    Raises:
        ImproperlyConfigured: the variable is set and is not a whole number.
    """
    try:
        return int(_env.int(name, default=default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number.") from error


def flag(name: str, default: bool) -> bool:
    return bool(_env.bool(name, default=default))


def words(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    return [str(item) for item in _env.list(name, default=default)]


def path(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def database(name: str, default: str) -> dict[str, object]:
    """A database URL (`postgres://…`, `sqlite:///…`) as Django's settings dictionary."""
    return dict(_env.db_url_config(text(name, default)))
