"""What the vault knows of legal holds: each version of a held document bears one, until no matter holds it any more.

The database says what is held; the store's own hold is one more lock. It is set again once a day, so that one that
somebody ended in the store does not stay ended.
"""

import datetime as dt
import logging
import time

from django.db.models import Q

from documents import errors
from documents.custody import legal_holds
from documents.models import Document
from documents.vault import store

logger = logging.getLogger(__name__)
AGAIN_AFTER = dt.timedelta(days=1)
EACH_MAX = 500  # documents of one round
_last: dict[str, float] = {}  # when this process did its last round (monotonic)


def tell(*, now: dt.datetime, every_s: float = 0.0) -> int:
    """End what is due, then set and end the store's own holds where they differ from the matters; return how many.

    It does nothing when called again before `every_s` have passed in this process. In an outage it stops: what is left
    is the next round's.
    """
    if time.monotonic() - _last.get("round", -every_s) < every_s:
        return 0
    _last["round"] = time.monotonic()
    legal_holds.end_due(now=now)
    done = 0
    for on in (True, False):
        for document in _untold(on=on, now=now):
            if not _tell(document=document, on=on, now=now):
                return done
            done += 1
    return done


def _untold(*, on: bool, now: dt.datetime) -> list[Document]:
    """Return the documents in the vault that are held and that it was not told of (lately), or the other way round."""
    rows = (
        Document.objects.filter(locked_at__isnull=False)
        .only("pk", "public_id", "vault_url", "vault_key")
        .order_by("pk")
    )
    if not on:
        return list(rows.filter(~legal_holds.is_held(), hold_told_at__isnull=False)[:EACH_MAX])
    scopes = legal_holds.live_scopes()
    if not scopes.exists():
        return []
    due = Q(hold_told_at=None) | Q(hold_told_at__lt=now - AGAIN_AFTER)
    return list(legal_holds.covered_by(scopes=scopes, rows=rows).filter(due)[:EACH_MAX])


def mark(*, url: str, key: str, on: bool) -> None:
    """Set or end a store's own hold of every version of an object.

    :raises errors.WormError: the vault does not answer, or has no such object
    """

    def work() -> None:
        vault = store.open_vault(url=url)
        for version in vault.versions(key=key):
            if not version.marker:
                vault.hold(key=key, version=version.version, on=on)

    store.guarded(work=work, url=url)


def _tell(*, document: Document, on: bool, now: dt.datetime) -> bool:
    """Set or end the hold of every version of a document; False in an outage of the vault."""
    try:
        mark(url=document.vault_url, key=document.vault_key, on=on)
    except errors.WormError as error:
        if error.row.retryable:
            return False
        # Its bytes are not what they were: that has an alert of its own, and nothing here can mend it.
        logger.warning("vault.hold_failed", extra={"document": document.public_id, "code": error.code})
    Document.objects.filter(pk=document.pk).update(hold_told_at=now if on else None)
    return True
