"""What views share: a request whose user is signed in, and the present moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.utils import timezone

if TYPE_CHECKING:
    from annotation.models import User


class SignedInRequest(HttpRequest):
    """For annotations only: behind `login_required` the user is a `User`."""

    user: User


def now() -> datetime:
    return timezone.now()
