"""Throttles count in the cache: every test starts with none used up."""

from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _nothing_throttled() -> None:
    cache.clear()
