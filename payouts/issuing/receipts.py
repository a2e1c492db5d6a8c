"""The receipt of a payment, and the credit note of a payment that is canceled."""

import datetime as dt
from collections.abc import Mapping
from typing import cast

from audit import log
from documents.emission import issuing
from documents.events import effects, envelope, schemas, undoing_schemas, waiting
from documents.models import Event, Kind, Party
from payouts.calculation import amounts, totals
from payouts.issuing import (
    cancellations,
    credit_notes,
    customer_credits,
    parties,
    party_changes,
    retries,
    stated_totals,
)
from payouts.issuing import terms as issuing_terms
from payouts.issuing.customer_credits import Note, Receipt
from payouts.issuing.terms import IssuingTerms

DISCRIMINATOR = "canceled"  # of the credit note of a canceled payment


@effects.holds_on_problem
def on_payment_captured(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the receipt of a payment; its total is the captured amount, to the cent.

    Ignored: one that was canceled before. Held: the codes of `terms.resolve`, `tax_id_invalid`, `totals_mismatch`.
    """
    data = cast("schemas.PaymentData", message.data)
    awaited = [envelope.subject(message=message)]
    if not customer_credits.is_issued(payment=data.payment.id) and cancellations.precedes(
        message=message, happened_at=data.payment.captured_at
    ):
        waiting.wake(awaited=awaited, now=now)
        return effects.Ignored(code=cancellations.CODE)
    terms = issuing_terms.resolve(message=message)
    customer = parties.check(party=data.customer, pack=terms.pack, pointer="/data/customer")
    date, sums = _checked(message=message, terms=terms)
    rows = parties.add_missing(named=[customer], message=message, actor=actor)
    owner = rows[data.customer.id]
    draft = _draft(message=message, customer=customer, owner=owner, date=date, sums=sums, terms=terms)
    waiting.wake(awaited=[*awaited, *parties.awaited(platform_ids=rows)], now=now)
    issued = effects.Issued(documents=issuing.issue(drafts=[draft], event=event, now=now, actor=actor))
    return party_changes.keep_up(
        outcome=issued, named=[customer], rows=rows, event=event, message=message, now=now, actor=actor
    )


def _checked(*, message: envelope.EventMessage, terms: IssuingTerms) -> tuple[dt.date, amounts.Computed]:
    """Return the legal day of a payment and what its lines come to, once its totals are those.

    :raises errors.Problem: `tax_code_unknown`, `tax_rate_not_in_force`, `totals_mismatch`
    """
    data, stated = cast("schemas.PaymentData", message.data), envelope.business_input(message=message)
    date = terms.local_date(moment=data.payment.captured_at, time_zone=data.order.time_zone)
    rates = terms.rates(lines=stated["lines"], date=date)
    lines = amounts.read_lines(lines=stated["lines"], digits=terms.digits)
    sums = totals.receipt(lines=lines, rates=rates, prices=data.prices)
    given = stated_totals.given(totals=data.totals, pointer="/data/payment/amount", amount=data.payment.amount)
    stated_totals.check(given=given, sums=sums, lines=lines, rates=rates, prices=data.prices, terms=terms)
    return date, sums


def _draft(
    *,
    message: envelope.EventMessage,
    customer: parties.NamedParty,
    owner: Party,
    date: dt.date,
    sums: amounts.Computed,
    terms: IssuingTerms,
) -> issuing.Draft:
    """Draft the receipt of a payment."""
    data, stated = cast("schemas.PaymentData", message.data), envelope.business_input(message=message)
    printed = credit_notes.printed_amounts(lines=stated["lines"], sums=sums, prices=data.prices, terms=terms, date=date)
    return issuing.Draft(
        kind=Kind.PAYMENT_RECEIPT,
        subject=("payment", data.payment.id),
        audience="customer",
        pack=terms.pack,
        issuer=terms.issuer,
        owner=owner,
        owner_facts=dict(customer.printed),
        currency=terms.currency,
        total_minor=sums.totals["gross"],
        operation_date=date,
        time_zone=data.order.time_zone or terms.pack.time_zone,
        body={
            "payment": _some(stated["payment"], "id", "method", "brand", "last4"),
            "order": _some(stated["order"], "id", "service", "city"),
            **printed,
        },
        business_input=stated,
        flags=customer.flags,
    )


@effects.holds_on_problem
def on_payment_canceled(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Credit what remains of a canceled payment's receipt, whole; nothing where other credits have taken all of it.

    Waits for its payment, for ever; one that was canceled before it was captured has no receipt and asks for nothing.
    Held: the codes of `terms.resolve`.
    """
    terms, data = issuing_terms.resolve(message=message), cast("undoing_schemas.PaymentCanceledData", message.data)
    payment, subject = data.payment.id, envelope.subject(message=message)
    if cancellations.was_ignored(subject=subject):
        return effects.Issued()
    receipt = customer_credits.lock_receipt(payment=payment, terms=terms)
    if receipt is None:
        is_coming = customer_credits.is_issued(payment=payment)  # its customer is not locked yet: look again at once
        return effects.Waiting(missing=[subject]) if is_coming else cancellations.awaited(subject=subject)
    issued = customer_credits.note_of(subject=("payment", payment), discriminator=DISCRIMINATOR)
    note = Note(total_minor=issued.total_minor) if issued else _canceled(data=data, receipt=receipt)
    if note is None:
        return effects.Issued()
    draft = customer_credits.draft(
        receipt=receipt,
        note=note,
        subject=("payment", payment),
        discriminator=DISCRIMINATOR,
        message=message,
        business_input=envelope.business_input(message=message) | {"currency": terms.currency},
    )
    waiting.wake(awaited=[f"credit:{payment}"], now=now)
    if issued is None:
        retries.retry_credits(payment=payment, now=now)
    return effects.Issued(documents=issuing.issue(drafts=[draft], event=event, now=now, actor=actor))


def _canceled(*, data: undoing_schemas.PaymentCanceledData, receipt: Receipt) -> Note | None:
    """Return what the credit note of a canceled payment says; None where nothing of its receipt remains."""
    rest = credit_notes.of_rest(
        original=receipt.document,
        content=receipt.content,
        terms=receipt.terms,
        kind=customer_credits.LINE_KIND,
        label="Cancelación",
    )
    if rest is None:
        return None
    lines, sums = rest
    cancellation = cancellations.printed(
        name=data.payment.id,
        reason=data.reason,
        canceled_at=data.canceled_at,
        terms=receipt.terms,
        time_zone=receipt.content["time_zone"],
    )
    cause = {"cancellation": cancellation}
    return receipt.note(cause=cause, lines=lines, sums=sums, prices=receipt.content["prices"])


def _some(block: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return those members of a block that are printed."""
    return {name: block[name] for name in names if name in block}
