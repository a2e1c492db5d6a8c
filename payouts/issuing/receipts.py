"""The receipt of a payment, the credit notes of its refunds, and what of a document may still be credited."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from audit import log
from documents import errors, locks, money
from documents.emission import issuing
from documents.events import effects, envelope, schema_parts, schemas, waiting
from documents.models import Document, Event, Kind
from payouts.calculation import amounts, crediting, totals
from payouts.issuing import credit_notes, parties, party_changes, retries, stated_totals
from payouts.issuing import terms as issuing_terms
from payouts.issuing.terms import IssuingTerms


@effects.holds_on_problem
def on_payment_captured(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the receipt of a payment; its total is the captured amount, to the cent.

    Held: the codes of `terms.resolve`, `tax_id_invalid`, `totals_mismatch`.
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.PaymentData", message.data)
    stated, time_zone = envelope.business_input(message=message), data.order.time_zone or terms.pack.time_zone
    date = terms.local_date(moment=data.payment.captured_at, time_zone=time_zone)
    customer = parties.check(party=data.customer, pack=terms.pack, pointer="/data/customer")
    sums = _captured(data=data, lines=stated["lines"], date=date, terms=terms)
    rows = parties.add_missing(named=[customer], message=message, actor=actor)
    printed = credit_notes.printed_amounts(lines=stated["lines"], sums=sums, prices=data.prices, terms=terms, date=date)
    draft = issuing.Draft(
        kind=Kind.PAYMENT_RECEIPT,
        subject=("payment", data.payment.id),
        audience="customer",
        pack=terms.pack,
        issuer=terms.issuer,
        owner=rows[data.customer.id],
        owner_facts=dict(customer.printed),
        currency=terms.currency,
        total_minor=sums.totals["gross"],
        operation_date=date,
        time_zone=time_zone,
        body={
            "payment": _some(stated["payment"], "id", "method", "brand", "last4"),
            "order": _some(stated["order"], "id", "service", "city"),
            **printed,
        },
        business_input=stated,
        flags=customer.flags,
    )
    waiting.wake(awaited=[f"payment:{data.payment.id}", *parties.awaited(platform_ids=rows)], now=now)
    issued = effects.Issued(documents=issuing.issue(drafts=[draft], event=event, now=now, actor=actor))
    return party_changes.keep_up(
        outcome=issued, named=[customer], rows=rows, event=event, message=message, now=now, actor=actor
    )


def _captured(
    *, data: schemas.PaymentData, lines: Sequence[Mapping[str, Any]], date: dt.date, terms: IssuingTerms
) -> amounts.Computed:
    """Return what the lines of a payment come to, which is what was captured.

    :raises errors.Problem: the codes of `IssuingTerms.rates`, `totals_mismatch`
    """
    rates, read = terms.rates(lines=lines, date=date), amounts.read_lines(lines=lines, digits=terms.digits)
    sums = totals.receipt(lines=read, rates=rates, prices=data.prices)
    given = _given(totals_stated=data.totals, pointer="/data/payment/amount", amount=data.payment.amount)
    stated_totals.check(given=given, sums=sums, lines=read, rates=rates, prices=data.prices, terms=terms)
    return sums


def lock_customer(*, message: envelope.EventMessage) -> None:
    """Lock the customer of a refund's payment; see `parties.lock_payee`.

    So of two credits of one payment at the same time, one of them held, either the other sees that one and lets it be
    tried again, or that one sees what the other has taken.
    """
    key = _receipt_key(payment=message.data.refund.payment_id)
    owner = Document.objects.filter(document_key_id=key).values_list("owner__platform_id", flat=True).first()
    parties.lock_party(platform_id=owner or "")


@effects.holds_on_problem
def on_refund_issued(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the credit note of a refund, at its receipt's own rates and within what remains of it.

    Waits for the payment's receipt. Held: the codes of `terms.resolve`, `tax_code_unknown`,
    `credit_exceeds_remaining`, `totals_mismatch`, and `time_implausible` for one that happened before its payment.
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.RefundData", message.data)
    payment = data.refund.payment_id
    receipt = _lock_receipt(payment=payment)
    # A receipt that has come since the customer was locked: the event waits, and is looked at again at once.
    if receipt is None or not locks.has(rank=locks.Rank.PARTY, keys=[(receipt.owner_id,)]):
        return effects.Waiting(missing=[f"payment:{payment}"])
    terms.require_match(document=receipt)
    content = json.loads(receipt.content)
    issued = _of_refund(refund=data.refund.id)
    try:
        if issued is None:
            _require_later(message=message, receipt=receipt, time_zone=content["time_zone"], terms=terms)
            note = _note(data=data, receipt=receipt, content=content, terms=terms)
        else:  # only compared with what was issued: what remains now says nothing about what remained then
            note = _Note(total_minor=issued.total_minor)
    except errors.Problem as problem:
        return effects.Held(problem=problem, awaits=[retries.credit_awaited(payment=payment)])
    draft = _draft(message=message, note=note, receipt=receipt, content=content, terms=terms)
    waiting.wake(awaited=[f"credit:{data.refund.id}"], now=now)
    if issued is None:
        retries.retry_credits(payment=payment, now=now, but=event)
    return effects.Issued(documents=issuing.issue(drafts=[draft], event=event, now=now, actor=actor))


def _refund_input(*, message: envelope.EventMessage, prices: str) -> dict[str, Any]:
    """Return the normalised data of a refund; `prices` that are the receipt's own say nothing."""
    stated = envelope.business_input(message=message)
    return {word: value for word, value in stated.items() if (word, value) != ("prices", prices)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Note:
    """What a refund's credit note says: its content, its total in minor units, its flags."""

    total_minor: int
    body: dict[str, Any] = dataclasses.field(default_factory=dict)
    flags: tuple[str, ...] = ()


def _draft(
    *,
    message: envelope.EventMessage,
    note: _Note,
    receipt: Document,
    content: Mapping[str, Any],
    terms: IssuingTerms,
) -> issuing.Draft:
    """Draft the credit note of a refund."""
    date = terms.local_date(moment=message.occurred_at, time_zone=content["time_zone"])
    return issuing.Draft(
        kind=Kind.CREDIT_NOTE,
        subject=("refund", message.data.refund.id),
        audience="customer",
        pack=terms.pack,
        issuer=terms.issuer,
        owner=receipt.owner,
        owner_facts=parties.printed(party=receipt.owner, pack=terms.pack, date=date),
        currency=terms.currency,
        total_minor=note.total_minor,
        operation_date=date,
        time_zone=content["time_zone"],
        body=note.body,
        business_input=_refund_input(message=message, prices=content["prices"]),
        flags=note.flags,
        corrects=receipt,
    )


def _note(*, data: schemas.RefundData, receipt: Document, content: Mapping[str, Any], terms: IssuingTerms) -> _Note:
    """Return what the credit note of a refund says.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`, `totals_mismatch`
    """
    lines, sums, prices = _refunded(data=data, receipt=receipt, content=content, terms=terms)
    settled = None
    if data.totals:
        stated = {word: money.minor(amount, terms.digits) for word, amount in data.totals.model_dump().items()}
        settled = crediting.as_stated(computed=sums, stated=stated, prices=prices)
    taken = settled.credited if settled else sums
    stated_totals.check(
        given=_given(
            totals_stated=None if settled else data.totals, pointer="/data/refund/amount", amount=data.refund.amount
        ),
        sums=taken,
        lines=amounts.read_lines(lines=lines, digits=terms.digits) if data.lines else (),
        rates={row["code"]: money.rate(row["rate"]) for row in content["tax_groups"]},
        prices=prices,
        terms=terms,
    )
    body = {
        "original": credit_notes.named(original=receipt),
        "refund": {"id": data.refund.id, "reason": data.refund.reason},
        **credit_notes.printed_amounts(
            lines=lines, sums=taken, prices=prices, terms=terms, date=receipt.operation_date
        ),
    }
    flags = ("rounded_at_close",) if settled and settled.rounded else ()
    return _Note(body=body, total_minor=taken.totals["gross"], flags=flags)


def _given(*, totals_stated: schema_parts.NetTaxGross | None, pointer: str, amount: str | None) -> stated_totals.Stated:
    """Return what an event states, by the pointers: its totals, and the amount that was moved."""
    stated = totals_stated.model_dump() if totals_stated else {}
    given = {f"/data/totals/{word}": (word, text) for word, text in stated.items()}
    return given | ({pointer: ("amount", amount)} if amount is not None else {})


def _refunded(
    *, data: schemas.RefundData, receipt: Document, content: Mapping[str, Any], terms: IssuingTerms
) -> tuple[Sequence[Mapping[str, Any]], amounts.Credited, amounts.Prices]:
    """Return the lines that a refund gives back, what they come to, and how they are priced.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`
    """
    if data.lines is None:
        gross_minor = money.minor(data.refund.amount or "", terms.digits)
        lines, sums = credit_notes.of_amount(
            gross_minor=gross_minor,
            original=receipt,
            content=content,
            terms=terms,
            kind="REFUND_ITEM",
            label="Devolución",
            pointer="/data/refund/amount",
        )
        return lines, sums, "gross"
    stated, prices = [line.model_dump(exclude_none=True) for line in data.lines], data.prices or content["prices"]
    return (
        stated,
        credit_notes.credit(lines=stated, original=receipt, content=content, terms=terms, prices=prices),
        prices,
    )


def _require_later(*, message: envelope.EventMessage, receipt: Document, time_zone: str, terms: IssuingTerms) -> None:
    """Refuse to give back money before it was taken; on the day of the payment its moment decides.

    :raises errors.Problem: `time_implausible`
    """
    day = terms.local_date(moment=message.occurred_at, time_zone=time_zone)
    captured_at = _captured_at(receipt=receipt) if day == receipt.operation_date else None
    if day < receipt.operation_date or (captured_at is not None and message.occurred_at < captured_at):
        values = {"cause": "before_payment", "document": receipt.number}
        raise errors.problem_at(pointer="/occurred_at", code="time_implausible", values=values)


def _captured_at(*, receipt: Document) -> dt.datetime | None:
    """Return the moment of a receipt's payment; None once the raw body of its event has been stripped."""
    body = Event.objects.values_list("body", flat=True).get(pk=receipt.event_id)
    if body is None:
        return None
    return cast("schemas.PaymentData", envelope.parse(payload=json.loads(bytes(body))).data).payment.captured_at


def _lock_receipt(*, payment: str) -> Document | None:
    """Return a payment's receipt, locked so that two refunds never see the same remainder."""
    return credit_notes.lock_document(key=_receipt_key(payment=payment))


def _receipt_key(*, payment: str) -> str:
    return issuing.key(kind=Kind.PAYMENT_RECEIPT, subject=("payment", payment), audience="customer")


def _of_refund(*, refund: str) -> Document | None:
    """Return the credit note of a refund, if it has been issued."""
    key = issuing.key(kind=Kind.CREDIT_NOTE, subject=("refund", refund), audience="customer")
    return Document.objects.filter(document_key_id=key).first()


def _some(block: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return those members of a block that are printed."""
    return {name: block[name] for name in names if name in block}
