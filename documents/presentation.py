"""The document object: how a document looks in every JSON answer (`api.md`). Takes rows, asks for nothing."""

import json

from documents import money
from documents.models import Document, Kind, Status

RELATED = ("issuer", "owner", "settled_by", "corrects")


def document(*, document: Document) -> dict[str, object]:
    """This function will return a document's JSON object; `file` and `locked_at` are null until LOCKED.

    Give it rows read with `select_related(*RELATED)`: it makes one query per corrected or correcting document only.
    """
    content = json.loads(document.content)
    locked = document.status == Status.LOCKED
    return {
        "id": document.public_id,
        "object": "document",
        "kind": document.kind,
        "number": document.number,
        "document_key": document.document_key_id,
        "status": document.status,
        "country": document.country_id,
        "issuer": document.issuer.slug,
        "owner": document.owner.platform_id,
        "currency": document.currency,
        "total": money.text(document.total_minor, money.digits(document.currency)),
        "totals": content["totals"],
        "operation_date": document.operation_date.isoformat(),
        "issued_at": document.issued_at.isoformat().replace("+00:00", "Z"),
        "locked_at": document.locked_at.isoformat().replace("+00:00", "Z") if locked and document.locked_at else None,
        "payout_status_at_issue": document.payout_status_at_issue,
        "payout_status": document.payout_status,
        "settled_by": document.settled_by.public_id if document.settled_by else None,
        "file": (
            {"sha256": document.file_sha256, "bytes": document.file_bytes, "media_type": "application/pdf"} if locked else None
        ),
        "retention": {
            "mode": document.vault_mode or None,
            "until": document.retain_until.isoformat(),
            "legal_hold": False,
        },
        "content_sha256": document.content_sha256,
        "settles": _settles(document, content),
        "corrects": document.corrects.document_key_id if document.corrects else None,
        "corrected_by": list(
            Document.objects.filter(corrects=document).order_by("pk").values_list("document_key_id", flat=True)
        ),
        "remaining_creditable": _remaining(document),
        "flags": document.flags,
    }


def _settles(document: Document, content: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    """This function will name what a payout statement pays: order, the statement's document, amount."""
    if document.kind != Kind.PAYOUT_STATEMENT:
        return []
    numbers = [item["number"] for item in content["settles"]]
    ids = dict(Document.objects.filter(number__in=numbers).values_list("number", "public_id"))
    return [
        {"order": item["order"], "document_id": ids[item["number"]], "amount": item["amount"]} for item in content["settles"]
    ]


def _remaining(document: Document) -> str | None:
    """This function will return what of a receipt can still be credited."""
    if document.kind != Kind.PAYMENT_RECEIPT:
        return None
    credited = sum(
        Document.objects.filter(corrects=document, kind=Kind.CREDIT_NOTE).values_list("total_minor", flat=True)
    )
    return money.text(document.total_minor - credited, money.digits(document.currency))
