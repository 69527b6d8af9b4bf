"""Files from the server: they appear under their name when they are whole, and not before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2

from pop_client.errors import ApiError, Unreachable

Told = Callable[[int], None]
Verified = Callable[[Path, Mapping[str, str]], None]


def fetch(
    http: httpx2.Client,
    url: str,
    asked: Mapping[str, str],
    target: Path,
    *,
    told: Told = lambda size: None,
    verified: Verified = lambda partial, headers: None,
) -> int:
    """Stream an answer into `target`; its bytes. `told` hears of every chunk, `verified` may still refuse.

    An answer that breaks off leaves nothing behind, and an older file under the same name stays.
    """
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out, http.stream("GET", url, params=dict(asked)) as answer:
            if answer.is_error:
                answer.read()
            check(answer)
            for chunk in answer.iter_bytes():
                out.write(chunk)
                told(len(chunk))
            size = out.tell()
        verified(Path(partial), answer.headers)
        Path(partial).chmod(0o666 & ~_umask())
        Path(partial).replace(target)
    except httpx2.TransportError as error:
        raise Unreachable(f"The download broke off: {error}") from error
    finally:
        Path(partial).unlink(missing_ok=True)
    return size


def check(answer: httpx2.Response) -> None:
    """Raises ApiError for whatever is no success."""
    if answer.is_success:
        return
    try:
        body = answer.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    detail = body.get("detail") or answer.reason_phrase
    raise ApiError(answer.status_code, body.get("code", ""), detail, body.get("fields") or {})


def _umask() -> int:
    """`mkstemp` makes files for their owner alone; a download is like any other new file."""
    now = os.umask(0o077)
    os.umask(now)
    return now
