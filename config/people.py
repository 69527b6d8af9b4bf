"""Who is asking: the session and its person, read by statements of ours. Each request reads one of each."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.contrib.sessions.models import Session
from django.utils import timezone

from annotation import sql

_SESSION = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s"


class SessionStore(DatabaseSessions):
    """Django's sessions in the database, but for how one is looked up."""

    def _get_session_from_db(self) -> Session | None:
        now = sql.stored(Session, "expire_date", timezone.now())
        found = sql.first(_SESSION, [self.session_key, now])
        if found is None:
            self._session_key = None
            return None
        return Session(session_key=self.session_key or "", session_data=found[0])


class PeopleBackend(ModelBackend):
    """Django's accounts, but for how the person of a session is looked up."""

    _people: sql.Table[Any] | None = None

    def get_user(self, user_id: int) -> Any:
        people = self._table()
        found = sql.first(f"SELECT {people.columns()} FROM {people.name} WHERE id = %s", [user_id])  # noqa: S608
        user = people.made(found) if found else None
        return user if user is not None and self.user_can_authenticate(user) else None

    @classmethod
    def _table(cls) -> sql.Table[Any]:
        cls._people = cls._people or sql.Table(get_user_model())
        return cls._people
