"""Sessions in the database under the hash of their key: who reads a table or a backup cannot go on in one."""

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

COLUMN_LENGTH = 40  # of Django's table: 160 bits of the hash


def hashed(key: str) -> str:
    """Return what stands in the table for the key in a cookie."""
    return hashlib.sha256(key.encode()).hexdigest()[:COLUMN_LENGTH]


class SessionStore(db.SessionStore):
    """Django's sessions in the database; the name is the one that `SESSION_ENGINE` asks for."""

    def load(self) -> dict[str, Any]:
        """Return what a session holds; one that there is not, or no longer, begins anew under another key."""
        rows = self.model.objects.filter(session_key=hashed(self.session_key or ""), expire_date__gt=timezone.now())
        row = rows.first()
        if row is None:
            self._session_key = None
            return {}
        held: dict[str, Any] = self.decode(row.session_data)
        return held

    def exists(self, session_key: str) -> bool:
        """Tell whether there is a session of this key."""
        return bool(super().exists(hashed(session_key)))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Return the row that keeps the session."""
        row: AbstractBaseSession = super().create_model_instance(data)
        row.session_key = hashed(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """End the session of a key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(hashed(key))
