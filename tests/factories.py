"""True rows without the walk: what the database's guards accept is what the line would have written.

Every function commits with the caller. `document` writes the bytes into the vault of the settings.
"""

import datetime as dt
import hashlib
import io
import itertools
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pikepdf
from django.db import transaction

from audit import log
from audit.actions import Action
from documents import canonical, identifiers
from documents.countries import pack
from documents.emission import attachments, custody
from documents.models import (
    Country,
    Document,
    DocumentKey,
    Event,
    EventStatus,
    Issuer,
    Kind,
    Party,
    PayoutStatus,
    Series,
    Status,
)
from documents.vault import places, store

NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
CODES = {
    Kind.PAYMENT_RECEIPT: "PR",
    Kind.ORDER_FINAL_STATEMENT: "OFS",
    Kind.PAYOUT_STATEMENT: "PS",
    Kind.PAYOUT_REVERSAL_NOTICE: "PRN",
    Kind.CREDIT_NOTE: "CN",
}
AUDIENCES = {
    Kind.PAYMENT_RECEIPT: ("payment", "customer"),
    Kind.ORDER_FINAL_STATEMENT: ("order", "beneficiary"),
    Kind.PAYOUT_STATEMENT: ("payout", "payee"),
    Kind.PAYOUT_REVERSAL_NOTICE: ("payout", "payee"),
    Kind.CREDIT_NOTE: ("refund", "customer"),
}
_serial = itertools.count(1)


def party(
    *,
    platform_id: str = "",
    legal_name: str = "Ana Ruiz Pardo",
    tax_id: str = "12345678Z",
    email: str = "ana@example.com",
    locale: str = "es-ES",
) -> Party:
    """Return a person or company, the same one for the same `platform_id`."""
    with transaction.atomic():
        row, fresh = Party.objects.get_or_create(
            platform_id=platform_id or f"drv_{next(_serial)}",
            defaults={
                "legal_name": legal_name,
                "tax_id": tax_id,
                "tax_id_type": "NIF",
                "email": email,
                "locale": locale,
            },
        )
        if fresh:
            _record(Action.PARTY_ADDED, object_type="party", object_id=row.public_id)
    return row


def country(*, code: str = "ES") -> Country:
    """Return a market."""
    return Country.objects.get(code=code)


def issuer(*, slug: str = "aventide-es", code: str = "AES", country_code: str = "ES") -> Issuer:
    """Return a company that issues."""
    with transaction.atomic():
        row, fresh = Issuer.objects.get_or_create(
            slug=slug,
            defaults={
                "code": code,
                "country": country(code=country_code),
                "legal_name": "Aventide Iberia, S.L.",
                "tax_id": "B12345674",
                "address": "Calle de Alcalá 1, 28014 Madrid",
            },
        )
        if fresh:
            _record(Action.ISSUER_ADDED, object_type="issuer", object_id=slug)
    return row


def _record(action: Action, *, object_type: str, object_id: str) -> None:
    log.record(action=action, object_type=object_type, object_id=object_id, actor=log.SYSTEM)


def event(*, type: str = "ORDER_COMPLETED", subject: str = "order:ord_1", now: dt.datetime = NOW) -> Event:  # noqa: A002 - the field's
    """Return a processed event."""
    body = json.dumps({"id": f"evt_{next(_serial)}", "type": type}).encode()
    with transaction.atomic():
        made = Event.objects.create(
            event_id=json.loads(body)["id"],
            service="orders",
            type=type,
            country_code="ES",
            issuer_slug="aventide-es",
            subject=subject,
            occurred_at=now,
            received_at=now,
            body=body,
            body_sha256=hashlib.sha256(body).hexdigest(),
            payload_sha256=hashlib.sha256(body).hexdigest(),
            status=EventStatus.PROCESSED,
        )
        for action in (Action.EVENT_RECEIVED, Action.EVENT_PROCESSED):
            log.record(action=action, object_type="event", object_id=made.public_id, actor=log.SYSTEM)
    return made


def document(
    *,
    kind: Kind = Kind.ORDER_FINAL_STATEMENT,
    owner: Party | None = None,
    issued_by: Issuer | None = None,
    status: Status = Status.LOCKED,
    total_minor: int = 2188,
    now: dt.datetime = NOW,
    about: str = "",
    corrects: Document | None = None,
    body: Mapping[str, object] = MappingProxyType({}),
) -> Document:
    """Return a document as the line leaves it; from LOCKED on its bytes lie in the vault.

    `about` is its key without the kind, `payout:po_1:payee:failed`; `body` is what its content says besides.
    """
    owner, issued_by = owner or party(), issued_by or issuer()
    with transaction.atomic():
        made = _issue(
            kind=kind,
            owner=owner,
            issuer=issued_by,
            total_minor=total_minor,
            now=now,
            about=about or _about(kind=kind),
            corrects=corrects,
            body=body,
        )
    if status != Status.ISSUED:
        _lock(document=made, now=now)
    if status == Status.QUARANTINED:
        with transaction.atomic():
            Document.objects.filter(pk=made.pk).update(
                status=status, quarantined_at=now, cause="worm_checksum_mismatch"
            )
            log.record(
                action=Action.DOCUMENT_QUARANTINED, object_type="document", object_id=made.public_id, actor=log.SYSTEM
            )
    made.refresh_from_db()
    return made


def _about(*, kind: Kind) -> str:
    """Return the rest of a new key of a kind."""
    subject, audience = AUDIENCES[kind]
    return f"{subject}:{subject[:3]}_{next(_serial)}:{audience}"


def _issue(
    *,
    kind: Kind,
    owner: Party,
    issuer: Issuer,
    total_minor: int,
    now: dt.datetime,
    about: str,
    corrects: Document | None,
    body: Mapping[str, object],
) -> Document:
    """Write the row with its key, number, content and audit event, all of one transaction."""
    subject, audience = ":".join(about.split(":")[:2]), about.split(":")[2]
    key = DocumentKey.objects.create(key=f"{kind}:{about}", fingerprint="0" * 64)
    series = _series(kind=kind, issuer=issuer, year=now.year)
    country_pack = pack.required(issuer.country_id)
    number, code = f"{series.code}-{series.next:07d}", identifiers.verification_code()
    retain_until = country_pack.retain_until(issue_date=now.date())
    common: dict[str, Any] = {"kind": kind, "owner": owner, "issuer": issuer}
    common |= {"number": number, "key": key.key, "code": code, "total": f"{total_minor / 100:.2f}"}
    frozen = _content(**common, day=now.date(), retain_until=retain_until)
    content = canonical.encode(value=frozen | _of_kind(kind=kind, about=about, corrects=corrects) | dict(body))
    pending = PayoutStatus.PENDING if kind == Kind.ORDER_FINAL_STATEMENT else None
    made = Document.objects.create(
        document_key=key,
        kind=kind,
        audience=audience,
        country=issuer.country,
        issuer=issuer,
        owner=owner,
        event=event(subject=subject, now=now),
        subject=subject,
        corrects=corrects,
        series=series,
        sequence=series.next,
        number=number,
        currency=country_pack.currency,
        total_minor=total_minor,
        operation_date=now.date(),
        issue_date=now.date(),
        issued_at=now,
        retain_until=retain_until,
        payout_status_at_issue=pending,
        payout_status=pending,
        verification_code=code,
        content=content.decode(),
        content_sha256=hashlib.sha256(content).hexdigest(),
        next_try_at=now,
    )
    log.record(
        action=Action.DOCUMENT_ISSUED,
        object_type="document",
        object_id=made.public_id,
        actor=log.SYSTEM,
        facts=custody.facts(document=made),
    )
    return made


def _series(*, kind: Kind, issuer: Issuer, year: int) -> Series:
    """Return a series as it was before its next number was taken."""
    series, fresh = Series.objects.get_or_create(
        issuer=issuer, kind=kind, year=year, defaults={"code": f"{issuer.code}-{CODES[kind]}-{year}"}
    )
    if fresh:
        _record(Action.SERIES_ADDED, object_type="series", object_id=series.code)
    series = Series.objects.select_for_update().get(pk=series.pk)
    Series.objects.filter(pk=series.pk).update(next=series.next + 1)
    return series


def _lock(*, document: Document, now: dt.datetime) -> None:
    """Put bytes into the vault and move the row to LOCKED, as the line does; it alone reads them back first."""
    body = embedding(pdf=pdf(text=f"{document.number} {document.public_id}"), content=document.content.encode())
    sha256 = hashlib.sha256(body).hexdigest()
    key = custody.vault_key(document=document)
    until = custody.lock_end(document=document)
    stored = store.guarded(
        work=lambda: store.open_vault().put(key=key, body=body, content_type=store.PDF, retain_until=until)
    )
    with transaction.atomic():
        Document.objects.filter(pk=document.pk, status=Status.ISSUED).update(
            status=Status.LOCKED,
            locked_at=now,
            verified_at=now,
            vault_url=places.here(),
            vault_key=key,
            vault_version=stored.version,
            vault_mode=stored.mode,
            file_sha256=sha256,
            file_bytes=len(body),
            pages=1,
            template="pdf/test/v1.html",
            next_try_at=None,
        )
        document.refresh_from_db()
        log.record(
            action=Action.DOCUMENT_LOCKED,
            object_type="document",
            object_id=document.public_id,
            actor=log.SYSTEM,
            facts=custody.facts(document=document),
            details={"vault_url": document.vault_url, "vault_key": key, "vault_mode": stored.mode},
        )


def _content(
    *,
    kind: Kind,
    number: str,
    key: str,
    owner: Party,
    issuer: Issuer,
    total: str,
    code: str,
    day: dt.date,
    retain_until: dt.date,
) -> dict[str, object]:
    """Return frozen content: the common part in full, of the kind's own lines and totals."""
    return {
        **_lines(kind=kind, total=total),
        "kind": str(kind),
        "number": number,
        "document_key": key,
        "country": issuer.country_id,
        "currency": pack.required(issuer.country_id).currency,
        "language": "es",
        "issuer": {
            "legal_name": issuer.legal_name,
            "tax_id": issuer.tax_id,
            "tax_id_name": "NIF",
            "address": issuer.address,
        },
        "owner": {
            "id": owner.platform_id,
            "legal_name": owner.legal_name,
            **({"tax_id": owner.tax_id, "tax_id_name": "NIF"} if owner.tax_id else {}),
        },
        "operation_date": day.isoformat(),
        "issue_date": day.isoformat(),
        "time_zone": pack.required(issuer.country_id).time_zone,
        "retain_until": retain_until.isoformat(),
        "verification": {"code": code, "url": f"http://127.0.0.1:8000/v/{code}"},
        "totals": _totals(kind=kind, total=total),
    }


def _lines(*, kind: Kind, total: str) -> dict[str, object]:
    """Return one line that comes to the total, where a kind has lines."""
    if kind not in {Kind.PAYMENT_RECEIPT, Kind.CREDIT_NOTE, Kind.ORDER_FINAL_STATEMENT}:
        return {}
    line = {"id": "1", "kind": "FARE", "description": "Servicio", "amount": total}
    return {"prices": "net", "lines": [line], "tax_groups": []}


def _totals(*, kind: Kind, total: str) -> dict[str, str]:
    """Return the totals of a kind, without tax and deductions."""
    totals: dict[Kind, dict[str, str]] = {
        Kind.PAYMENT_RECEIPT: {"net": total, "tax": "0.00", "gross": total},
        Kind.CREDIT_NOTE: {"net": total, "tax": "0.00", "gross": total},
        Kind.ORDER_FINAL_STATEMENT: {
            "earnings": total,
            "deductions": "0.00",
            "tax": "0.00",
            "withheld": "0.00",
            "payable": total,
        },
        Kind.PAYOUT_STATEMENT: {"included": total, "adjustments": "0.00", "withheld": "0.00", "amount": total},
        Kind.PAYOUT_REVERSAL_NOTICE: {"amount": total},
    }
    return totals[kind]


def _of_kind(*, kind: Kind, about: str, corrects: Document | None) -> dict[str, object]:
    """Return what the content of a notice or a credit note says of what it is about."""
    if kind == Kind.PAYOUT_REVERSAL_NOTICE:
        *_, outcome = ("returned", *about.split(":")[3:])
        return {"outcome": outcome, "reason": {"code": "ACCOUNT_CLOSED", "text": "La cuenta está cerrada"}}
    if kind == Kind.CREDIT_NOTE:
        key = corrects.document_key_id if corrects else f"{Kind.PAYMENT_RECEIPT}:payment:pay_0:customer"
        return {
            "original": {
                "number": corrects.number if corrects else "AES-PR-2026-0000001",
                "issue_date": NOW.date().isoformat(),
                "content_sha256": "0" * 64,
                "document_key": key,
            }
        }
    return {}


def embedding(*, pdf: bytes, content: bytes) -> bytes:
    """Return a PDF that carries the content, as every issued one does."""
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        opened.attachments[attachments.NAME] = content
        opened.save(written, deterministic_id=True, compress_streams=False)
    return written.getvalue()


def pdf(*, text: str) -> bytes:
    """Return a small, valid PDF of one page that says `text` (plain ASCII)."""
    stream = f"BT /F1 18 Tf 72 760 Td ({text}) Tj ET".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body, places = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, start=1):
        places.append(len(body))
        body += b"%d 0 obj%b endobj\n" % (number, part)
    start = len(body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        body
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start
    )
