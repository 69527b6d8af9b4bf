"""Settings that the trainer reads by itself; `X_FILE` names a file that holds X. No torch here."""

from __future__ import annotations

import os
from pathlib import Path

from training.engine.errors import SpecError


def text(name: str, default: str = "") -> str:
    """A setting, without the newline that a file of a secret ends with.

    Raises:
        SpecError: X_FILE names a file that cannot be read.
    """
    file = os.environ.get(f"{name}_FILE")
    if not file:
        return os.environ.get(name, default).strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):  # whose words might quote what is in it
        raise SpecError(f"{name}_FILE names {file}, which cannot be read as text.") from None
