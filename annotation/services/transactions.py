"""Transactions that are run again when the database, not the domain, broke them off."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 5
# Serialization failure and deadlock detected (PostgreSQL, Appendix A).
PASSING = frozenset({"40001", "40P01"})


def exact(deed: Callable[P, R]) -> Callable[P, R]:
    """Run the deed in a transaction, again from its start after a deadlock or a serialization failure.

    The services lock in one order, membership → pools by id → comparison → assignment, so that such failures
    only come from outside. Inside somebody else's transaction there is no second try.
    """

    @wraps(deed)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(TRIES - 1):
            try:
                with transaction.atomic():
                    return deed(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not _is_passing(error):
                    raise
        with transaction.atomic():
            return deed(*args, **kwargs)

    return run


def _is_passing(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in PASSING
