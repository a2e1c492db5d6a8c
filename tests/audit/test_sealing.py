"""The sealer: what is committed gets its place once and in order, and every head proves it."""

import threading
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections, transaction

from audit import leaf, log, merkle, sealing, signing, tlog, tree
from audit.actions import Action
from audit.models import Event, TreeHead, TreePlace, TreeTile
from config.embedded import services
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture(autouse=True)
def _quiet(committed_db: None) -> None:
    """Let each test's database be told of the keys, and no copy of one be under way: it is an open transaction."""
    sealing._noted.clear()
    database.wait()


def append(number: int = 1) -> None:
    with transaction.atomic():
        for _ in range(number):
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id="aventide-es", actor=log.SYSTEM)


def seal_all() -> int:
    sealed = 0
    while batch := sealing.seal():
        sealed += batch
    return sealed


def keys() -> list[tlog.LogKey]:
    return [tlog.public_key(name=signing.origin(), private=private) for private in signing.private_keys()]


def assert_proven() -> None:
    """Read the log as a stranger would: by its head, its tiles and the events themselves."""
    head = tree.head()
    assert head is not None
    checkpoint = tlog.read_checkpoint(note=head.note, keys=keys())
    assert (checkpoint.size, checkpoint.root) == (head.size, bytes(head.root))
    assert list(TreePlace.objects.order_by("index").values_list("index", flat=True)) == list(range(head.size))
    leaves = [
        merkle.leaf_hash(leaf=leaf.encode(Event.objects.get(pk=pk)))
        for pk in TreePlace.objects.order_by("index").values_list("event_id", flat=True)
    ]
    root = merkle.root(
        size=head.size, node=lambda level, at: merkle.complete(hashes=leaves[at << level : (at + 1) << level])
    )
    assert root == checkpoint.root
    for index in {0, head.size // 2, head.size - 1}:
        proof = tree.proofs(indexes=[index], head=head)[index]
        proven: dict[str, Any] = {"index": index, "size": head.size, "proof": proof.hashes, "root": root}
        assert merkle.verify_inclusion(leaf_hash=leaves[index], **proven)
    for older in TreeHead.objects.exclude(size=head.size):
        grown = tree.consistency(size1=older.size, size2=head.size)
        assert merkle.verify_consistency(
            size1=older.size, root1=bytes(older.root), size2=head.size, root2=root, proof=grown
        )


def test_all_that_is_committed_is_sealed_once_in_order_and_proven() -> None:
    before = Event.objects.count()
    append(3)
    assert seal_all() == before + 3 + len(keys())
    append(2)
    assert seal_all() == 2
    assert sealing.seal() == 0
    assert tree.unsealed() == (0, 0.0)
    assert_proven()
    order = list(Event.objects.order_by("xid", "id").values_list("id", flat=True))
    assert list(TreePlace.objects.order_by("index").values_list("event_id", flat=True)) == order


def test_a_thousand_events_fill_tiles_that_hold_what_the_tree_is_made_of() -> None:
    append(700)
    seal_all()
    append(100)
    while sealing.seal(limit=17):
        pass
    assert TreeTile.objects.filter(level=0).count() == TreePlace.objects.count() // 256
    assert_proven()


def test_nothing_that_an_open_transaction_could_precede_is_sealed_and_it_is_named(stack: services.Stack) -> None:
    seal_all()
    with psycopg.connect(stack.database_url) as other:
        other.execute("SELECT pg_current_xact_id()")
        append()
        assert sealing.seal() == 0
        assert tree.unsealed()[0] == 1
        held = sealing.holding_up()
        assert held is not None
        assert (held.pid, held.role) == (other.info.backend_pid, "billing_app")
        other.rollback()
    assert seal_all() == 1
    assert_proven()


def test_of_two_sealers_one_seals_and_what_is_cut_off_is_done_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    seal_all()
    append(5)
    sealed: list[int] = []

    def rival() -> None:
        sealed.append(sealing.seal())
        connections.close_all()

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [sealing.LOCK])
        thread = threading.Thread(target=rival)
        thread.start()
        thread.join()
    assert sealed == [0]
    with monkeypatch.context() as broken:
        broken.setattr(sealing, "_sign", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sealing.seal()
    assert tree.unsealed()[0] == 5
    assert seal_all() == 5
    assert_proven()


def test_two_keys_sign_while_one_follows_the_other_and_the_log_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    seal_all()
    (first,) = keys()
    monkeypatch.setattr(settings, "AUDIT_KEY_FORMER", settings.AUDIT_KEY)
    monkeypatch.setattr(settings, "AUDIT_KEY", "another secret of at least thirty-two characters")
    append()
    seal_all()
    head = tree.head()
    assert head is not None
    newer = keys()[0]
    for known in (first, newer):
        assert tlog.read_checkpoint(note=head.note, keys=[known]).size == head.size
    monkeypatch.setattr(settings, "AUDIT_KEY_FORMER", "")
    append()
    seal_all()
    assert signing.history() == [first, newer]
    assert Event.objects.get(action=Action.LOG_KEY_RETIRED).facts == {"public_key": str(first)}


def test_the_name_of_the_log_stays_when_the_service_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    seal_all()
    name = signing.origin()
    assert name.endswith("/audit/log")
    monkeypatch.setattr(settings, "PUBLIC_URL", "https://elsewhere.example")
    append()
    seal_all()
    assert signing.origin() == name


@pytest.mark.parametrize("table", ["audit_treeplace", "audit_treetile", "audit_treehead"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_nobody_changes_what_is_sealed(stack: services.Stack, table: str, verb: str) -> None:
    append(300)
    seal_all()
    column = {"audit_treeplace": "event_id = 1", "audit_treetile": "index = 9", "audit_treehead": "note = ''"}[table]
    for url in (stack.database_url, stack.database_owner_url):
        with psycopg.connect(url) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(verb.format(table, column))


def test_events_of_before_a_restore_are_sealed_before_those_of_now(stack: services.Stack) -> None:
    seal_all()
    append(100)
    with psycopg.connect(stack.database_owner_url) as owner:
        owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        owner.execute("UPDATE audit_event SET incarnation = 'before', xid = xid + 1000000000")
        owner.execute(
            "UPDATE audit_event SET incarnation = 'between', xid = xid - 1000000000 WHERE id IN"
            " (SELECT id FROM audit_event ORDER BY id DESC LIMIT 40)"
        )
        for trigger in ("audit_event_rows_stay", "audit_event_stays"):
            owner.execute(f"ALTER TABLE audit_event ENABLE ALWAYS TRIGGER {trigger}")
    database.wait()
    append(10)
    assert seal_all() == 110
    order = list(Event.objects.order_by("id").values_list("id", flat=True))
    assert list(TreePlace.objects.order_by("index").values_list("event_id", flat=True))[-110:] == order[-110:]
    assert_proven()
