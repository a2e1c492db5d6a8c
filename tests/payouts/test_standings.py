"""What a document stands for follows from what the platform's services sent, in whatever order."""

import pytest
from django.utils import translation

from documents import identifiers, standings
from documents.models import Document
from documents.wording.outcomes import Fate
from payouts.review import corrections
from tests.documents import center
from tests.payouts import arrival, making, telling

pytestmark = pytest.mark.django_db
OFS = "ORDER_FINAL_STATEMENT:order:ord_1:beneficiary"
PS, PS_2 = "PAYOUT_STATEMENT:payout:po_1:payee", "PAYOUT_STATEMENT:payout:po_2:payee"
PRN = "PAYOUT_REVERSAL_NOTICE:payout:po_1:payee"
PR = "PAYMENT_RECEIPT:payment:pay_1:customer"
KINDS = {"PAYOUT_RETURNED": "returned", "PAYOUT_FAILED": "failed"}


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def standing(key: str) -> standings.DocumentStanding:
    """Return what a document stands for, in Spanish."""
    with translation.override("es"):
        return standings.of(document=telling.document(key))


@pytest.mark.parametrize("arrival", arrival.orders(range(4)))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_payout_that_did_not_arrive_says_so_with_its_notice_and_with_what_replaces_it(
    kind: str, arrival: tuple[int, ...]
) -> None:
    events = [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "10.00", kind=kind),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-25T07:00:00Z", replaces="po_1"),
    ]
    telling.told([events[place] for place in arrival])
    notice, second = telling.document(f"{PRN}:{KINDS[kind]}"), telling.document(PS_2)
    first = standing(PS)
    assert first.outcomes == (Fate(KINDS[kind]), Fate.REPLACED)
    assert first.changed
    assert "transferido" not in first.label
    assert "enviado un pago" not in first.letter
    assert notice.number in first.letter
    assert second.number in first.letter
    assert standing(PS_2).outcomes == (Fate.SENT, Fate.REPLACES)
    of_notice = standing(notice.document_key_id)
    assert of_notice.outcomes == (Fate(KINDS[kind]), Fate.CONCERNS, Fate.REPLACED)
    assert telling.document(PS).number in " ".join(of_notice.public)
    assert standing(OFS).outcomes == (Fate.PAID, Fate.SETTLED)


def test_a_period_that_leaves_a_debt_says_so_until_the_next_payout_has_opened_with_it() -> None:
    telling.told([making.order("ord_1", lines=[making.line("-5.32", kind="PLATFORM_FEE")])])
    assert standing(OFS).outcomes == (Fate.NEGATIVE,)
    telling.told([making.period_closed("po_1", orders=["ord_1"], closing="-5.32")])
    assert standing(OFS).outcomes == (Fate.DEDUCTED, Fate.SETTLED)
    closed = standing(PS)
    assert closed.outcomes == (Fate.CLOSED, Fate.OWING)
    assert closed.remarks[-1].text == "Debes 5,32 EUR: se descuentan de tu próximo pago."
    order, at = making.order("ord_2", at="2026-02-24T10:00:00Z"), "2026-03-01T07:00:00Z"
    telling.told([order, making.payout("po_2", "4.68", orders=["ord_2"], opening="-5.32", at=at)])
    assert standing(PS).outcomes == (Fate.CLOSED, Fate.CARRIED_ON)


def test_a_receipt_names_each_credit_note_with_its_cause_and_the_note_names_the_receipt() -> None:
    telling.told([making.payment("pay_1", "10.00", [making.line("10.00")]), making.dispute("dsp_1", "pay_1", "4.00")])
    receipt, by_dispute = telling.document(PR), telling.document("CREDIT_NOTE:dispute:dsp_1:customer")
    assert standing(PR).outcomes == (Fate.PAID_BY_CUSTOMER, Fate.CREDITED_IN_PART)
    assert f"Corregido por {by_dispute.number} (disputa perdida), en parte" in standing(PR).public[0]
    telling.told([making.cancellation("pay_1", at="2026-02-22T10:00:00Z")])
    canceled = telling.document("CREDIT_NOTE:payment:pay_1:customer:canceled")
    assert standing(PR).outcomes == (Fate.CREDITED_WHOLLY,)
    named = f"{by_dispute.number} (disputa perdida), {canceled.number} (cancelación del pago)"
    assert standing(PR).public == (f"Corregido por {named}, por completo.",)
    for note, outcome in ((by_dispute, Fate.DISPUTED), (canceled, Fate.PAYMENT_CANCELED)):
        assert standing(note.document_key_id).outcomes == (outcome,)
        assert f"Corrige {receipt.number}" in standing(note.document_key_id).public[0]


def test_many_credit_notes_are_counted_and_not_all_named() -> None:
    events = [making.dispute(f"dsp_{place}", "pay_1", "1.00") for place in range(7)]
    telling.told([making.payment("pay_1", "10.00", [making.line("10.00")]), *events])
    (text,) = standing(PR).public
    assert text.count("(disputa perdida)") == standings.NOTES_MAX
    assert "+2" in text


def test_an_adjustment_and_its_order_name_each_other() -> None:
    telling.told([making.order("ord_1"), making.adjustment("adj_1", "ord_1")])
    first, second = telling.document(OFS), telling.document(f"{OFS}:adj_1")
    assert standing(OFS).outcomes == (Fate.PENDING, Fate.ADJUSTED)
    assert standing(f"{OFS}:adj_1").outcomes == (Fate.PENDING, Fate.COMPLETES)
    assert second.number in standing(OFS).public[0]
    assert first.number in standing(f"{OFS}:adj_1").public[0]
    assert not standing(OFS).changed


def test_a_refund_that_failed_says_so_on_its_note_and_on_the_receipt_until_another_replaces_it() -> None:
    lines = [making.line("10.00", kind="REFUND_ITEM")]
    telling.told([making.payment("pay_1", "10.00", [making.line("10.00")]), making.refund("rf_1", "pay_1", lines)])
    key = "CREDIT_NOTE:refund:rf_1:customer"
    assert standing(key).outcomes == (Fate.REFUNDED,)
    telling.told([making.refund_failed("rf_1", "pay_1")])
    assert standing(key).outcomes == (Fate.REFUNDED, Fate.REFUND_FAILED)
    assert "no te llegó" in standing(key).changes
    assert "(devolución que aún no ha llegado)" in standing(PR).public[0]
    telling.told([making.refund("rf_2", "pay_1", lines, replaces="rf_1")])
    assert standing(key).outcomes == (Fate.REFUNDED,)
    assert "(devolución)" in standing(PR).public[0]


def test_a_reassigned_order_names_its_credit_note_to_who_had_it_and_the_former_statement_to_who_has_it() -> None:
    telling.told([making.order("ord_1"), making.reassignment("ra_1", "ord_1")])
    former, note = telling.document(OFS), telling.document("CREDIT_NOTE:reassignment:ra_1:beneficiary")
    assert standing(OFS).outcomes == (Fate.CREDITED_WHOLLY,)
    assert standing(OFS).public == (f"Corregido por {note.number} (reasignación del pedido), por completo.",)
    assert not {badge.text for badge in standing(OFS).badges} & {"Pago pendiente", "Pago enviado"}
    assert standing(note.document_key_id).outcomes == (Fate.REASSIGNED,)
    new = standing("ORDER_FINAL_STATEMENT:reassignment:ra_1:beneficiary")
    assert new.outcomes == (Fate.PENDING, Fate.TAKES_OVER)
    assert former.number in new.public[0]


def test_a_reassigned_order_of_which_nothing_remained_says_who_has_it_now_although_there_is_no_note() -> None:
    telling.told([making.order("ord_1")])
    finance = center.staff(roles=["finance"], countries=["ES"], name="fina").user
    corrections.correct(
        document=telling.document(OFS),
        correction_id=identifiers.new(prefix="cor"),
        parts=None,
        reason="El viaje no se hizo en realidad",
        user=finance,
        now=telling.NOW,
        actor=telling.ACTOR,
    )
    telling.told([making.reassignment("ra_1", "ord_1")])
    following = telling.document("ORDER_FINAL_STATEMENT:reassignment:ra_1:beneficiary").number
    assert not Document.objects.filter(kind="CREDIT_NOTE", subject__startswith="reassignment:").exists()
    assert Fate.HANDED_ON in standing(OFS).outcomes
    assert any(following in said for said in standing(OFS).public)
    assert standing(OFS).changed


def test_an_order_that_was_canceled_says_so_whoever_had_it_then() -> None:
    adjusted = [making.adjustment("adj_1", "ord_1")]  # made before the order became somebody else's
    telling.told([making.order("ord_1"), *adjusted, making.reassignment("ra_1", "ord_1")])
    telling.told([making.cancellation("ord_1", at="2026-02-20T10:00:00Z", kind="ORDER_CANCELED")])
    note = telling.document("CREDIT_NOTE:order:ord_1:beneficiary:canceled")
    assert standing(note.document_key_id).outcomes == (Fate.ORDER_CANCELED,)
    new = standing("ORDER_FINAL_STATEMENT:reassignment:ra_1:beneficiary")
    assert new.outcomes == (Fate.TAKES_OVER, Fate.ADJUSTED, Fate.CREDITED_WHOLLY)
    assert f"Corregido por {note.number} (cancelación del pedido), por completo." in new.public
    telling.told(
        [making.order("ord_2"), making.cancellation("ord_2", at="2026-02-20T10:00:00Z", kind="ORDER_CANCELED")]
    )
    of_adjustment = standing("ORDER_FINAL_STATEMENT:reassignment:ra_1:beneficiary:adj_1")
    assert "(cancelación del pedido)" in of_adjustment.public[-1]
    assert standing("CREDIT_NOTE:order:ord_2:beneficiary:canceled").outcomes == (Fate.ORDER_CANCELED,)


def test_a_payout_that_was_canceled_after_it_was_sent_says_so_with_its_notice() -> None:
    events = [making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])]
    telling.told([*events, making.cancellation("po_1", at="2026-02-24T10:00:00Z", kind="PAYOUT_CANCELED")])
    notice = telling.document(f"{PRN}:canceled")
    assert standing(PS).outcomes == (Fate.CANCELED,)
    assert notice.number in standing(PS).public[0]
    assert standing(notice.document_key_id).outcomes == (Fate.CANCELED, Fate.CONCERNS)
