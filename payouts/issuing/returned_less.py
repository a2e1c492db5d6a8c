"""A payout of which less came back than was sent, where nobody says who kept the rest."""

import json

from audit import log
from documents import money
from documents.alerts import discrepancies
from documents.models import Document, Event


def compare(*, notice: Document, sent_minor: int, event: Event, actor: log.Actor) -> None:
    """Open `returned_less` where less than was sent came back, and no fee is stated."""
    payout, digits = json.loads(notice.content)["payout"], money.digits(notice.currency)
    missing = sent_minor - money.minor(payout["amount"], digits)
    if missing <= 0 or "fee" in payout:
        return
    discrepancies.open_one(
        code="returned_less",
        dedup_key=f"returned_less:{notice.document_key_id}",
        facts={
            "document_key": notice.document_key_id,
            "currency": notice.currency,
            "payout": payout["id"],
            "sent": money.text(sent_minor, digits),
            "returned": payout["amount"],
            "difference": money.text(missing, digits),
        },
        document=notice,
        event=event,
        actor=actor,
    )
