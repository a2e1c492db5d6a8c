"""Yesterday's database beside today's vault: what is missing is named, and no number is given a second time."""

import datetime as dt
import io
import json
import pathlib
import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from audit import log
from audit.models import Event as LogEvent
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
