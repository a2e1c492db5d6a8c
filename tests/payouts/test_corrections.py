"""What finance credits of a receipt: at its own rates, once for each decision, and never more than remains."""

import json
import threading
from typing import Any

import pytest
from django.db import connections

from audit import log
from audit.models import Event as LogEvent
from documents import errors, identifiers, presentation
from documents.emission import issuing
from documents.models import Document, Event, Series
from documents.rendering import render
from payouts.issuing.credit_notes import CreditedAmount
from payouts.reconciliation import run
from payouts.review import corrections
from tests import cast
from tests.documents import pdf_reading
from tests.payouts import making, telling

PR = "PAYMENT_RECEIPT:payment:pay_1:customer"
LINES = [making.line("10.05", tax="IVA21"), making.line("10.05", name="2", tax="IVA10"), making.line("1.00", name="3")]
GROSS = "24.22"  # 21.10 net, 2.11 and 1.01 of tax
REASON = "El cliente pagó un trayecto que no se hizo"


class Corrector:
    """Somebody of finance, and a receipt."""

    def __init__(self) -> None:
        telling.issuers()
        self.sofia = cast.staff(name="sofia", roles=["finance"], countries=["ES"])

    @staticmethod
    def receipt(**more: Any) -> Document:
        telling.told([making.payment("pay_1", more.pop("amount", GROSS), more.pop("lines", LINES), **more)])
        return telling.document(PR)

    def correct(
        self,
        document: Document,
        parts: list[CreditedAmount] | None = None,
        *,
        by: cast.Member | None = None,
        name: str = "",
        reason: str = REASON,
        gross_minor: int | None = None,
    ) -> issuing.IssuedDocument:
        who = by or self.sofia
        return corrections.correct(
            document=document,
            correction_id=name or identifiers.new(prefix="cor"),
            parts=parts,
            gross_minor=gross_minor,
            reason=reason,
            user=who.user,
            now=telling.NOW,
            actor=log.Actor(kind="user", id=f"usr_{who.user.pk}", role="finance", channel="web"),
        )


@pytest.fixture
def finance(db: None) -> Corrector:
    return Corrector()


def _refused(finance: Corrector, code: str, document: Document, *args: Any, **more: Any) -> None:
    before = Document.objects.count(), list(Series.objects.values_list("code", "next")), Event.objects.count()
    with pytest.raises(errors.Problem) as refused:
        finance.correct(document, *args, **more)
    assert refused.value.code == code
    assert before == (Document.objects.count(), list(Series.objects.values_list("code", "next")), Event.objects.count())


def test_a_full_correction_credits_all_and_the_receipt_shows_it(finance: Corrector) -> None:
    receipt = finance.receipt()
    note = finance.correct(receipt, name="cor_" + "a" * 26).document
    content = json.loads(note.content)
    assert note.document_key_id == "CREDIT_NOTE:correction:cor_" + "a" * 26 + ":customer"
    assert content["totals"] == {"net": "21.10", "tax": "3.12", "gross": GROSS}
    assert content["original"]["content_sha256"] == receipt.content_sha256
    assert content["correction"] == {"id": "cor_" + "a" * 26, "reason": REASON}
    assert (note.owner_id, note.corrects_id) == (receipt.owner_id, receipt.pk)
    shown = presentation.document(document=receipt)
    assert (shown["corrected_by"], shown["remaining_creditable"]) == ([note.document_key_id], "0.00")
    _refused(finance, "already_credited", receipt)


def test_a_round_gross_is_credited_and_the_rest_leaves_nothing(finance: Corrector) -> None:
    receipt = finance.receipt()
    note = finance.correct(receipt, gross_minor=1000, name="cor_" + "b" * 26).document
    assert json.loads(note.content)["totals"]["gross"] == "10.00"
    again = finance.correct(receipt, gross_minor=1000, name="cor_" + "b" * 26)
    assert (again.replayed, again.document.pk) == (True, note.pk)
    _refused(finance, "document_key_conflict", receipt, gross_minor=1001, name="cor_" + "b" * 26)
    _refused(finance, "credit_exceeds_remaining", receipt, gross_minor=1423)
    _refused(finance, "validation_error", receipt, gross_minor=0)
    finance.correct(receipt, gross_minor=1)
    finance.correct(receipt)
    assert sum(row.total_minor for row in Document.objects.filter(kind="CREDIT_NOTE")) == receipt.total_minor
    assert corrections.remaining_creditable(document=receipt) == []


def test_every_leaf_of_a_correction_stands_in_its_pdf(finance: Corrector) -> None:
    note = finance.correct(finance.receipt()).document
    content = json.loads(note.content)
    text = pdf_reading.squashed(pdf_reading.text(render.render(content=content, issued_at=note.issued_at).pdf))
    assert pdf_reading.unprinted(content=content, said=text) == []


def test_a_part_is_credited_at_the_receipts_rate_and_the_last_takes_the_rest(finance: Corrector) -> None:
    receipt = finance.receipt()
    parts = [finance.correct(receipt, [CreditedAmount(tax="IVA21", amount_minor=335)]).document for _ in range(3)]
    assert sum(note.total_minor for note in parts) == 1005 + 211
    assert {group.tax for group in corrections.remaining_creditable(document=receipt)} == {"IVA10", ""}
    _refused(finance, "credit_exceeds_remaining", receipt, [CreditedAmount(tax="IVA21", amount_minor=1)])
    rest = finance.correct(receipt).document
    assert sum(note.total_minor for note in parts) + rest.total_minor == receipt.total_minor


def test_refunds_and_corrections_share_what_remains(finance: Corrector) -> None:
    receipt = finance.receipt()
    telling.told([making.refund("rf_1", "pay_1", LINES[:1])])
    assert json.loads(finance.correct(receipt).document.content)["totals"]["gross"] == "12.06"
    body = telling.tell(making.refund("rf_2", "pay_1", [making.line("0.01")])).body
    assert (body["status"], body["code"]) == ("held", "credit_exceeds_remaining")


def test_prices_with_tax_inside_are_credited_to_the_cent(finance: Corrector) -> None:
    receipt = finance.receipt(amount="10.00", lines=[making.line("10.00", tax="IVA21")], prices="gross")
    first = finance.correct(receipt, [CreditedAmount(tax="IVA21", amount_minor=333)]).document
    assert first.total_minor == 333
    assert finance.correct(receipt).document.total_minor == 667


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([CreditedAmount(tax="IVA21", amount_minor=1006)], "credit_exceeds_remaining"),
        ([CreditedAmount(tax="IVA4", amount_minor=1)], "credit_exceeds_remaining"),
        ([CreditedAmount(tax="IGV18", amount_minor=1)], "tax_code_unknown"),
        ([CreditedAmount(tax="IVA21", amount_minor=-1)], "credit_exceeds_remaining"),
        ([CreditedAmount(tax="IVA21", amount_minor=0)], "validation_error"),
        ([], "validation_error"),
    ],
)
def test_no_correction_gives_back_what_was_not_paid(finance: Corrector, parts: list[CreditedAmount], code: str) -> None:
    _refused(finance, code, finance.receipt(), parts)


def test_money_that_moved_cannot_be_credited_away(finance: Corrector) -> None:
    sent = making.payout("po_1", "10.00", orders=["ord_1"])
    telling.told([making.order("ord_1"), sent, making.reversal("po_1", "10.00")])
    for key in ("PAYOUT_STATEMENT:payout:po_1:payee", "PAYOUT_REVERSAL_NOTICE:payout:po_1:payee:returned"):
        document = telling.document(key)
        assert corrections.remaining_creditable(document=document) == []
        _refused(finance, "credit_exceeds_remaining", document)


@pytest.mark.parametrize(
    ("roles", "countries", "code"),
    [(["support", "compliance", "admin"], ["ES"], "role_not_allowed"), (["finance"], ["MX"], "country_out_of_scope")],
)
def test_nobody_else_corrects_and_the_try_is_on_record(
    finance: Corrector, roles: list[str], countries: list[str], code: str
) -> None:
    receipt = finance.receipt()
    _refused(finance, code, receipt, by=cast.staff(name="other", roles=roles, countries=countries))
    assert LogEvent.objects.using("denials").get(outcome="denied").object_id == receipt.public_id


def test_no_correction_without_a_reason_and_the_reason_is_on_record(finance: Corrector) -> None:
    receipt = finance.receipt()
    for reason in ("", "corto", "con \u202e vuelta de tuerca", "a" * 201):
        _refused(finance, "validation_error", receipt, reason=reason)
    note = finance.correct(receipt).document
    entry = LogEvent.objects.get(action="document.corrected")
    assert (entry.object_id, entry.actor_id) == (receipt.public_id, f"usr_{finance.sofia.user.pk}")
    assert entry.detail.details == {"reason": REASON, "credit_note": note.public_id, "total": GROSS}


def test_a_form_sent_twice_credits_once_and_another_decision_with_its_id_is_refused(finance: Corrector) -> None:
    receipt, name = finance.receipt(), identifiers.new(prefix="cor")
    part = [CreditedAmount(tax="IVA21", amount_minor=100)]
    first, again = (finance.correct(receipt, part, name=name) for _ in range(2))
    assert (first.document, first.replayed, again.replayed) == (again.document, False, True)
    _refused(finance, "document_key_conflict", receipt, [CreditedAmount(tax="IVA21", amount_minor=101)], name=name)
    _refused(finance, "validation_error", receipt, name="cor_:x")


def test_the_books_agree_after_corrections(finance: Corrector) -> None:
    finance.correct(finance.receipt(), [CreditedAmount(tax="", amount_minor=50)])
    summary = run.run(walk=run.key_ranges(), now=telling.NOW, actor=log.SYSTEM)
    assert summary.findings == {}


@pytest.mark.django_db(transaction=True)
def test_eight_corrections_at_once_never_give_back_more_than_was_paid() -> None:
    finance = Corrector()
    receipt = finance.receipt()
    results: list[str] = []

    def credit() -> None:
        try:
            finance.correct(receipt, [CreditedAmount(tax="IVA21", amount_minor=400)])
            results.append("issued")
        except errors.Problem as problem:
            results.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=credit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["credit_exceeds_remaining"] * 6 + ["issued"] * 2
    assert Document.objects.filter(kind="CREDIT_NOTE").count() == 2
    assert Event.objects.filter(type=corrections.EVENT_TYPE).count() == 2


@pytest.mark.django_db(transaction=True)
def test_one_form_sent_eight_times_at_once_credits_once() -> None:
    finance = Corrector()
    receipt, name = finance.receipt(), identifiers.new(prefix="cor")
    results: list[bool] = []

    def credit() -> None:
        try:
            results.append(finance.correct(receipt, name=name).replayed)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=credit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [False] + [True] * 7
    assert Document.objects.filter(kind="CREDIT_NOTE").count() == 1


# -- of what is owed --

OFS = "ORDER_FINAL_STATEMENT:order:ord_1:beneficiary"
FARE = [making.line("10.00", tax="IVA10"), making.line("-2.00", name="2", kind="PLATFORM_FEE", tax="IVA21")]  # 8.58


def _statement(finance: Corrector, **more: Any) -> Document:
    telling.told([making.order("ord_1", **{"lines": FARE} | more)])
    return telling.document(OFS)


def _later(name: str, amount: str, **more: Any) -> dict[str, Any]:
    """Return a payout that is sent after the decision of the finance."""
    return making.payout(name, amount, at="2026-03-02T09:04:00Z", **more) | {"occurred_at": "2026-03-02T09:03:00Z"}


def test_what_is_credited_of_a_statement_is_taken_from_the_payout_that_lists_its_order(finance: Corrector) -> None:
    statement = _statement(finance)
    note = finance.correct(statement, [CreditedAmount(tax="IVA10", amount_minor=300)]).document
    assert (note.audience, note.owner_id, note.total_minor) == ("beneficiary", statement.owner_id, 330)
    assert telling.told([_later("po_1", "5.28", orders=["ord_1"])]) == ["processed"]
    content = json.loads(telling.document("PAYOUT_STATEMENT:payout:po_1:payee").content)
    credit = note.subject.partition(":")[2]
    assert [(row["order"], row.get("credit"), row["amount"]) for row in content["settles"]] == [
        ("ord_1", None, "8.58"),
        ("ord_1", credit, "-3.30"),
    ]
    taken = [row for row in content["explanation"] if row["number"] == note.number]
    assert [(row["rule"], row.get("rate"), row["amount"]) for row in taken] == [
        ("line", None, "-3.00"),
        ("tax", "0.1", "-0.30"),
    ]
    assert telling.document(OFS).payout_status == "SENT"
    summary = run.run(walk=run.key_ranges(), now=telling.NOW, actor=log.SYSTEM)
    assert summary.findings == {}


def test_a_credit_is_settled_by_name_and_a_payout_waits_for_it(finance: Corrector) -> None:
    statement, name = _statement(finance), "cor_" + "b" * 26
    settles = [{"order": "ord_1", "amount": "8.58"}, {"credit": name, "amount": "-3.30"}]
    waiting = _later("po_1", "5.28", settles=settles)
    assert telling.told([waiting]) == ["parked"]
    finance.correct(statement, [CreditedAmount(tax="IVA10", amount_minor=300)], name=name)
    telling.catch_up()
    assert telling.tell(waiting).body["status"] == "processed"


def test_a_held_payout_closes_by_itself_when_what_it_lacks_is_credited(finance: Corrector) -> None:
    statement = _statement(finance)
    short = _later("po_1", "5.28", orders=["ord_1"])
    assert telling.told([short]) == ["held"]
    finance.correct(statement, [CreditedAmount(tax="IVA10", amount_minor=300)])
    telling.catch_up()
    assert telling.tell(short).body["status"] == "processed"


def test_a_credit_made_after_a_payout_was_sent_is_none_of_its_business(finance: Corrector) -> None:
    statement = _statement(finance)
    finance.correct(statement, [CreditedAmount(tax="IVA10", amount_minor=300)])
    assert telling.told([making.payout("po_1", "5.28", orders=["ord_1"])]) == ["held"]
    assert telling.told([making.payout("po_2", "8.58", orders=["ord_1"])]) == ["processed"]


def test_no_more_is_taken_than_is_owed_whatever_was_withheld(finance: Corrector) -> None:
    held = {"name": "IRPF", "rate": "0.15", "base": "10.00", "amount": "1.50", "legal_ref": "RIRPF art. 95"}
    statement = _statement(finance, withholdings=[held])
    assert {(group.tax, group.gross_minor) for group in corrections.remaining_creditable(document=statement)} >= {
        ("", -150)
    }
    note = finance.correct(statement, [CreditedAmount(tax="IVA10", amount_minor=600)]).document
    assert note.total_minor == 660
    _refused(finance, "credit_exceeds_remaining", statement, [CreditedAmount(tax="IVA10", amount_minor=400)])
    shown = presentation.document(document=telling.document(OFS))
    assert (shown["remaining_creditable"], shown["corrected_by"]) == ("0.48", [note.document_key_id])
    rest = finance.correct(statement, None).document
    assert rest.total_minor == 48
    assert corrections.remaining_creditable(document=statement) == []
    assert presentation.document(document=rest)["remaining_creditable"] == "0.00"


def test_all_of_a_statement_with_a_withholding_is_credited_at_once(finance: Corrector) -> None:
    held = {"name": "IRPF", "rate": "0.15", "base": "10.00", "amount": "1.50", "legal_ref": "RIRPF art. 95"}
    statement = _statement(finance, withholdings=[held])
    note = finance.correct(statement, None).document
    assert note.total_minor == statement.total_minor
    lines = json.loads(note.content)["lines"]
    assert ("Descuento: retenciones fiscales y comisiones sin impuesto", "-1.50") in [
        (line["description"], line["amount"]) for line in lines
    ]


def test_nothing_of_a_statement_below_zero_can_be_credited(finance: Corrector) -> None:
    lines = [
        {"id": "f", "kind": "FARE", "description": "Carrera", "amount": "10.00"},
        {"id": "p", "kind": "PLATFORM_FEE", "description": "Comisión", "amount": "-40.00"},
    ]
    statement = _statement(finance, lines=lines)
    assert corrections.remaining_creditable(document=statement) == []
    _refused(finance, "already_credited", statement)


def test_a_statement_shows_nothing_creditable_until_some_of_it_has_been_credited(finance: Corrector) -> None:
    assert presentation.document(document=_statement(finance))["remaining_creditable"] is None


def test_the_note_says_that_it_takes_and_prints_every_leaf(finance: Corrector) -> None:
    note = finance.correct(_statement(finance)).document
    content = json.loads(note.content)
    text = pdf_reading.text(render.render(content=content, issued_at=note.issued_at).pdf)
    assert "Total descontado" in text
    assert "Descuento: conceptos con IVA10" in text
    said = pdf_reading.squashed(text)
    assert pdf_reading.unprinted(content=content, said=said) == []
