"""What payouts have paid of each statement: its live payout status, the payout that settled it, what was paid twice.

All of it follows from the settlements in effect and from when their payouts were sent, never from the order in which
the events arrived. Call with the payee locked (`parties.lock_party`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence

from audit import log
from audit.actions import Action
from documents import locks, money
from documents.alerts import discrepancies
from documents.emission import payout_status
from documents.models import Discrepancy, Document, EventStatus, PayoutStatus, Resolution, Wait
from payouts.calculation import totals
from payouts.issuing import cash, owners, paid_in_vain, retries
from payouts.models import Payout, Settlement


def refresh(*, document_ids: Iterable[int], now: dt.datetime, actor: log.Actor) -> None:
    """Bring the live status of documents and what differs of their money up to the settlements in effect now.

    A document that was issued as SENT is no exception: the payout that settles it is here now, and may have failed
    before it came.
    """
    documents = locks.rows(queryset=Document.objects.defer("content").filter(pk__in=document_ids))
    settled: dict[int, list[Settlement]] = defaultdict(list)
    rows = (
        Settlement.objects.filter(document__in=documents, effective=True)
        .select_related("payout__statement")
        # The content of a payout's statement lists all of these rows: joined to each, it would come squared.
        .only("document_id", "amount_minor", "payout__payout_id", "payout__statement__public_id")
        .order_by("payout__sent_at", "payout__payout_id")
    )
    for row in rows:
        settled[row.document_id].append(row)
    open_ = Discrepancy.objects.filter(code="paid_twice", document__in=documents, resolved_at=None)
    open_keys = set(open_.values_list("dedup_key", flat=True))
    taken_back = owners.all_taken_back(documents=documents)  # what was paid of these, `paid_in_vain` says
    moves: dict[int | None, list[Document]] = defaultdict(list)
    statements: dict[int | None, Document | None] = {None: None}
    for document in documents:
        parts = settled[document.pk]
        compared = [] if document.pk in taken_back else parts
        _compare(document=document, parts=compared, open_keys=open_keys, now=now, actor=actor)
        if document.payout_status is not None:
            by = _completed_by(net=owners.net_minor(document=document), parts=parts)
            key = None if by is None else by.pk
            statements[key] = by
            moves[key].append(document)
    for key, moved in moves.items():
        status = PayoutStatus.PENDING if key is None else PayoutStatus.SENT
        payout_status.set_payout_status(documents=moved, status=status, settled_by=statements[key], actor=actor)
    cash.refresh(documents=[document.pk for document in documents], now=now, actor=actor)
    paid_in_vain.refresh(documents=[document.pk for document in documents], now=now, actor=actor)


def lock(*, document_ids: Iterable[int]) -> None:
    """Lock documents whose live status `refresh` will change later in the transaction."""
    locks.rows(queryset=Document.objects.filter(pk__in=document_ids).only("pk"))


def statuses_at_issue(*, awaited: str, payee: str, earned_at: dt.datetime) -> tuple[PayoutStatus, PayoutStatus]:
    """Return the payout status to print and the live one: SENT where the money was sent before it was earned.

    Only a payout that names what is being issued shows that it was, and such a payout is parked until this is issued.
    The live status is SENT only where that payout misses nothing else: should it not be issued after all,
    `payout_statements.on_payout_waiting` takes the status back.
    """
    waits = Wait.objects.filter(awaited=awaited, event__status=EventStatus.PARKED, event__type="PAYOUT_SENT")
    missing_of_sent: list[Sequence[str]] = []
    for event, missing in waits.values_list("event__public_id", "event__missing"):
        transfer = retries.transfer_of(event=event)
        if transfer is not None and transfer.payee == payee and transfer.sent_at < earned_at:
            missing_of_sent.append(missing)
    printed = PayoutStatus.SENT if missing_of_sent else PayoutStatus.PENDING
    return printed, PayoutStatus.SENT if [awaited] in missing_of_sent else PayoutStatus.PENDING


def record(action: Action, *, payout: Payout, actor: log.Actor) -> None:
    """Put on record that a payout settles its documents, or no longer does; by number, as its id is the platform's."""
    log.record(
        action=action, object_type="payout", object_id=f"payout_{payout.pk}", actor=actor, code=payout.state.lower()
    )


def withdraw(*, payout: Payout, now: dt.datetime, actor: log.Actor) -> None:
    """End the settlements of a payout whose money failed to arrive, or came back."""
    ids = list(payout.settlements.values_list("document_id", flat=True))
    payout.settlements.filter(effective=True).update(effective=False)
    refresh(document_ids=ids, now=now, actor=actor)


def _completed_by(*, net: int, parts: list[Settlement]) -> Document | None:
    """Return the payout statement with which the whole net was settled; parts come by time sent."""
    total = 0
    for part in parts:
        total += part.amount_minor
        if (net >= 0 and total >= net) or (net < 0 and total <= net):
            return part.payout.statement
    return None


def _compare(
    *, document: Document, parts: list[Settlement], open_keys: set[str], now: dt.datetime, actor: log.Actor
) -> None:
    """Open `paid_twice` where more was settled than earned, and resolve it where that has ended.

    The facts of an open one are kept current: how much too much was paid, and by which payouts.
    """
    key = f"paid_twice:{document.document_key_id}"
    net = owners.net_minor(document=document)
    over = totals.overpaid(net_minor=net, settled=[part.amount_minor for part in parts])
    if over == 0:
        if key in open_keys:
            discrepancies.resolve(dedup_key=key, resolution=Resolution.NOT_OVERPAID, actor=actor, now=now)
        return
    digits = money.digits(document.currency)
    facts = {
        "document_key": document.document_key_id,
        "currency": document.currency,
        "earned": money.text(net, digits),
        "settled": money.text(sum(part.amount_minor for part in parts), digits),
        "difference": money.text(over, digits),
        "payouts": [part.payout.payout_id for part in parts],
    }
    # A person may resolve the open one meanwhile, and reconciliation may open one.
    if not discrepancies.keep_current(dedup_key=key, facts=facts, actor=actor) and not discrepancies.open_one(
        code="paid_twice", dedup_key=key, facts=facts, document=document, actor=actor
    ):
        discrepancies.keep_current(dedup_key=key, facts=facts, actor=actor)
