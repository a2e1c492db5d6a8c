"""Books that differ anywhere are found, told once, and let go of when they agree again; nothing else is touched."""

import io
import json
import re
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from config import schedule
from config.celery import app
from config.embedded import services
from documents.alerts import discrepancies
from documents.models import Alert, Discrepancy, Document, Event
from payouts import tasks
from payouts.models import Payout, Settlement
from payouts.reconciliation import checks, findings, run
from tests.payouts import making, telling
from tests.services import force, rivals

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _run(country: str | None = None) -> findings.Summary:
    return run.run(walk=run.key_ranges(), now=telling.NOW, actor=tasks.ACTOR, country=country)


def _week() -> None:
    """Two drivers, an adjustment, a payout with everything in it, one that came back, a refund, a failed one."""
    fare = [making.line("20.00", tax="IVA10"), making.line("-4.00", name="2", kind="PLATFORM_FEE", tax="IVA21")]
    telling.told(
        [
            making.order("ord_1", lines=fare, cash_collected="5.00"),
            making.order("ord_2", "8.00"),
            making.adjustment("adj_1", "ord_1"),
            making.payout(
                "po_1",
                "24.16",
                settles=[
                    {"order": "ord_1", "amount": "17.16"},
                    {"order": "ord_2", "amount": "8.00"},
                    {"adjustment": "adj_1", "amount": "2.00"},
                ],
                cash_collected="5.00",
                closing="-2.00",
            ),
            making.order("ord_3", "3.00", at="2026-02-24T10:00:00Z"),
            making.payout("po_2", "1.00", orders=["ord_3"], at="2026-03-01T07:00:00Z", opening="-2.00"),
            making.order("ord_4", "6.00", driver="drv_2"),
            making.payout("po_3", "6.00", orders=["ord_4"], payee="drv_2"),
            making.reversal("po_3", "6.00", payee="drv_2"),
            making.reversal("po_9", "1.00", payee="drv_2", kind="PAYOUT_FAILED"),
            making.payment("pay_1", "11.00", [making.line("10.00", tax="IVA10")]),
            making.refund("rf_1", "pay_1", [making.line("4.00", tax="IVA10")]),
        ]
    )
    assert not Event.objects.exclude(status="processed").exists()


def _found(country: str | None = None) -> dict[str, int]:
    return _run(country).findings


def _open() -> list[str]:
    return sorted(Discrepancy.objects.filter(resolved_at=None).values_list("code", flat=True))


# -- books that agree --


def test_books_that_agree_are_clean_and_say_where_every_cent_is() -> None:
    _week()
    summary = _run()
    assert (summary.clean, summary.findings, summary.opened) == (True, {}, 0)
    assert (summary.documents, summary.events) == (Document.objects.count(), Event.objects.count())
    assert summary.as_json()["books"] == [
        {
            "country": "ES",
            "currency": "EUR",
            "earned": "36.16",
            "settled": "30.16",
            "pending": "6.00",
            "announced": "0.00",
            "overpaid": "0.00",
            "paid": "25.16",
            "adjustments": "0.00",
            "withheld": "0.00",
            "cash_collected": "5.00",
            "printed": "0.00",
            "carried": "0.00",
            "difference": "0.00",
        }
    ]


def test_every_sample_of_every_country_agrees() -> None:
    for path in sorted(telling.SAMPLES.glob("*.json")):
        if path.stem not in {"issuers", "expected"}:
            telling.told(telling.sample(path.stem))
    summary = _run()
    assert summary.findings == {}
    assert {figures["difference"] for figures in summary.books.values()} == {0}
    assert len(summary.books) > 1


def test_empty_books_agree() -> None:
    assert _run().clean


def test_a_statement_that_says_sent_is_found_when_nobody_sent_it() -> None:
    early = making.payout("po_1", "19.00", orders=["ord_1", "ord_2"], at="2026-02-17T09:00:00Z")
    telling.told([early, making.order("ord_1")])
    assert _found() == {}
    with force.by_force():
        Document.objects.filter(document_key_id="ORDER_FINAL_STATEMENT:order:ord_1:beneficiary").update(
            payout_status="SENT"
        )
    assert _found() == {}  # its payout may come any moment
    with force.by_force():
        Event.objects.filter(event_id="evt_po_1").update(status="ignored")
    assert _found() == {"payout_status_differs": 1}


# -- books that differ --

BROKEN: dict[str, tuple[Any, set[str]]] = {
    "a settlement lost its effect": (
        lambda: Settlement.objects.filter(payout__payout_id="po_2").update(effective=False),
        {"books_differ", "payout_and_statement_differ", "payout_status_differs"},
    ),
    "a settlement of a cent more": (
        lambda: Settlement.objects.filter(payout__payout_id="po_2").update(amount_minor=301),
        {"books_differ", "payout_and_statement_differ", "paid_twice"},
    ),
    "a settlement of a cent less": (
        lambda: Settlement.objects.filter(payout__payout_id="po_2").update(amount_minor=299),
        {"books_differ", "payout_and_statement_differ", "payout_status_differs"},
    ),
    "a settlement that is gone": (
        lambda: Settlement.objects.filter(payout__payout_id="po_2").delete(),
        {"books_differ", "payout_and_statement_differ", "payout_status_differs"},
    ),
    "a payout of a cent more": (
        lambda: Payout.objects.filter(payout_id="po_2").update(amount_minor=101),
        {"books_differ", "payout_and_statement_differ"},
    ),
    "an opening balance that nobody left": (
        lambda: Payout.objects.filter(payout_id="po_2").update(opening_minor=-199),
        {"balance_chain_broken", "payout_and_statement_differ"},
    ),
    "a closing balance that nobody took up": (
        lambda: Payout.objects.filter(payout_id="po_1").update(closing_minor=0),
        {"balance_chain_broken", "payout_and_statement_differ"},
    ),
    "a payout that came back and is called sent": (
        lambda: Payout.objects.filter(payout_id="po_3").update(state="SENT", returned_at=None),
        {"books_differ", "payout_and_statement_differ"},
    ),
    "a payout of another payee": (
        lambda: Payout.objects.filter(payout_id="po_2").update(payee=Payout.objects.get(payout_id="po_3").payee),
        {"books_differ", "payout_and_statement_differ", "balance_chain_broken"},
    ),
    "an event that states another amount": (
        lambda: _retell("evt_po_2", b'"amount": "1.00"', b'"amount": "1.01"'),
        {"event_and_document_differ"},
    ),
    "an event whose documents are unknown": (
        lambda: Event.objects.filter(event_id="evt_ord_1").update(document_ids=[10**9]),
        {"event_without_document"},
    ),
    "an event without documents": (
        lambda: Event.objects.filter(event_id="evt_pay_1").update(document_ids=[]),
        {"event_without_document"},
    ),
}


def _retell(name: str, before: bytes, after: bytes) -> None:
    event = Event.objects.get(event_id=name)
    assert before in bytes(event.body or b"")
    with force.by_force():
        Event.objects.filter(pk=event.pk).update(body=bytes(event.body or b"").replace(before, after))


def test_nothing_that_differs_goes_unseen() -> None:
    _week()
    for name, (breaks, codes) in BROKEN.items():
        undo = transaction.savepoint()
        with force.by_force():
            breaks()
        assert set(_found()) == codes, name
        assert set(_open()) == codes, name
        transaction.savepoint_rollback(undo)
    assert _found() == {}


def test_a_live_status_that_no_settlement_explains_is_found() -> None:
    _week()
    document = telling.document("ORDER_FINAL_STATEMENT:order:ord_4:beneficiary")
    before = {"payout_status": document.payout_status, "settled_by": document.settled_by}
    with force.by_force():
        Document.objects.filter(pk=document.pk).update(payout_status="SENT")
    assert _found() == {"payout_status_differs": 1}
    found = Discrepancy.objects.get(resolved_at=None)
    assert (found.document, found.country_id) == (document, "ES")
    assert found.facts == {
        "currency": "EUR",
        "shown": "SENT",
        "shown_by": None,
        "settlements_say": "PENDING",
        "settlements_by": None,
    }
    with force.by_force():
        Document.objects.filter(pk=document.pk).update(**before)


def test_a_finding_carries_both_amounts_and_their_difference() -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_1").update(closing_minor=-150)
    _run()
    found = Discrepancy.objects.get(code="balance_chain_broken")
    assert found.facts == {
        "currency": "EUR",
        "payout": "po_2",
        "payout_before": "po_1",
        "opening": "-2.00",
        "closing_before": "-1.50",
        "difference": "-0.50",
    }
    assert found.document == Payout.objects.get(payout_id="po_2").statement


@pytest.mark.django_db(transaction=True)
def test_a_document_that_does_not_add_up_is_found(stack: services.Stack) -> None:
    telling.told([making.order("ord_1"), making.order("ord_2")])
    with psycopg.connect(stack.superuser_url, autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE documents_document SET total_minor = 1001 WHERE subject = 'order:ord_1'")
        superuser.execute("UPDATE documents_document SET content = '{}' WHERE subject = 'order:ord_2'")
    assert _found() == {"document_does_not_add_up": 2}
    laws = set(Discrepancy.objects.values_list("facts__law", "facts__stated", "facts__found", "facts__difference"))
    assert laws == {
        ("row_total", "10.01", "10.00", "0.01"),
        ("unreadable", None, None, None),
    }


# -- telling --


def test_the_same_difference_is_told_once_however_often_it_is_found() -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    assert (_run().opened, _run().opened) == (2, 0)
    assert Discrepancy.objects.count() == 2
    assert Alert.objects.filter(resolved_at=None, dedup_key__startswith="discrepancy:reconciliation:").count() == 2


def test_what_agrees_again_is_let_go_of_with_its_alert() -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    _run()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=100)
    summary = _run()
    assert (summary.clean, summary.resolved, _open()) == (True, 2, [])
    assert not Alert.objects.filter(resolved_at=None, dedup_key__startswith="discrepancy:").exists()
    assert set(Discrepancy.objects.values_list("resolution", flat=True)) == {"no_difference"}


@pytest.mark.django_db(transaction=True)
def test_money_that_came_back_while_it_was_found_paid_twice_is_let_go_of_by_the_next_run() -> None:
    telling.told(
        [
            making.order("ord_1"),
            making.payout("po_1", "10.00", orders=["ord_1"]),
            making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-24T07:00:00Z"),
        ]
    )
    back = making.reversal("po_2", "10.00", at="2026-02-25T10:00:00Z")
    with rivals.overtaken(after="least(greatest(s.settled", by=lambda: telling.tell(back)):
        _run()
    assert _open() == ["paid_twice"]
    assert (_run().resolved, _open()) == (1, [])


def test_a_difference_that_grows_is_told_anew() -> None:
    _week()
    for amount in (101, 102):
        with force.by_force():
            Payout.objects.filter(payout_id="po_2").update(amount_minor=amount)
        _run()
    assert _open() == ["books_differ", "payout_and_statement_differ"]
    assert Discrepancy.objects.count() == 4


def test_what_a_person_has_accepted_is_not_told_again_unless_its_amounts_change() -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    _run()
    for row in Discrepancy.objects.all():
        discrepancies.resolve(
            dedup_key=row.dedup_key, resolution="one cent of rounding, let be", actor=telling.ACTOR, now=telling.NOW
        )
    summary = _run()
    assert (summary.clean, summary.accepted, _open()) == (True, 2, [])
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=102)
    assert _run().opened == 2


def test_an_order_paid_twice_is_a_finding_and_has_one_discrepancy() -> None:
    telling.told(
        [
            making.order("ord_1"),
            making.payout("po_1", "10.00", orders=["ord_1"]),
            making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-24T07:00:00Z"),
        ]
    )
    summary = _run()
    assert (summary.findings, summary.opened) == ({"paid_twice": 1}, 0)
    assert summary.books["ES", "EUR"]["overpaid"] == 1000
    before = Discrepancy.objects.get().facts
    with force.by_force():
        Discrepancy.objects.all().delete()
    assert _run().opened == 1
    assert Discrepancy.objects.get().facts == before
    telling.told([making.reversal("po_2", "10.00")])
    assert _run().clean
    assert _open() == []


def test_one_country_is_looked_at_without_touching_what_is_known_of_another() -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    assert set(_found("ES")) == {"books_differ", "payout_and_statement_differ"}
    summary = _run("MX")
    assert (summary.clean, summary.documents, summary.resolved) == (True, 0, 0)
    assert _open() == ["books_differ", "payout_and_statement_differ"]


def test_a_ruin_is_told_in_part_and_nothing_is_called_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    _run()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=100)
        Settlement.objects.all().update(effective=False)
    monkeypatch.setattr(run, "FINDINGS_MAX", 2)
    summary = _run()
    assert (summary.truncated, summary.resolved) == (True, 0)
    assert Discrepancy.objects.filter(resolved_at=None, facts__amount="1.01").exists()


def test_it_reads_and_writes_nothing_but_discrepancies() -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    with CaptureQueriesContext(connection) as asked:
        _run()
    written = re.findall(r"(?m)(?:INSERT INTO|DELETE FROM|^UPDATE) \"?(\w+)", "\n".join(one["sql"] for one in asked))
    assert {name for name in written if not name.startswith("audit_")} == {"documents_discrepancy", "documents_alert"}


def test_it_asks_no_more_questions_of_more_rows() -> None:
    # One wide range of each table: how many ranges there are depends on the ids that earlier tests used up.
    walk = [findings.KeyRange(over=over, low=1, high=2**31) for over in checks.RANGES]
    counts = []
    for week in range(2):
        telling.told([making.order(f"ord_{week}_{n}") for n in range(12)])
        telling.told([making.payout(f"po_{week}", "120.00", orders=[f"ord_{week}_{n}" for n in range(12)])])
        with CaptureQueriesContext(connection) as asked:
            assert run.run(walk=walk, now=telling.NOW, actor=tasks.ACTOR).clean
        # An outage that a busy machine sees meanwhile opens an alert of its own.
        counts.append([one["sql"] for one in asked if "documents_alert" not in one["sql"]])
    assert len(counts[0]) == len(counts[1]), "\n".join(counts[1])


# -- the command and the schedule --


def _call(**options: Any) -> tuple[int, str]:
    told = io.StringIO()
    try:
        call_command("reconcile_payouts", stdout=told, stderr=io.StringIO(), **options)
    except SystemExit as exited:
        return int(exited.code or 0), told.getvalue()
    return 0, told.getvalue()


def test_the_command_ends_with_0_when_clean_and_2_with_findings() -> None:
    _week()
    code, told = _call()
    assert (code, "todo cuadra" in told) == (0, True)
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    code, told = _call()
    assert code == 2
    assert "books_differ: 1" in told
    code, told = _call(json=True, country="ES")
    said = json.loads(told)
    assert (code, said["clean"], said["country"], said["findings"]) == (
        2,
        False,
        "ES",
        {"books_differ": 1, "payout_and_statement_differ": 1},
    )
    assert said["books"][0]["difference"] == "-0.01"


def test_the_command_knows_its_countries() -> None:
    with pytest.raises(CommandError, match=r"'XX' is no country here; known: .*ES"):
        call_command("reconcile_payouts", country="XX")


def test_broken_off_it_keeps_what_it_found_and_resolves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)

    def broken_off(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_resolve", broken_off)
    assert _call()[0] == 130
    assert _open() == ["books_differ", "payout_and_statement_differ"]


def test_the_schedule_rings_a_task_that_exists_and_reconciles() -> None:
    _week()
    with force.by_force():
        Payout.objects.filter(payout_id="po_2").update(amount_minor=101)
    row = schedule.SCHEDULE["reconcile"]
    app.loader.import_default_modules()
    app.tasks[str(row["task"])].run()
    assert _open() == ["books_differ", "payout_and_statement_differ"]
