"""`python -m config.probe`: exit 0 when this machine's web process is ready. For container health checks."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

from config import env

SECONDS = 8.0


def host_header(allowed: list[str]) -> str:
    """A host name the server answers to: `.example.org` stands for its subdomains, `*` for any."""
    first = allowed[0].lstrip(".") if allowed else "localhost"
    return "localhost" if first in {"", "*"} else first


def ready(port: int) -> bool:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/readyz", headers={"Host": host_header(env.words("POP_ALLOWED_HOSTS", []))}
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(0 if ready(env.whole("POP_PORT", 8000)) else 1)
