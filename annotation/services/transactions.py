"""Transactions that are run again when the database, not the domain, broke them off."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

from annotation.errors import Unavailable

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
TRIES = 5
# Serialization failure and deadlock detected (PostgreSQL, Appendix A).
PASSING = frozenset({"40001", "40P01"})


class Again(Exception):
    """What the deed had read was changed under it. Going on would hold locks out of order: start afresh.

    On PostgreSQL even a conditional UPDATE that changes nothing keeps the row it waited for locked.
    """


def exact(deed: Callable[P, R]) -> Callable[P, R]:
    """Run the deed in a transaction, afresh after `Again`, a deadlock or a serialization failure.

    The services lock in one order, membership → pools → comparison → assignment → anchors → tally (ADR 5), so
    that such failures only come from outside. Inside somebody else's transaction those cannot be tried again;
    `Again` can.

    Raises:
        Unavailable: it did not come to an end in `TRIES` tries.
    """

    @wraps(deed)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for number in range(1, TRIES + 1):
            try:
                with transaction.atomic():
                    return deed(*args, **kwargs)
            except Again:
                continue
            except OperationalError as error:
                if connection.in_atomic_block or not _is_passing(error):
                    raise
                logger.warning("%s is tried again: %s", deed.__name__, error)
                # Let the survivor have its lock first, or the two meet again.
                time.sleep(random.uniform(0.01, 0.05) * number)  # noqa: S311 - only to part them
        raise Unavailable("busy", "Too many people are at this at once. Please try again.")

    return run


def _is_passing(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in PASSING
