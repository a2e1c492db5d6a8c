"""A scene for each cell of the table of outcomes: a document that stands for it, made as the line leaves its rows."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone

from documents.models import Document, Kind, Party, PayoutStatus, RefundStatus
from documents.wording.outcomes import Fate
from payouts.models import Reassignment
from tests import factories
from tests.services import force

SceneMaker = Callable[[Party], Document]
STATEMENT = Kind.ORDER_FINAL_STATEMENT
TOTALS = {"included": "-5.32", "adjustments": "0.00", "withheld": "0.00", "cash_collected": "0.00"}


def document(kind: Kind, owner: Party, **more: Any) -> Document:
    """Return a document of now, whose links are open."""
    return factories.document(kind=kind, owner=owner, now=timezone.now(), **more)


def statement(owner: Party, *, total: int = 2188, paid: bool = False, payout: bool = False) -> Document:
    """Return an order's statement; `payout`: with the statement of the payout that settles it."""
    made = document(STATEMENT, owner, total_minor=total)
    by = document(Kind.PAYOUT_STATEMENT, owner) if payout else None
    if paid:
        with force.by_force():
            Document.objects.filter(pk=made.pk).update(payout_status=PayoutStatus.SENT, settled_by=by)
        made.refresh_from_db()
    return made


def failed_refund(owner: Party) -> Document:
    """Return the credit note of a refund whose money did not arrive."""
    made = noted(Kind.PAYMENT_RECEIPT, owner, about="refund:rf_1:customer")
    with force.by_force():
        Document.objects.filter(pk=made.pk).update(refund_status=RefundStatus.FAILED)
    made.refresh_from_db()
    return made


def supplement(owner: Party, *, first: Document) -> Document:
    """Return the statement of an adjustment."""
    about = f"{first.subject}:beneficiary:adj_1"
    return document(
        STATEMENT,
        owner,
        about=about,
        corrects=first,
        body={"adjustment": {"id": "adj_1", "reason": "LATE_TIP", "corrects": first.number}},
    )


def note(owner: Party, *, about: str, of: Document, total: int | None = None) -> Document:
    """Return a credit note of a document, of all of it unless stated."""
    return document(
        Kind.CREDIT_NOTE, owner, about=about, corrects=of, total_minor=of.total_minor if total is None else total
    )


def credited(kind: Kind, owner: Party, *, about: str, total: int | None = None) -> Document:
    """Return a document that has a credit note."""
    made = document(kind, owner)
    note(owner, about=about, of=made, total=total)
    return made


def noted(kind: Kind, owner: Party, *, about: str, total: int = 2188) -> Document:
    """Return the credit note of a document."""
    return note(owner, about=about, of=document(kind, owner, total_minor=total))


def payout(owner: Party, *, name: str = "po_1", amount: int = 2188, closing: str = "0.00", **body: object) -> Document:
    """Return a payout's statement."""
    totals = {**TOTALS, "opening_carry_over": "0.00", "closing_carry_over": closing, "amount": f"{amount / 100:.2f}"}
    content = {"totals": totals, **body}
    return document(Kind.PAYOUT_STATEMENT, owner, about=f"payout:{name}:payee", total_minor=amount, body=content)


def ended(owner: Party, outcome: str) -> Document:
    """Return the statement of a payout whose money its payee does not have."""
    made = payout(owner)
    notice(owner, outcome)
    return made


def notice(owner: Party, outcome: str) -> Document:
    """Return the notice of such a payout."""
    return document(Kind.PAYOUT_REVERSAL_NOTICE, owner, about=f"payout:po_1:payee:{outcome}")


def replacing(owner: Party) -> Document:
    """Return the statement of a payout that replaces `po_1`."""
    return payout(owner, name="po_2", replaces="po_1")


def taken_over(owner: Party) -> Document:
    """Return the statement of an order's new owner; the former one is somebody else."""
    former = factories.party(platform_id="drv_former", legal_name="Beto Salas", email="beto@example.com")
    first = document(STATEMENT, former)
    note(former, about="reassignment:rea_1:beneficiary", of=first)
    reassignment = {"id": "rea_1", "reason": "WRONG_DRIVER", "replaces": first.number}
    return document(STATEMENT, owner, about="reassignment:rea_1:beneficiary", body={"reassignment": reassignment})


def handed_on(owner: Party) -> Document:
    """Return the statement of nothing of an order that is somebody else's now."""
    made = document(STATEMENT, owner, total_minor=0)
    to = factories.party(platform_id="drv_next", legal_name="Beto Salas", email="beto@example.com")
    following = document(STATEMENT, to, about="reassignment:rea_1:beneficiary", total_minor=0)
    order, facts = made.subject.partition(":")[2], {"made_at": timezone.now(), "event": following.event}
    with force.by_force():
        Reassignment.objects.create(reassignment_id="rea_1", order_id=order, former=owner, owner=to, **facts)
    return made


def carried_on(owner: Party) -> Document:
    """Return the statement of a payout that left a debt, with which the next one has opened."""
    made = payout(owner, amount=0, closing="-5.32")
    payout(owner, name="po_2")
    return made


def replaced(owner: Party) -> Document:
    """Return the statement of a payout that another one replaces."""
    made = payout(owner)
    replacing(owner)
    return made


def replaced_notice(owner: Party) -> Document:
    """Return the notice of a payout that another one replaces."""
    made = notice(owner, "failed")
    replacing(owner)
    return made


def concerning(owner: Party) -> Document:
    """Return the notice of a payout whose statement was issued."""
    payout(owner)
    return notice(owner, "returned")


def adjusted(owner: Party) -> Document:
    """Return the statement of an order that was adjusted."""
    made = statement(owner)
    supplement(owner, first=made)
    return made


def replaces(owner: Party) -> Document:
    """Return the statement of a payout that replaces one with a statement."""
    payout(owner)
    return replacing(owner)


_RECEIPT: Mapping[Fate, SceneMaker] = {
    Fate.PAID_BY_CUSTOMER: lambda owner: document(Kind.PAYMENT_RECEIPT, owner),
    Fate.CREDITED_IN_PART: lambda owner: credited(Kind.PAYMENT_RECEIPT, owner, about="refund:rf_1:customer", total=500),
    Fate.CREDITED_WHOLLY: lambda owner: credited(Kind.PAYMENT_RECEIPT, owner, about="payment:pay_1:customer:canceled"),
}
_STATEMENT: Mapping[Fate, SceneMaker] = {
    Fate.PENDING: statement,
    Fate.PAID: lambda owner: statement(owner, paid=True),
    Fate.ZERO: lambda owner: statement(owner, total=0),
    Fate.NEGATIVE: lambda owner: statement(owner, total=-532),
    Fate.DEDUCTED: lambda owner: statement(owner, total=-532, paid=True),
    Fate.SETTLED: lambda owner: statement(owner, paid=True, payout=True),
    Fate.COMPLETES: lambda owner: supplement(owner, first=statement(owner)),
    Fate.TAKES_OVER: taken_over,
    Fate.CREDITED_IN_PART: lambda owner: credited(STATEMENT, owner, about="correction:cor_1:beneficiary", total=500),
    Fate.CREDITED_WHOLLY: lambda owner: credited(STATEMENT, owner, about="reassignment:rea_1:beneficiary"),
    Fate.ADJUSTED: adjusted,
    Fate.HANDED_ON: handed_on,
}
_PAYOUT: Mapping[Fate, SceneMaker] = {
    Fate.SENT: payout,
    Fate.CLOSED: lambda owner: payout(owner, amount=0),
    Fate.OWING: lambda owner: payout(owner, amount=0, closing="-5.32"),
    Fate.CARRIED_ON: carried_on,
    Fate.REPLACES: replaces,
    Fate.REPLACED: replaced,
    Fate.FAILED: lambda owner: ended(owner, "failed"),
    Fate.RETURNED: lambda owner: ended(owner, "returned"),
    Fate.CANCELED: lambda owner: ended(owner, "canceled"),
}
_NOTICE: Mapping[Fate, SceneMaker] = {
    Fate.FAILED: lambda owner: notice(owner, "failed"),
    Fate.RETURNED: lambda owner: notice(owner, "returned"),
    Fate.CANCELED: lambda owner: notice(owner, "canceled"),
    Fate.CONCERNS: concerning,
    Fate.REPLACED: replaced_notice,
}
_NOTE: Mapping[Fate, SceneMaker] = {
    Fate.REFUNDED: lambda owner: noted(Kind.PAYMENT_RECEIPT, owner, about="refund:rf_1:customer"),
    Fate.REFUND_FAILED: failed_refund,
    Fate.DISPUTED: lambda owner: noted(Kind.PAYMENT_RECEIPT, owner, about="dispute:dsp_1:customer"),
    Fate.PAYMENT_CANCELED: lambda owner: noted(Kind.PAYMENT_RECEIPT, owner, about="payment:pay_1:customer:canceled"),
    Fate.CORRECTED: lambda owner: noted(Kind.PAYMENT_RECEIPT, owner, about="correction:cor_1:customer"),
    Fate.ORDER_CANCELED: lambda owner: noted(STATEMENT, owner, about="order:ord_1:beneficiary:canceled"),
    Fate.REASSIGNED: lambda owner: noted(STATEMENT, owner, about="reassignment:rea_1:beneficiary"),
    Fate.TAKEN: lambda owner: noted(STATEMENT, owner, about="correction:cor_1:beneficiary"),
    Fate.RELEASED: lambda owner: noted(STATEMENT, owner, about="order:ord_1:beneficiary:canceled", total=-532),
}
SCENES: Mapping[tuple[str, Fate], SceneMaker] = {
    (kind, outcome): scene
    for kind, scenes in (
        (Kind.PAYMENT_RECEIPT, _RECEIPT),
        (Kind.ORDER_FINAL_STATEMENT, _STATEMENT),
        (Kind.PAYOUT_STATEMENT, _PAYOUT),
        (Kind.PAYOUT_REVERSAL_NOTICE, _NOTICE),
        (Kind.CREDIT_NOTE, _NOTE),
    )
    for outcome, scene in scenes.items()
}
