"""What a customer paid and got back: a receipt is the captured amount, and nobody is credited more than remains."""

import contextlib
import json
import threading
from typing import Any

import pytest
from django.db import OperationalError, connections

from documents.events.answers import Answer
from documents.models import Document, Event, EventStatus, Series
from tests.payouts import arrival, making, telling

PR = "PAYMENT_RECEIPT:payment"
CN = "CREDIT_NOTE:refund"
LINES = [making.line("10.05", tax="IVA21"), making.line("10.05", name="2", tax="IVA10"), making.line("1.00", name="3")]
TELLINGS_MAX = 5
GROSS = "24.22"  # 21.10 net, 2.11 and 1.01 of tax


@pytest.fixture
def _issuers(db: None) -> None:
    telling.issuers()


def _held(event: dict[str, Any], code: str) -> None:
    before = Document.objects.count(), list(Series.objects.values_list("code", "next"))
    body = telling.tell(event).body
    assert (body["status"], body.get("code"), body["documents"]) == ("held", code, [])
    assert (Document.objects.count(), list(Series.objects.values_list("code", "next"))) == before


def _totals(key: str) -> dict[str, str]:
    return dict(json.loads(telling.document(key).content)["totals"])


@pytest.mark.usefixtures("_issuers")
def test_a_receipts_total_is_the_captured_amount_or_it_is_held() -> None:
    _held(making.payment("pay_1", "24.21", LINES), "totals_mismatch")
    telling.told([making.payment("pay_1", GROSS, LINES) | {"id": "evt_mended"}])
    assert _totals(f"{PR}:pay_1:customer") == {"net": "21.10", "tax": "3.12", "gross": GROSS}


@pytest.mark.usefixtures("_issuers")
def test_stated_totals_off_by_one_cent_are_held_with_every_wrong_one_named() -> None:
    event = making.payment("pay_1", GROSS, LINES, totals={"net": "21.10", "tax": "3.11", "gross": "24.21"})
    _held(event, "totals_mismatch")
    errors = Event.objects.get(event_id="evt_pay_1").errors
    assert [fault["pointer"] for fault in errors] == ["/data/totals/tax", "/data/totals/gross"]


@pytest.mark.usefixtures("_issuers")
def test_a_receipt_prints_no_more_of_a_card_than_its_last_digits() -> None:
    telling.told(telling.sample("es_ride"))
    payment = json.loads(telling.document(f"{PR}:pay_01JM8:customer").content)["payment"]
    assert payment == {"id": "pay_01JM8", "method": "card", "brand": "visa", "last4": "4242"}


@pytest.mark.usefixtures("_issuers")
def test_a_currency_without_decimals_has_none_on_paper() -> None:
    event = making.payment("pay_1", "5355", [making.line("4500", tax="IVA19")])
    event |= {"country": "CL", "issuer": "aventide-cl"}
    event["data"]["currency"] = "CLP"
    telling.told([event])
    assert _totals(f"{PR}:pay_1:customer") == {"net": "4500", "tax": "855", "gross": "5355"}


@pytest.mark.usefixtures("_issuers")
def test_a_refund_waits_for_its_payment() -> None:
    body = telling.tell(making.refund("rf_1", "pay_1", LINES[:1])).body
    assert (body["status"], body["missing"]) == ("parked", ["payment:pay_1"])
    telling.told([making.payment("pay_1", GROSS, LINES)])
    assert telling.document(f"{CN}:rf_1:customer")
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


@pytest.mark.usefixtures("_issuers")
def test_a_credit_note_names_number_date_and_hash_of_what_it_corrects() -> None:
    telling.told([making.payment("pay_1", GROSS, LINES), making.refund("rf_1", "pay_1", LINES[:1])])
    receipt, note = telling.document(f"{PR}:pay_1:customer"), telling.document(f"{CN}:rf_1:customer")
    assert note.corrects_id == receipt.pk
    assert note.owner_id == receipt.owner_id
    assert json.loads(note.content)["original"] == {
        "number": receipt.number,
        "issue_date": receipt.issue_date.isoformat(),
        "content_sha256": receipt.content_sha256,
        "document_key": receipt.document_key_id,
    }


@pytest.mark.usefixtures("_issuers")
@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_partial_refunds_give_back_all_the_tax_and_not_a_cent_more(order: tuple[int, ...]) -> None:
    telling.told([making.payment("pay_1", "12.16", [making.line("10.05", tax="IVA21")])])
    parts = ["3.35", "3.35", "3.35"]  # each one's own tax is 0.70: three times that is not 2.11
    refunds = [
        making.refund(f"rf_{place}", "pay_1", [making.line(part, tax="IVA21")]) for place, part in enumerate(parts)
    ]
    telling.told([refunds[place] for place in order])
    notes = Document.objects.filter(kind="CREDIT_NOTE")
    assert sum(note.total_minor for note in notes) == 1216
    _held(making.refund("rf_9", "pay_1", [making.line("0.01", tax="IVA21")]), "credit_exceeds_remaining")


@pytest.mark.usefixtures("_issuers")
@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([making.line("10.06", tax="IVA21")], "credit_exceeds_remaining"),
        ([making.line("1.01")], "credit_exceeds_remaining"),
        ([making.line("1.00", tax="IVA4")], "credit_exceeds_remaining"),
        ([making.line("1.00", tax="IGV18")], "tax_code_unknown"),
    ],
)
def test_no_refund_gives_back_what_was_not_paid(lines: list[dict[str, str]], code: str) -> None:
    telling.told([making.payment("pay_1", GROSS, LINES)])
    _held(making.refund("rf_1", "pay_1", lines), code)


@pytest.mark.usefixtures("_issuers")
def test_a_refunds_stated_totals_must_match_but_for_a_cent_a_tax_group() -> None:
    telling.told([making.payment("pay_1", GROSS, LINES)])
    wrong = {"net": "10.05", "tax": "2.13", "gross": "12.18"}
    _held(making.refund("rf_1", "pay_1", LINES[:1], totals=wrong), "totals_mismatch")


@pytest.mark.usefixtures("_issuers")
def test_a_refund_in_another_issuers_name_is_held() -> None:
    telling.told(telling.sample("co_refund")[:1])
    event = telling.sample("co_refund")[1] | {"issuer": "aventide-co"}
    _held(event, "issuer_unknown")


@pytest.mark.usefixtures("_issuers")
def test_a_repeated_full_refund_is_the_old_note_and_not_one_too_many() -> None:
    full = making.refund("rf_1", "pay_1", LINES)
    telling.told([making.payment("pay_1", GROSS, LINES), full])
    answer = telling.tell(full | {"id": "evt_again"})
    assert (answer.status, answer.body["replayed"]) == (200, True)
    assert Document.objects.filter(kind="CREDIT_NOTE").count() == 1


def _told_at_last(event: dict[str, Any]) -> Answer:
    """Tell an event as a sender does, who is answered 503 where a lock is waited for too long."""
    for _ in range(TELLINGS_MAX - 1):
        with contextlib.suppress(OperationalError):
            return telling.tell(event)
    return telling.tell(event)


def _together(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tell events at the same moment, each on a connection of its own, and again what waited too long for a lock."""
    start, answers = threading.Barrier(len(events)), []

    def one(event: dict[str, Any]) -> None:
        try:
            start.wait(timeout=20)
            answers.append(_told_at_last(event))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=[event]) for event in events]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(answers) == len(events)
    return [{"http": answer.status} | answer.body for answer in answers]


@pytest.mark.usefixtures("committed_db")
def test_refunds_at_the_same_moment_never_share_a_remainder() -> None:
    telling.issuers()
    telling.told([making.payment("pay_1", "12.10", [making.line("10.00", tax="IVA21")])])
    answers = _together([making.refund(f"rf_{n}", "pay_1", [making.line("4.00", tax="IVA21")]) for n in range(8)])
    assert sorted(answer["status"] for answer in answers) == ["held"] * 6 + ["processed"] * 2
    notes = Document.objects.filter(kind="CREDIT_NOTE").order_by("sequence")
    assert [note.sequence for note in notes] == [1, 2]


@pytest.mark.usefixtures("committed_db")
def test_sixteen_tellers_of_one_order_and_its_payout_end_with_one_document_each() -> None:
    telling.issuers()
    orders = [making.order(f"ord_{n}") for n in range(4)]
    paid = making.payout("po_1", "40.00", orders=[f"ord_{n}" for n in range(4)])
    back = making.reversal("po_1", "40.00")
    answers = _together([event | {"id": f"{event['id']}_{n}"} for event in (*orders, paid, back) for n in range(3)])
    telling.catch_up()
    assert {answer["http"] for answer in answers} <= {200, 201, 202}
    assert Document.objects.count() == 6
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()
    statements = Document.objects.filter(kind="ORDER_FINAL_STATEMENT").order_by("sequence")
    assert [(row.sequence, row.payout_status) for row in statements] == [(n, "PENDING") for n in (1, 2, 3, 4)]
