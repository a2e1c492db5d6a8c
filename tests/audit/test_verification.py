"""The log looked at again: whatever the owner of the database does to it is found, with its row and what is wrong."""

import dataclasses
import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest
from django.db import transaction

from audit import log, log_edges, log_findings, log_progress, sealing, signing, tlog, tree, verification
from audit.actions import Action
from audit.models import Event, EventDetail, TreePlace
from config.embedded import services
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db")
NUMBER = 300
ALWAYS = {
    "audit_event": ("audit_event_rows_stay", "audit_event_stays"),
    "audit_eventdetail": ("audit_eventdetail_rows_stay", "audit_eventdetail_stays"),
    "audit_treeplace": ("audit_treeplace_rows_stay", "audit_treeplace_stays"),
    "audit_treetile": ("audit_treetile_rows_stay", "audit_treetile_stays"),
    "audit_treehead": ("audit_treehead_rows_stay", "audit_treehead_stays"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sealed:
    """A log, sealed twice, and what lay outside of it before anything was done to it."""

    outer: list[log_findings.OuterCheckpoint]
    keys: list[tlog.LogKey]


def append(number: int) -> None:
    with transaction.atomic():
        for place in range(number):
            details = {"address": f"198.51.100.{place % 250}"} if place % 3 == 0 else None
            log.record(
                action=Action.ISSUER_ADDED,
                object_type="issuer",
                object_id=f"issuer-{place}",
                actor=log.SYSTEM,
                details=details,
            )
    while sealing.seal():
        pass


@pytest.fixture
def sealed(committed_db: None) -> Sealed:
    sealing._noted.clear()
    database.wait()
    append(NUMBER)
    append(20)
    head = tree.head()
    assert head is not None
    keys = [tlog.public_key(name=signing.origin(), private=private) for private in signing.private_keys()]
    return Sealed(outer=[log_findings.OuterCheckpoint(source="a file", note=head.note)], keys=keys)


def findings(log_: Sealed, *, since: dt.datetime | None = None) -> list[log_findings.LogFinding]:
    look = verification.verify(
        outer=log_.outer,
        keys=log_.keys,
        progress=log_progress.Progress(),
        details_since=since or dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
    )
    return [said for said in look if isinstance(said, log_findings.LogFinding)]


@pytest.fixture
def owner(stack: services.Stack) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Be the owner of the database, who switches its guards off and on again."""
    with psycopg.connect(stack.database_owner_url, autocommit=True) as session:
        yield session


def by_force(owner: psycopg.Connection[tuple[object, ...]], *statements: str) -> None:
    for table in ALWAYS:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for statement in statements:
        owner.execute(statement)
    for table, triggers in ALWAYS.items():
        for trigger in triggers:
            owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def test_of_a_log_that_nobody_touched_nothing_is_said(sealed: Sealed) -> None:
    assert findings(sealed) == []
    append(5)
    assert findings(sealed) == []


E = "(SELECT event_id FROM audit_treeplace WHERE index = {})"
TAMPERINGS: dict[str, tuple[list[str], str, str]] = {
    "who": ([f"UPDATE audit_event SET actor_id = 'x' WHERE id = {E.format(40)}"], "changed", "event"),
    "what": ([f"UPDATE audit_event SET action = 'issuer.viewed' WHERE id = {E.format(41)}"], "changed", "event"),
    "outcome": ([f"UPDATE audit_event SET outcome = 'denied' WHERE id = {E.format(42)}"], "changed", "event"),
    "when": ([f"UPDATE audit_event SET at = at - interval '1 day' WHERE id = {E.format(43)}"], "changed", "event"),
    "a microsecond": (
        [f"UPDATE audit_event SET at = at + interval '1 us' WHERE id = {E.format(0)}"],
        "changed",
        "event",
    ),
    "facts": (['UPDATE audit_event SET facts = \'{"number": "X"}\' WHERE id = ' + E.format(44)], "changed", "event"),
    "count": ([f"UPDATE audit_event SET count = 2 WHERE id = {E.format(45)}"], "changed", "event"),
    "blind": (
        [f"UPDATE audit_event SET blind = decode(repeat('00', 16), 'hex') WHERE id = {E.format(46)}"],
        "changed",
        "event",
    ),
    "the last": ([f"UPDATE audit_event SET object_id = 'x' WHERE id = {E.format(NUMBER + 10)}"], "changed", "event"),
    "all of one action": (["UPDATE audit_event SET actor_id = 'x' WHERE action = 'issuer.added'"], "changed", "event"),
    "an event goes": (
        [
            f"DELETE FROM audit_eventdetail WHERE event_id = {E.format(47)}",
            f"DELETE FROM audit_event WHERE id = {E.format(47)}",
        ],
        "missing",
        "event",
    ),
    "an event and its place go": (
        [
            f"DELETE FROM audit_eventdetail WHERE event_id = {E.format(50)}",
            f"DELETE FROM audit_event WHERE id = {E.format(50)}",
            "DELETE FROM audit_treeplace WHERE index = 50",
        ],
        "place_missing",
        "index 50",
    ),
    "two places change": (
        [
            "UPDATE audit_treeplace SET event_id = -event_id WHERE index IN (60, 61)",
            "UPDATE audit_treeplace AS a SET event_id = -(SELECT b.event_id FROM audit_treeplace AS b WHERE b.index = 121 - a.index) WHERE index = 60",
            "UPDATE audit_treeplace SET event_id = (SELECT max(e.id) FROM audit_event AS e WHERE NOT EXISTS (SELECT FROM audit_treeplace AS p WHERE p.event_id = e.id)) WHERE index = 61",
        ],
        "reordered",
        "event",
    ),
    "details change": (
        [
            'UPDATE audit_eventdetail SET details = \'{"address": "203.0.113.9"}\' WHERE event_id = (SELECT min(event_id) FROM audit_eventdetail)'
        ],
        "details_changed",
        "event",
    ),
    "details are swapped": (
        [
            "UPDATE audit_eventdetail AS a SET salt = b.salt, details = b.details FROM audit_eventdetail AS b WHERE a.event_id = (SELECT min(event_id) FROM audit_eventdetail) AND b.event_id = (SELECT max(event_id) FROM audit_eventdetail)"
        ],
        "details_swapped",
        "event",
    ),
    "a digest goes with its details": (
        ["UPDATE audit_event SET details_digest = NULL WHERE id = (SELECT min(event_id) FROM audit_eventdetail)"],
        "changed",
        "event",
    ),
    "a leaf's hash": (
        ["UPDATE audit_treeplace SET leaf_hash = sha256('x') WHERE index = 70"],
        "place_changed",
        "event",
    ),
    "a tile": (
        ["UPDATE audit_treetile SET hashes = hashes || '' , subtree = sha256('x') WHERE level = 0 AND index = 0"],
        "tile_changed",
        "tile 0/0",
    ),
    "a tile goes": (["DELETE FROM audit_treetile WHERE level = 0 AND index = 0"], "tile_missing", "tile 0/0"),
    "a root": (
        ["UPDATE audit_treehead SET root = sha256('x') WHERE size = (SELECT min(size) FROM audit_treehead)"],
        "head_changed",
        "head",
    ),
    "a note": (
        [
            "UPDATE audit_treehead SET note = replace(note, 'log', 'lag') WHERE size = (SELECT min(size) FROM audit_treehead)"
        ],
        "head_forged",
        "head",
    ),
    "the last head goes": (
        ["DELETE FROM audit_treehead WHERE size = (SELECT max(size) FROM audit_treehead)"],
        "head_missing",
        "checkpoint",
    ),
    "the tail": (
        [
            "DELETE FROM audit_eventdetail WHERE event_id IN (SELECT event_id FROM audit_treeplace WHERE index > 310)",
            "DELETE FROM audit_event WHERE id IN (SELECT event_id FROM audit_treeplace WHERE index > 310)",
            "DELETE FROM audit_treeplace WHERE index > 310",
            "DELETE FROM audit_treehead WHERE size > 311",
        ],
        "cut_tail",
        "checkpoint",
    ),
    "one comes in behind": (
        [
            "INSERT INTO audit_event (id, at, xid, action, object_type, object_id, actor_kind, actor_id, role, key, service, channel, outcome, code, request_id) OVERRIDING SYSTEM VALUE SELECT 999999, at, xid - 1, action, object_type, 'forged', actor_kind, actor_id, role, key, service, channel, outcome, code, request_id FROM audit_event WHERE id = "
            + E.format(80)
        ],
        "inserted",
        "event 999999",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_whatever_the_owner_does_by_force_is_found_with_its_row(
    sealed: Sealed, owner: psycopg.Connection[tuple[object, ...]], what: str
) -> None:
    statements, code, row = TAMPERINGS[what]
    by_force(owner, *statements)
    said = findings(sealed)
    assert said, what
    assert code in {one.code for one in said}, said
    assert any(one.code == code and one.row.startswith(row) for one in said), said


def test_a_log_that_was_made_anew_and_signed_by_the_right_key_differs_from_the_checkpoint_outside(
    sealed: Sealed, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    by_force(
        owner,
        f"UPDATE audit_event SET actor_id = 'nobody' WHERE id = {E.format(90)}",
        "DELETE FROM audit_treehead",
        "DELETE FROM audit_treetile",
        "DELETE FROM audit_treeplace",
    )
    while sealing.seal():
        pass
    said = findings(sealed)
    assert {one.code for one in said} <= {"differs", "head_missing", "among"}
    assert said[0].row == f"checkpoint {sealed.outer[0].checkpoint.size} (a file)"


def test_details_are_missing_before_their_time_and_not_after_it(
    sealed: Sealed, owner: psycopg.Connection[tuple[object, ...]]
) -> None:
    gone = EventDetail.objects.order_by("event_id").values_list("event_id", flat=True)[0]
    by_force(owner, f"DELETE FROM audit_eventdetail WHERE event_id = {gone}")
    assert [str(one.code) for one in findings(sealed)] == ["details_missing"]
    later = Event.objects.latest("at").at + dt.timedelta(days=1)
    assert findings(sealed, since=later) == []


def test_a_checkpoint_that_no_key_of_the_log_has_signed_is_said_to_be_so(sealed: Sealed) -> None:
    forged = sealed.outer[0].note.replace("— ", "— x", 1)
    outer = [log_findings.OuterCheckpoint(source="a file", note=forged)]
    assert [one.code for one in findings(dataclasses.replace(sealed, outer=outer))] == ["head_forged"]


def test_what_was_broken_off_goes_on_from_what_was_kept(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "BATCH", 50)
    kept = log_progress.Progress()
    since = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    look = verification.verify(outer=sealed.outer, keys=sealed.keys, progress=kept, details_since=since)
    assert [next(look), next(look)] == [50, 50]
    kept = log_progress.Progress.from_json(text=kept.to_json())
    rest = list(verification.verify(outer=sealed.outer, keys=sealed.keys, progress=kept, details_since=since))
    assert all(isinstance(said, int) for said in rest)
    assert kept.size == TreePlace.objects.count()


def test_what_came_in_behind_is_looked_for_in_ranges_and_a_look_that_was_broken_off_goes_on_in_the_next(
    sealed: Sealed, owner: psycopg.Connection[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_edges, "RANGE", 50)
    statements, code, row = TAMPERINGS["one comes in behind"]
    by_force(owner, *statements)
    assert [(one.code, one.row) for one in findings(sealed)] == [(code, row)]
    kept = log_progress.Progress()
    since = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    for said in verification.verify(outer=sealed.outer, keys=sealed.keys, progress=kept, details_since=since):
        assert isinstance(said, int)
        if kept.unplaced_until > 100:
            break
    kept = log_progress.Progress.from_json(text=kept.to_json())
    rest = list(verification.verify(outer=sealed.outer, keys=sealed.keys, progress=kept, details_since=since))
    assert [said for said in rest if said] == [log_findings.LogFinding(code=code, row=row)]
    assert 0 < rest.count(0) < NUMBER // 50
