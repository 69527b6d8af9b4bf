"""Signing secrets: made, sealed at rest, and used.

They cannot be kept as hashes, as tokens are: every delivery is signed anew. A new SECRET_KEY makes them
unreadable; rotating the webhook's secret mends it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from annotation.errors import Conflict
from annotation.services import sealing

PREFIX = "whsec_"
PURPOSE = "webhook.secret"
BYTES = 32  # Standard Webhooks asks for 24 to 64


def new() -> str:
    """A fresh secret as its receiver needs it: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def encrypted(secret: str) -> str:
    return sealing.seal(secret, purpose=PURPOSE)


def decrypted(stored: str) -> str:
    """The secret again.

    Raises:
        Conflict: the server's key is another one than when it was stored.
    """
    try:
        return sealing.unseal(stored, purpose=PURPOSE)
    except Conflict as error:
        raise Conflict(error.code, f"{error.message} Rotate this webhook's secret.") from error


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` (Standard Webhooks, symmetric)."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
