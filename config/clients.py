"""Whose request it is, when proxies of our own stand in between."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str | None:
    """The address that the outermost of our `PROXY_COUNT` proxies was called from.

    Each proxy writes its caller at the end of X-Forwarded-For. What stands further left came with the
    request and may be anything, so it is never read.
    """
    named = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if 0 < settings.PROXY_COUNT <= len(named):
        try:
            return str(ip_address(named[-settings.PROXY_COUNT]))
        except ValueError:
            pass  # a proxy that writes something else: all its callers count as one
    return request.META.get("REMOTE_ADDR") or None
