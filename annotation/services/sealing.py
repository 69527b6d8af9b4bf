"""Secrets that are needed again, at rest: Fernet (AES-128-CBC and HMAC), its key made from SECRET_KEY."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from annotation.errors import Conflict


def seal(secret: str, *, purpose: str) -> str:
    """What is sealed for one purpose opens for no other."""
    return _box(purpose).encrypt(secret.encode()).decode()


def unseal(stored: str, *, purpose: str) -> str:
    """The secret again.

    Raises:
        Conflict: the server's key is another one than when it was sealed.
    """
    try:
        return _box(purpose).decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise Conflict("secret_unreadable", "The server's key has changed since.") from error


def _box(purpose: str) -> Fernet:
    key = hashlib.sha256(f"pop.{purpose}:".encode() + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
