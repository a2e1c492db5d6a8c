"""The receipt of a payment, the credit notes of its refunds, and what of a document may still be credited."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from audit import log
from documents import errors, locks, money
from documents.emission import issuing
from documents.events import effects, envelope, schemas, waiting
from documents.models import Document, Event, Kind
from payouts.calculation import amounts, sum_causes, totals
from payouts.issuing import parties
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
    stated = envelope.business_input(message=message)
    time_zone = data.order.time_zone or terms.pack.time_zone
    date = terms.local_date(moment=data.payment.captured_at, time_zone=time_zone)
    customer = parties.check(party=data.customer, pack=terms.pack, pointer="/data/customer")
    rates = terms.rates(lines=stated["lines"], date=date)
    lines = amounts.read_lines(lines=stated["lines"], digits=terms.digits)
    sums = totals.receipt(lines=lines, rates=rates, prices=data.prices)
    _check(data=data, stated=stated, lines=lines, rates=rates, sums=sums, terms=terms)
    rows = parties.add_missing(named=[customer], actor=actor)
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
            **printed_amounts(lines=stated["lines"], sums=sums, prices=data.prices, terms=terms, date=date),
        },
        business_input=stated,
        flags=customer.flags,
    )
    waiting.wake(awaited=[f"payment:{data.payment.id}", *parties.awaited(platform_ids=rows)], now=now)
    return effects.Issued(documents=issuing.issue(drafts=[draft], event=event, now=now, actor=actor))


@effects.holds_on_problem
def on_refund_issued(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Issue the credit note of a refund, at its receipt's own rates and within what remains of it.

    Waits for the payment's receipt. Held: the codes of `terms.resolve`, `tax_code_unknown`,
    `credit_exceeds_remaining`, `totals_mismatch`, and `time_implausible` for one that happened before its payment.
    """
    terms, data = issuing_terms.resolve(message=message), cast("schemas.RefundData", message.data)
    stated = envelope.business_input(message=message)
    receipt = _lock_receipt(payment=data.refund.payment_id)
    if receipt is None:
        return effects.Waiting(missing=[f"payment:{data.refund.payment_id}"])
    terms.require_match(document=receipt)
    content = json.loads(receipt.content)
    # A repeat is only compared with what was issued: what remains now says nothing about what remained then.
    issued = _of_refund(refund=data.refund.id)
    if issued is None:
        _require_later(message=message, receipt=receipt, time_zone=content["time_zone"], terms=terms)
        body, total_minor = _refund_body(data=data, stated=stated, receipt=receipt, content=content, terms=terms)
    else:
        body, total_minor = {}, issued.total_minor
    draft = issuing.Draft(
        kind=Kind.CREDIT_NOTE,
        subject=("refund", data.refund.id),
        audience="customer",
        pack=terms.pack,
        issuer=terms.issuer,
        owner=receipt.owner,
        owner_facts=content["owner"],
        currency=terms.currency,
        total_minor=total_minor,
        operation_date=terms.local_date(moment=message.occurred_at, time_zone=content["time_zone"]),
        time_zone=content["time_zone"],
        body=body,
        business_input=stated,
        corrects=receipt,
    )
    waiting.wake(awaited=[f"credit:{data.refund.id}"], now=now)
    return effects.Issued(documents=issuing.issue(drafts=[draft], event=event, now=now, actor=actor))


def _refund_body(
    *,
    data: schemas.RefundData,
    stated: Mapping[str, Any],
    receipt: Document,
    content: Mapping[str, Any],
    terms: IssuingTerms,
) -> tuple[dict[str, Any], int]:
    """Return the content of a refund's credit note and its total, in minor units.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`, `totals_mismatch`
    """
    sums = credit(lines=stated["lines"], original=receipt, content=content, terms=terms)
    amounts.check_totals(stated=stated.get("totals"), computed=sums.totals, digits=terms.digits)
    body = {
        "original": named(original=receipt),
        "refund": {"id": data.refund.id, "reason": data.refund.reason},
        **printed_amounts(
            lines=stated["lines"], sums=sums, prices=content["prices"], terms=terms, date=receipt.operation_date
        ),
    }
    return body, sums.totals["gross"]


def _check(
    *,
    data: schemas.PaymentData,
    stated: Mapping[str, Any],
    lines: Sequence[amounts.AmountLine],
    rates: Mapping[str, Fraction],
    sums: amounts.Computed,
    terms: IssuingTerms,
) -> None:
    """Compare the stated totals and the captured amount with what the lines come to.

    :raises errors.Problem: `totals_mismatch`, with the mistake that explains it, where one does
    """
    given = {f"/data/totals/{word}": (word, amount) for word, amount in (stated.get("totals") or {}).items()}
    given["/data/payment/amount"] = ("amount", data.payment.amount)
    computed = {**sums.totals, "amount": sums.totals["gross"]}
    place = {"currency": terms.currency, "country": terms.pack.country}
    faults = [
        errors.Fault(
            pointer=pointer,
            code="totals_mismatch",
            values={"total": word, "stated": amount, "expected": money.text(computed[word], terms.digits), **place},
        )
        for pointer, (word, amount) in given.items()
        if money.minor(amount, terms.digits) != computed[word]
    ]
    if not faults:
        return
    minors = {word: money.minor(amount, terms.digits) for word, amount in given.values()}
    if minors["amount"] == minors.get("gross", minors["amount"]):
        totals_stated = {"gross": minors["amount"], **{word: minors[word] for word in ("net", "tax") if word in minors}}
        cause = sum_causes.cause(lines=lines, rates=rates, prices=data.prices, stated=totals_stated)
        if cause:
            faults.append(
                errors.Fault(pointer="/data", code="diagnosis", values={**faults[-1].values, "cause": f"sum_{cause}"})
            )
    raise errors.Problem(code="totals_mismatch", errors=faults)


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
    key = issuing.key(kind=Kind.PAYMENT_RECEIPT, subject=("payment", payment), audience="customer")
    return lock_document(key=key)


def lock_document(*, key: str) -> Document | None:
    """Return a document by its key; until the transaction ends nobody else credits it."""
    rows = Document.objects.select_related("issuer", "owner").defer("issuer__logo")
    return next(iter(locks.rows(queryset=rows.filter(document_key_id=key))), None)


def _of_refund(*, refund: str) -> Document | None:
    """Return the credit note of a refund, if it has been issued."""
    key = issuing.key(kind=Kind.CREDIT_NOTE, subject=("refund", refund), audience="customer")
    return Document.objects.filter(document_key_id=key).first()


def named(*, original: Document) -> dict[str, str]:
    """Return how a credit note names what it corrects."""
    return {
        "number": original.number,
        "issue_date": original.issue_date.isoformat(),
        "content_sha256": original.content_sha256,
        "document_key": original.document_key_id,
    }


def credit(
    *, lines: Sequence[Mapping[str, Any]], original: Document, content: Mapping[str, Any], terms: IssuingTerms
) -> amounts.Credited:
    """Return a credit's sums after every earlier credit of the same document; call with it locked.

    `remaining` of the result is what may still be credited after it; without lines, what may be now. All credits of an
    order statement together take no more than it owes: what was withheld of it counts as a deduction.

    :raises errors.Problem: `tax_code_unknown`, `credit_exceeds_remaining`
    """
    for code, place in issuing_terms.first_places(lines=lines).items():
        if code not in terms.pack.tax_codes:
            raise errors.problem_at(
                pointer=f"/data/lines/{place}",
                code="tax_code_unknown",
                values={"tax": code, "country": terms.pack.country, "known": [*terms.pack.tax_codes]},
            )
    earlier = Document.objects.filter(corrects=original, kind=Kind.CREDIT_NOTE).order_by("pk")
    notes = [json.loads(text) for text in earlier.values_list("content", flat=True)]
    owed = _lines(content=content, digits=terms.digits)
    groups = amounts.read_groups(groups=content["tax_groups"], lines=owed, digits=terms.digits)
    try:
        return totals.credit(
            original=totals.creditable(lines=owed, groups=groups),
            credited=[group for note in notes for group in _credited(note=note, owed=owed, digits=terms.digits)],
            lines=amounts.read_lines(lines=lines, digits=terms.digits),
            prices=content["prices"],
        )
    except errors.Problem as problem:
        values = {**problem.values, "currency": terms.currency, "country": terms.pack.country}
        raise errors.problem_at(pointer="/data/lines", code=problem.code, values=values) from None


def _lines(*, content: Mapping[str, Any], digits: int) -> list[amounts.AmountLine]:
    """Return the lines of a document that can be credited.

    What was withheld of it counts as an untaxed deduction, so that all of them together are the document's total.
    """
    withheld = sum(money.minor(item["amount"], digits) for item in content.get("withholdings", ()))
    taken = amounts.AmountLine(id="withheld", amount_minor=-withheld, supply="platform")
    return [*amounts.read_lines(lines=content["lines"], digits=digits), *([taken] if withheld else [])]


def _credited(*, note: Mapping[str, Any], owed: Sequence[amounts.AmountLine], digits: int) -> tuple[amounts.Group, ...]:
    """Return the groups of an earlier credit; `owed` are the lines of what it corrects."""
    lines = amounts.read_lines(lines=note["lines"], digits=digits)
    for place, raw in enumerate(note["lines"]):
        if raw["kind"] == "CORRECTION" and "supply" not in raw:
            line = lines[place]
            supply = amounts.supply_before(tax=line.tax, negative=line.amount_minor < 0, lines=owed)
            lines[place] = dataclasses.replace(line, supply=supply)
    groups = amounts.read_groups(groups=note["tax_groups"], lines=owed, digits=digits)
    return totals.creditable(lines=lines, groups=groups)


def printed_amounts(
    *, lines: Sequence[Mapping[str, Any]], sums: amounts.Computed, prices: str, terms: IssuingTerms, date: dt.date
) -> dict[str, Any]:
    """Return the lines, tax groups and totals of a receipt or credit note; `date` is that of the taxes."""
    return {
        "prices": prices,
        "lines": [{key: value for key, value in line.items() if key != "party"} for line in lines],
        "tax_groups": terms.printed_groups(groups=sums.groups, date=date),
        "totals": amounts.texts(amounts=sums.totals, digits=terms.digits),
    }


def _some(block: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return those members of a block that are printed."""
    return {name: block[name] for name in names if name in block}
