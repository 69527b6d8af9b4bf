"""The demo project. `load` makes it, `accounts` tells who may sign in with which password."""

from __future__ import annotations

from annotation.demo.loader import load
from annotation.demo.people import Account, accounts

__all__ = ["Account", "accounts", "load"]
