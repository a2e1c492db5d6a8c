"""What is personal is erased once it is old: addresses, agents, names and reasons of the log, and the raw events.

The log's leaf holds a digest of the details and an event's row that of its body, so no proof and no comparison of a
repeat breaks. What a matter is about stays until its end, and an event that waits keeps its body. What may go is said
by the database's own function (`documents_erase`), which records what it has taken: whoever calls it can erase nothing
early. See its migration.
"""

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from documents.models import Erased

BATCH = 500  # rows of one transaction: one event of the log says which


def erase(*, what: Erased, erases: bool = True, using: str = "default") -> Iterator[int]:
    """Erase what is due, oldest first; yield how many each transaction has erased. Safe to break off and repeat.

    :param erases: false to yield only how many are due
    """
    last: int | None = 0
    while last is not None:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute("SELECT erased, last FROM documents_erase(%s, %s, %s, %s)", [what, last, BATCH, erases])
            erased, last = cursor.fetchone()
        if erased:
            yield erased


def periods() -> Mapping[Erased, int]:
    """Return after how many days each is erased, as the settings say."""
    return {Erased.DETAILS: settings.AUDIT_DETAILS_DAYS, Erased.BODIES: settings.EVENT_BODIES_DAYS}


def set_periods(*, cursor: CursorWrapper) -> None:
    """Write the periods where the function reads them, over the owner's connection: nobody else may."""
    for what, days in periods().items():
        cursor.execute(
            "INSERT INTO documents_erasureperiod (what, days) VALUES (%s, %s)"
            " ON CONFLICT (what) DO UPDATE SET days = excluded.days",
            [what, days],
        )
