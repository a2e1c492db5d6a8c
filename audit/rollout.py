"""What `provision` has done, signed: so that a process tells the guards of another version from a manipulation.

While one version follows another, processes of both look at the same guards. The newest row says for which declaration
of guards the database was provisioned last. Its signature takes `AUDIT_KEY`, which the database never sees: whoever
holds PostgreSQL alone, even as the owner of the tables, cannot write such a row.
"""

import datetime as dt
import enum
import hashlib
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from django.utils.crypto import constant_time_compare, salted_hmac

BEGAN, ENDED, FAILED = "began", "ended", "failed"
PURPOSE = "audit.provisioning"
# A provisioning that says nothing for so long was killed: the guards are looked at again as ever.
LIMIT = dt.timedelta(minutes=15)
_MARKS = """
SELECT coalesce(encode(sha256(convert_to(string_agg(concat(name, ' ', mark), ',' ORDER BY name COLLATE "C"), 'UTF8')),
                       'hex'), '') FROM audit_guardmark
"""


class Basis(enum.Enum):
    """How the guards of the database stand to those that this process declares."""

    OWN = enum.auto()  # to be as declared here
    LATER = enum.auto()  # another version was provisioned after this one: they are to be as that left them


class ProvisioningUnderWayError(DatabaseError):
    """The guards are being made: what they are just now says nothing."""


def note(*, cursor: CursorWrapper, stage: str, declared: str) -> None:
    """Write that a provisioning began, ended or failed, as the owner; before the table exists, nothing."""
    cursor.execute("SELECT to_regclass('audit_provisioning'), clock_timestamp()")
    table, now = cursor.fetchone()
    if table is None:
        return
    row = (now, stage, declared, marks(cursor=cursor) if stage == ENDED else "")
    cursor.execute(
        "INSERT INTO audit_provisioning (at, stage, declared, marks, signature) VALUES (%s, %s, %s, %s, %s)",
        [*row, _signature(row=row, secret=settings.AUDIT_KEY)],
    )


def marks(*, cursor: CursorWrapper) -> str:
    """Return the digest of all that `audit.inspection.remember` has noted."""
    cursor.execute(_MARKS)
    digest: str = cursor.fetchone()[0]
    return digest


def basis(*, cursor: CursorWrapper, declared: str) -> tuple[Basis, str]:
    """Return how the guards stand to a declaration, and the digest of what was noted when they were made last.

    A declaration that has never been provisioned is newer than the database, or nobody's: then the guards are to be as
    declared, and what differs is a weakness. A row without a signature of ours counts for nothing.

    :raises ProvisioningUnderWayError: they are being made
    """
    cursor.execute("SELECT at, stage, declared, marks, signature FROM audit_provisioning ORDER BY at")
    rows = [row for *row, signature in cursor.fetchall() if _signed(row=row, signature=signature)]
    cursor.execute("SELECT clock_timestamp()")
    if rows and rows[-1][1] == BEGAN and cursor.fetchone()[0] - rows[-1][0] < LIMIT:
        raise ProvisioningUnderWayError("the database is being provisioned")
    ended = [row for row in rows if row[1] == ENDED]
    if ended and ended[-1][2] != declared and any(row[2] == declared for row in ended):
        return Basis.LATER, ended[-1][3]
    return Basis.OWN, ended[-1][3] if ended else ""


def _signed(*, row: Sequence[Any], signature: str) -> bool:
    secrets = (secret for secret in (settings.AUDIT_KEY, settings.AUDIT_KEY_FORMER) if secret)
    return any(constant_time_compare(_signature(row=row, secret=secret), signature) for secret in secrets)


def _signature(*, row: Sequence[Any], secret: str) -> str:
    moment, *texts = row
    signed = "\n".join([moment.astimezone(dt.UTC).isoformat(), *map(str, texts)])
    return salted_hmac(
        PURPOSE, hashlib.sha256(signed.encode()).hexdigest(), secret=secret, algorithm="sha256"
    ).hexdigest()
