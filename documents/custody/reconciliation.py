"""Database and vault compared both ways: each row's bytes, and whose each object is. Nothing is changed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from django.db.models import Exists, OuterRef, QuerySet

from audit.actions import Action
from audit.models import Event as LogEvent
from documents import errors
from documents.custody import inspection, log_archive, missing, quarantine
from documents.emission import attachments
from documents.models import Document, Status
from documents.vault import places, store

AT_ONCE = 100
MISSING, WEAK_LOCK, EXCHANGED, ORPHAN, WITHOUT_ROW = "missing", "weak_lock", "exchanged", "orphan", "without_row"
# TABLE: what is wrong with a row's bytes -> how a reconciliation calls it; what is not named here was exchanged.
KINDS = {
    "worm_version_missing": MISSING,
    "worm_delete_marker": MISSING,
    "worm_lock_missing": WEAK_LOCK,
    "worm_lock_too_short": WEAK_LOCK,
    "worm_mode_weak": WEAK_LOCK,
}


@dataclass(frozen=True, kw_only=True)
class VaultFinding:
    """One difference: an object and its row, or an object that no row has."""

    kind: str
    key: str
    number: str = ""
    document_key: str = ""
    code: str = ""
    store: str = ""  # where it is another one than VAULT_URL's

    def as_json(self) -> dict[str, str]:
        """Return what is known of it."""
        return {name: text for name, text in asdict(self).items() if text}


def rows() -> QuerySet[Document]:
    """Return the documents that have bytes in a store that can be opened, those in quarantine among them.

    What was disposed of has none, where the log says so too.
    """
    disposed = LogEvent.objects.filter(object_id=OuterRef("public_id"), action=Action.DOCUMENT_DISPOSED)
    stored = Document.objects.exclude(locked_at=None).filter(vault_url__in=places.known())
    return stored.exclude(Exists(disposed), status=Status.DISPOSED)


def of_rows(*, step: Callable[[], object]) -> Iterator[VaultFinding]:
    """Yield each row whose bytes, lock or record are not what was locked.

    :raises errors.WormError: the vault does not answer
    """
    last = 0
    wanted = rows().select_related(*inspection.JOINED).defer(*inspection.DEFERRED).order_by("pk")
    while batch := list(wanted.filter(pk__gt=last)[:AT_ONCE]):
        last = batch[-1].pk
        said = inspection.recorded(documents=batch)
        for document in batch:
            try:
                inspection.check(document=document, said=said)
            except errors.Problem as problem:
                if problem.code not in quarantine.BROKEN:
                    raise
                yield VaultFinding(
                    kind=KINDS.get(problem.code, EXCHANGED),
                    key=document.vault_key,
                    number=document.number,
                    document_key=document.document_key_id,
                    code=problem.code,
                )
            step()


def of_keys() -> Iterator[VaultFinding]:
    """Yield each object of the stores that no row names: of a document without a row, or of none.

    What lies in two of them, as `migrate_vault` leaves it, is one finding.

    :raises errors.WormError: a store does not answer
    """
    seen: set[str] = set()
    for url in places.known():
        for finding in _of_store(url=url):
            if finding.key not in seen:
                seen.add(finding.key)
                yield finding


def _of_store(*, url: str) -> Iterator[VaultFinding]:
    """Yield each object of one store that no row names."""
    former = url if places.is_former(url=url) else ""
    for keys in store.walk(at_once=AT_ONCE, url=url):
        gone = {part["key"]: part["number"] for part in missing.without_row(keys=keys)}
        ids = {key: match["id"] for key in keys if (match := missing.KEY.fullmatch(key))}
        named = set(Document.objects.filter(public_id__in=ids.values()).values_list("vault_key", flat=True))
        for key in keys:
            if key.startswith(log_archive.PREFIX):
                continue  # of the log, which `verify_audit` compares
            if key in gone or key not in named:
                yield VaultFinding(
                    kind=WITHOUT_ROW if key in gone else ORPHAN,
                    key=key,
                    number=gone.get(key, ""),
                    document_key=_document_key(key=key, url=url),
                    store=former,
                )


def _document_key(*, key: str, url: str) -> str:
    """Return the document key that the content of an object's PDF states; empty where it states none."""

    def work() -> bytes:
        vault = store.open_vault(url=url)
        stored = vault.find(key=key)
        return vault.read(key=key, version=stored.version) if stored else b""

    embedded = attachments.content(pdf=store.guarded(work=work, url=url))
    try:
        return str(json.loads(embedded or b"{}").get("document_key", ""))
    except (ValueError, AttributeError):
        return ""
