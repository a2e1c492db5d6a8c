"""A payout of which less came back than was sent, where nobody says who kept the rest."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from audit import log
from documents import money
from documents.alerts import discrepancies
from documents.models import Document, Event, Kind
from payouts.models import Payout

CODE = "returned_less"


@dataclass(frozen=True, kw_only=True)
class MissingMoney:
    """What did not come back of a payout, as a discrepancy of its notice."""

    notice: Document
    facts: Mapping[str, object]

    @property
    def dedup_key(self) -> str:
        """Return the key of the discrepancy."""
        return f"{CODE}:{self.notice.document_key_id}"


def compare(*, notice: Document, sent_minor: int, event: Event, actor: log.Actor) -> None:
    """Open `returned_less` where less than was sent came back, and no fee is stated."""
    missing = _missing(notice=notice, sent_minor=sent_minor)
    if missing is not None:
        discrepancies.open_one(
            code="returned_less",
            dedup_key=missing.dedup_key,
            facts=missing.facts,
            document=notice,
            event=event,
            actor=actor,
        )


def of_owners(*, low: int, high: int, country: str | None) -> Iterator[MissingMoney]:
    """Yield what is missing of the payouts of a range of payees."""
    notices = Document.objects.filter(kind=Kind.PAYOUT_REVERSAL_NOTICE, owner__gte=low, owner__lte=high)
    if country is not None:
        notices = notices.filter(country=country)
    ended = Payout.objects.filter(payee__gte=low, payee__lte=high).exclude(returned_at=None)
    by_subject = {f"payout:{payout.payout_id}": payout for payout in ended}
    for notice in notices.filter(subject__in=by_subject).order_by("pk").iterator():
        payout = by_subject[notice.subject]
        missing = _missing(notice=notice, sent_minor=payout.amount_minor)
        if missing is not None and notice.owner_id == payout.payee_id:
            yield missing


def _missing(*, notice: Document, sent_minor: int) -> MissingMoney | None:
    """Return what a notice leaves open of what was sent; None where all came back, or a fee accounts for it."""
    payout, digits = json.loads(notice.content)["payout"], money.digits(notice.currency)
    missing = sent_minor - money.minor(payout["amount"], digits)
    if missing <= 0 or "fee" in payout:
        return None
    facts = {
        "document_key": notice.document_key_id,
        "currency": notice.currency,
        "payout": payout["id"],
        "sent": money.text(sent_minor, digits),
        "returned": payout["amount"],
        "difference": money.text(missing, digits),
    }
    return MissingMoney(notice=notice, facts=facts)
