"""The hourly look at the sealed log: what was changed by force is a P1, wherever it lies, and what was not is none."""

import time
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from audit import log, log_looks, sealing, tree
from audit.actions import Action
from audit.models import Event
from config.embedded import services
from documents.custody import log_archive
from documents.custody import log_looks as looks
from documents.models import Alert
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db", "vault_folder")


@pytest.fixture(autouse=True)
def _sealed(committed_db: None, vault_folder: object) -> None:
    sealing._noted.clear()
    database.wait()
    for _ in range(4):
        append(300)
    log_archive.go_on(now=timezone.now())
    append(300)


def append(number: int) -> None:
    with transaction.atomic():
        for place in range(number):
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id=f"i{place}", actor=log.SYSTEM)
    while sealing.seal(limit=100):
        pass


def by_force(stack: services.Stack, *statements: str) -> None:
    with psycopg.connect(stack.database_owner_url) as owner:
        for table in ("audit_event", "audit_treeplace", "audit_treetile"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        for statement in statements:
            owner.execute(statement.encode())
        for table in ("audit_event", "audit_treeplace", "audit_treetile"):
            for trigger in (f"{table}_rows_stay", f"{table}_stays"):
                owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}".encode())


def opened() -> list[object]:
    rows = Alert.objects.filter(code="audit_broken", resolved_at=None)
    return [(row.severity, row.runbook, row.values["faults"]) for row in rows]


def test_a_sound_log_is_looked_at_without_an_alarm_and_the_next_look_begins_at_its_end() -> None:
    assert looks.look(now=timezone.now()) == []
    seen = Event.objects.get(action=Action.LOG_VERIFIED)
    head = tree.head()
    assert head is not None
    assert seen.detail.details == {"size": head.size, "tiles": head.size // 256, "findings": 0}
    append(10)
    assert looks.look(now=timezone.now()) == []
    assert (opened(), looks._recorded()) == ([], head.size + 11)  # the look is an event too


@pytest.mark.parametrize("index", [0, 300, 767, 1210, 1490])
def test_an_event_changed_by_force_is_a_p1_whether_it_is_old_or_new(stack: services.Stack, index: int) -> None:
    assert looks.look(now=timezone.now()) == []
    append(300)
    event = f"(SELECT event_id FROM audit_treeplace WHERE index = {index})"
    by_force(stack, f"UPDATE audit_event SET actor_id = 'x' WHERE id = {event}")
    (finding,) = looks.look(now=timezone.now())
    assert finding.code == "changed"
    assert opened() == [("P1", "docs/runbooks/audit.md#audit_broken", [f"{finding.row}: changed"])]
    looks.look(now=timezone.now())
    assert len(opened()) == 1


def test_an_old_tile_is_held_against_a_signed_root_and_not_against_what_is_stored(stack: services.Stack) -> None:
    head = tree.head()
    assert head is not None
    event = "(SELECT event_id FROM audit_treeplace WHERE index = 5)"
    by_force(
        stack,
        f"UPDATE audit_event SET actor_id = 'x' WHERE id = {event}",
        "UPDATE audit_treeplace SET leaf_hash = sha256('x') WHERE index = 5",
        "UPDATE audit_treetile SET hashes = overlay(hashes PLACING sha256('x') FROM 161 FOR 32) WHERE index = 0",
    )
    said = {finding.code for finding in looks.look(now=timezone.now())}
    assert "changed" in said
    assert "among" in said


def test_the_whole_log_read_without_a_finding_ends_the_alert(stack: services.Stack) -> None:
    event = "(SELECT event_id FROM audit_treeplace WHERE index = 5)"
    by_force(stack, f"UPDATE audit_event SET count = 2 WHERE id = {event}")
    with pytest.raises(SystemExit):
        call_command("verify_audit")
    assert len(opened()) == 1
    by_force(stack, f"UPDATE audit_event SET count = 1 WHERE id = {event}")
    assert looks.look(now=timezone.now()) == []
    assert len(opened()) == 1  # a look is not enough
    call_command("verify_audit")
    assert opened() == []


def test_a_look_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    read = log_looks.tile_faults

    def slowly(**asked: Any) -> Any:
        time.sleep(0.2)
        return read(**asked)

    monkeypatch.setattr(log_looks, "tile_faults", slowly)
    began = time.monotonic()
    assert looks.look(now=timezone.now(), limit_s=0.3) == []
    assert time.monotonic() - began < 3
    assert Event.objects.get(action=Action.LOG_VERIFIED).detail.details["tiles"] < 5
