"""The document object: a document as every JSON answer shows it.

What a page of documents needs from elsewhere (corrections, settled statements, legal holds) is read in three queries,
however long the page is.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from documents import catalog, money
from documents.custody import legal_holds
from documents.models import Document, Kind, Status

RELATED = ("issuer", "owner", "settled_by", "corrects")
# Only the name of a joined document or issuer is shown; its content may be as long as the document's own.
UNREAD = ("issuer__logo", "settled_by__content", "corrects__content")


@dataclass(frozen=True, kw_only=True)
class _CorrectingDocument:
    """A document that corrects another one."""

    key: str
    credits_minor: int  # by how much it reduces what can still be credited


@dataclass(frozen=True, kw_only=True)
class _Around:
    """What a page needs from elsewhere: corrections by corrected row, public ids by number, the rows on legal hold."""

    corrections: Mapping[int, Sequence[_CorrectingDocument]]
    ids: Mapping[str, str]
    on_hold: frozenset[int]


def joined(*, rows: QuerySet[Document]) -> QuerySet[Document]:
    """Return the rows joined with what their JSON objects show of other tables."""
    return rows.select_related(*RELATED).defer(*UNREAD)


def document(*, document: Document) -> dict[str, object]:
    """Return one document's JSON object."""
    return documents(rows=[document])[0]


def documents(*, rows: Iterable[Document]) -> list[dict[str, object]]:
    """Return the JSON object of each; `file` and `locked_at` are null until LOCKED.

    Three queries for all of them, if they were read with `joined`.
    """
    read = [(row, json.loads(row.content)) for row in rows]
    all_ = [row for row, _ in read]
    around = _Around(
        corrections=_corrections(rows=all_), ids=_ids(read=read), on_hold=legal_holds.held_among(documents=all_)
    )
    return [_object(document=row, content=content, around=around) for row, content in read]


def _corrections(*, rows: Sequence[Document]) -> Mapping[int, Sequence[_CorrectingDocument]]:
    """Return the corrections of the rows, and of what the rows correct, by corrected row, in the order of issue."""
    corrections: defaultdict[int, list[_CorrectingDocument]] = defaultdict(list)
    asked = {row.pk for row in rows} | {row.corrects_id for row in rows if row.corrects_id}
    correcting = Document.objects.filter(corrects__in=asked).order_by("pk")
    for corrected, key, kind, total in correcting.values_list("corrects_id", "document_key_id", "kind", "total_minor"):
        corrections[corrected].append(
            _CorrectingDocument(key=key, credits_minor=total if kind == Kind.CREDIT_NOTE else 0)
        )
    return corrections


def _ids(*, read: Iterable[tuple[Document, dict[str, list[dict[str, str]]]]]) -> Mapping[str, str]:
    """Return the public ids of the statements that payout statements settle, by number."""
    numbers = {
        item["number"] for row, content in read if row.kind == Kind.PAYOUT_STATEMENT for item in content["settles"]
    }
    if not numbers:
        return {}
    return dict(Document.objects.filter(number__in=numbers).values_list("number", "public_id"))


def _object(*, document: Document, content: dict[str, list[dict[str, str]]], around: _Around) -> dict[str, object]:
    """Return one document's object."""
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
        "updated_at": document.updated_at.isoformat().replace("+00:00", "Z"),
        "locked_at": document.locked_at.isoformat().replace("+00:00", "Z") if locked and document.locked_at else None,
        "payout_status_at_issue": document.payout_status_at_issue,
        "payout_status": document.payout_status,
        "settled_by": document.settled_by.public_id if document.settled_by else None,
        "file": _file(document=document) if locked else None,
        "retention": {
            "mode": document.vault_mode or None,
            "until": document.retain_until.isoformat(),
            "legal_hold": document.pk in around.on_hold,
        },
        "content_sha256": document.content_sha256,
        "settles": _settles(document=document, content=content, ids=around.ids),
        "corrects": document.corrects.document_key_id if document.corrects else None,
        "corrected_by": [correcting.key for correcting in around.corrections.get(document.pk, ())],
        "remaining_creditable": _remaining(document=document, around=around),
        "refund_status": document.refund_status or None,
        "flags": document.flags,
    }


def _file(*, document: Document) -> dict[str, object]:
    """Return what is said of a locked file."""
    return {"sha256": document.file_sha256, "bytes": document.file_bytes, "media_type": "application/pdf"}


def _settles(
    *, document: Document, content: dict[str, list[dict[str, str]]], ids: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return what a payout statement pays: order, the statement's document, amount."""
    if document.kind != Kind.PAYOUT_STATEMENT:
        return []
    return [
        {"order": item["order"], "document_id": ids[item["number"]], "amount": item["amount"]}
        for item in content["settles"]
    ]


def _remaining(*, document: Document, around: _Around) -> str | None:
    """Return what can still be credited of a receipt, on the receipt and on its credit notes.

    For an order statement it is None until a part has been credited: until then the amount is owed, not given back.
    """
    original = document.corrects if document.kind == Kind.CREDIT_NOTE else document
    if original is None or not catalog.TABLE[Kind(original.kind)].creditable:
        return None
    credits_ = [
        correcting.credits_minor for correcting in around.corrections.get(original.pk, ()) if correcting.credits_minor
    ]
    if original.kind != Kind.PAYMENT_RECEIPT and not credits_:
        return None
    return money.text(original.total_minor - sum(credits_), money.digits(original.currency))
