"""What an owner of the database does to it by force has a name within a minute."""

import pathlib
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.utils import timezone

from audit.models import Event
from config.embedded import services
from documents.alerts import outages
from documents.models import Alert, Document
from documents.operations import checks, numbers, sweeper
from documents.operations import watch as operations_watch
from tests import factories
from tests.documents import center

LOG_OFF = "ALTER TABLE audit_event DISABLE TRIGGER USER; ALTER TABLE audit_eventdetail DISABLE TRIGGER USER"
LOG_ON = "; ".join(
    f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{word}"
    for table in ("audit_event", "audit_eventdetail")
    for word in ("rows_stay", "stays")
)
FROZEN_OFF = "ALTER TABLE documents_document DISABLE TRIGGER documents_document_rows_frozen"
FROZEN_ON = "ALTER TABLE documents_document ENABLE TRIGGER documents_document_rows_frozen"
# TABLE: what is done by force, the traces wiped -> the objects that are named.
TAMPERINGS = {
    "an event of the log deleted, its triggers off and on again": (
        LOG_OFF,
        "DELETE FROM audit_eventdetail; DELETE FROM audit_event WHERE action = 'document.locked'",
        LOG_ON,
        "audit_guard:trigger audit_event_rows_stay of audit_event",
    ),
    "who issued rewritten behind an emptied function": (
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public,"
        " pg_temp AS 'BEGIN RETURN NEW; END'",
        "UPDATE audit_event SET actor_id = 'usr_9', at = now() WHERE action = 'document.issued'",
        "SELECT 1",
        "audit_guard:function audit_refuse",
    ),
    "the guard of a document's state dropped": (
        "DROP TRIGGER audit_guard_documents_document_moved ON documents_document",
        "UPDATE documents_document SET status = 'QUARANTINED'",
        "SELECT 1",
        "audit_guard:trigger audit_guard_documents_document_moved of documents_document",
    ),
    "the total of a document changed, the trigger that freezes it off and on again": (
        FROZEN_OFF,
        "UPDATE documents_document SET total_minor = 1, country_id = 'MX'",
        FROZEN_ON,
        "audit_guard:trigger documents_document_rows_frozen of documents_document",
    ),
    "a document deleted with its links and deliveries": (
        FROZEN_OFF,
        "DELETE FROM documents_link; DELETE FROM documents_delivery; DELETE FROM documents_document WHERE sequence = 1",
        FROZEN_ON,
        "number_gap:AES-OFS-2026",
    ),
}


@pytest.fixture
def owner(committed_db: None, stack: services.Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.database_owner_url, autocommit=True) as owner:
        yield owner


@pytest.fixture
def look(committed_db: None, vault_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """Do the periodic work, a minute later, and return which P1 are open."""

    def a_minute_later() -> set[str]:
        for name in ("_looked_at", "QUESTIONS"):
            monkeypatch.setattr(checks, name, {})
        monkeypatch.setattr(operations_watch, "_last", {"probe": time.monotonic()})
        monkeypatch.setattr(numbers, "_last", {"afresh": time.monotonic() - 60})
        sweeper.tend(now=timezone.now())
        return set(Alert.objects.filter(resolved_at=None, severity="P1").values_list("dedup_key", flat=True))

    monkeypatch.setattr(numbers, "_counted", {})
    monkeypatch.setattr(outages, "_unwritten", {})
    return a_minute_later


def test_what_an_owner_does_by_force_is_a_p1_that_names_it_at_the_next_look(
    owner: psycopg.Connection, look: Callable[[], set[str]]
) -> None:
    first, _second = factories.document(), factories.document()
    center.link(document=first)
    assert look() == set()
    for off, change, on, _named in TAMPERINGS.values():
        for statement in (off, change, on):
            owner.execute(statement.encode())
    assert (Document.objects.count(), Document.objects.get().total_minor) == (1, 1)
    assert set(Event.objects.filter(action="document.issued").values_list("actor_id", flat=True)) == {"usr_9"}
    assert not Event.objects.filter(action="document.locked").exists()
    opened = look()
    assert [named for *_done, named in TAMPERINGS.values() if named not in opened] == []
