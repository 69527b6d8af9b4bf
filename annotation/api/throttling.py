"""How often one person may do what would let them guess or flood. Counted in each web process."""

from __future__ import annotations

from rest_framework.throttling import UserRateThrottle


class TokenThrottle(UserRateThrottle):
    """Making tokens."""

    scope = "tokens"
    rate = "30/hour"


class AcceptThrottle(UserRateThrottle):
    """Trying invite secrets."""

    scope = "invites"
    rate = "30/min"
