"""The outside checker: reads only the database, the vault's folder and the mailbox, and says what is wrong.

It imports nothing of this project, so that a mistake of the line cannot hide in its own code. It is also a program:
it reads `{"database_url", "vault", "mail", "keys", "events"}` from standard input and prints `{"figures", "findings"}`.
"""

import ctypes
import email
import email.policy
import hashlib
import json
import pathlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

import psycopg
import pypdfium2
import pypdfium2.raw as pdfium
from psycopg.rows import dict_row

LINK = re.compile(r"/l/([A-Za-z0-9_-]{43})/")
DatabaseRow = dict[str, Any]


def check(
    *, database_url: str, vault: pathlib.Path, mail: pathlib.Path, keys: Collection[str], events: Mapping[str, str]
) -> tuple[dict[str, int], list[str]]:
    """Return figures, and every finding as a sentence; no finding means that all promises were kept.

    `keys`: the document keys that must exist, and no others. `events`: {event id: the status its sender received last}.
    """
    with psycopg.connect(database_url, row_factory=dict_row) as database:
        rows = _Rows(database)
        findings = [
            *_documents(rows=rows, keys=keys),
            *_series(rows=rows),
            *_bytes(rows=rows, vault=vault),
            *_events(rows=rows, answered=events),
            *_log(rows=rows),
            *_mails(rows=rows, mail=mail),
            *_notices(rows=rows, mail=mail),
            *_sums(rows=rows),
        ]
        figures = {
            "documents": len(rows.documents),
            "events": len(rows.events),
            "deliveries": len(rows.deliveries),
            "notices": len(rows.notices),
            "mails": len(list(mail.glob("*.eml"))),
            "audit_events": rows.audit_count,
        }
    return figures, findings


class _Rows:
    """What the database holds, read once."""

    def __init__(self, database: psycopg.Connection[DatabaseRow]) -> None:
        def read(query: str) -> list[DatabaseRow]:
            return database.execute(query).fetchall()

        self.documents = read("SELECT * FROM documents_document ORDER BY id")
        self.series = read("SELECT * FROM documents_series ORDER BY id")
        self.events = read(
            "SELECT id, public_id, event_id, type, status, superseded_by_id, missing, code, document_ids"
            " FROM documents_event ORDER BY id"
        )
        self.deliveries = read("SELECT * FROM documents_delivery ORDER BY id")
        self.notices = read("SELECT public_id, message_id, status, cause FROM documents_notice ORDER BY id")
        self.links = {row["token_sha256"]: row for row in read("SELECT * FROM documents_link")}
        self.alerts = read("SELECT severity, code, dedup_key, values FROM documents_alert WHERE resolved_at IS NULL")
        self.log = Counter(
            (row["object_id"], row["action"]) for row in read("SELECT object_id, action FROM audit_event")
        )
        self.audit_count = sum(self.log.values())


def _documents(*, rows: _Rows, keys: Collection[str]) -> Iterator[str]:
    """Check that there is one LOCKED document for each key, and no other document."""
    counts = Counter(row["document_key"] for row in rows.documents)
    yield from (f"{key}: {count} documents" for key, count in counts.items() if count > 1)
    yield from (f"{key}: no document" for key in sorted(set(keys) - set(counts)))
    yield from (f"{key}: a document that nothing should have caused" for key in sorted(set(counts) - set(keys)))
    yield from (
        f"{row['number']}: {row['status']}, cause {row['cause'] or 'none'}, {row['attempts']} attempts"
        for row in rows.documents
        if row["status"] != "LOCKED"
    )
    yield from (f"open P1 alert {row['code']}: {row['values']}" for row in rows.alerts if row["severity"] == "P1")


def _series(*, rows: _Rows) -> Iterator[str]:
    """Check that each series has the numbers 1..n without gap or repeat, and that the next number is still free."""
    taken: dict[int, list[int]] = defaultdict(list)
    for row in rows.documents:
        taken[row["series_id"]].append(row["sequence"])
    for series in rows.series:
        numbers = sorted(taken[series["id"]])
        if numbers != list(range(series["first"], series["first"] + len(numbers))):
            gaps = sorted(set(range(series["first"], series["next"])) - set(numbers))
            repeated = len(numbers) - len(set(numbers))
            yield f"series {series['code']}: {len(numbers)} numbers, missing {gaps[:10]}, repeated {repeated}"
        if series["next"] != series["first"] + len(numbers):
            yield f"series {series['code']}: next is {series['next']} after {len(numbers)} numbers"


def _bytes(*, rows: _Rows, vault: pathlib.Path) -> Iterator[str]:
    """Check that the vault's bytes are the row's, carry the row's content, and belong to a row."""
    wanted = {row["vault_key"]: row for row in rows.documents if row["vault_key"]}
    for key, row in wanted.items():
        place = vault / key
        if not place.is_file():
            yield f"{row['number']}: no bytes under {key}"
            continue
        body = place.read_bytes()
        if hashlib.sha256(body).hexdigest() != row["file_sha256"] or len(body) != row["file_bytes"]:
            yield f"{row['number']}: the vault's bytes are not the row's"
        if place.stat().st_mode & 0o222:
            yield f"{row['number']}: its file can be written"
        content = row["content"].encode()
        if hashlib.sha256(content).hexdigest() != row["content_sha256"]:
            yield f"{row['number']}: the frozen content is not what was hashed"
        if embedded(pdf=body) != content:
            yield f"{row['number']}: the embedded content is not the frozen one"
        if json.loads(content)["number"] != row["number"]:
            yield f"{row['number']}: the content carries the number {json.loads(content)['number']}"
    for path in vault.rglob("*"):
        name = path.relative_to(vault).as_posix()
        if (
            path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(vault).parts)
            and name not in wanted
        ):
            yield f"{name}: bytes in the vault that no document names"


def embedded(*, pdf: bytes) -> bytes | None:
    """Return the attachment `content.json` of a PDF, read by PDFium."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        for index in range(pdfium.FPDFDoc_GetAttachmentCount(document.raw)):
            attachment = pdfium.FPDFDoc_GetAttachment(document.raw, index)
            length = pdfium.FPDFAttachment_GetName(attachment, None, 0)
            name = ctypes.create_string_buffer(length)
            pdfium.FPDFAttachment_GetName(attachment, ctypes.cast(name, ctypes.POINTER(ctypes.c_ushort)), length)
            if name.raw.decode("utf-16-le").rstrip("\0") != "content.json":
                continue
            size = ctypes.c_ulong()
            pdfium.FPDFAttachment_GetFile(attachment, None, 0, ctypes.byref(size))
            body = ctypes.create_string_buffer(size.value)
            pdfium.FPDFAttachment_GetFile(attachment, body, size.value, ctypes.byref(size))
            return body.raw
    finally:
        document.close()
    return None


def _events(*, rows: _Rows, answered: Mapping[str, str]) -> Iterator[str]:
    """Check that every accepted event is stored once and was finished."""
    stored = Counter(row["event_id"] for row in rows.events if row["status"] != "refused")
    known = {row["id"] for row in rows.documents}
    yield from (
        f"event {event_id}: accepted ({answered[event_id]}) and lost" for event_id in answered if event_id not in stored
    )
    yield from (f"event {event_id}: stored {count} times" for event_id, count in stored.items() if count > 1)
    for row in rows.events:
        superseded = row["status"] == "held" and row["superseded_by_id"]
        if row["status"] not in {"processed", "ignored"} and not superseded:
            yield f"event {row['event_id']} ({row['type']}): {row['status']} {row['code']} {', '.join(row['missing'])}"
        if set(row["document_ids"]) - known:
            yield f"event {row['event_id']}: names documents that do not exist"


def _log(*, rows: _Rows) -> Iterator[str]:
    """Check that every state has its audit event, and exactly one where there can be only one."""
    for row in rows.documents:
        for action in ("document.issued", "document.locked"):
            if rows.log[row["public_id"], action] != 1:
                yield f"{row['number']}: {rows.log[row['public_id'], action]} events {action}"
    for row in rows.events:
        for action in ("event.received", f"event.{row['status']}"):
            if not rows.log[row["public_id"], action]:
                yield f"event {row['event_id']}: no {action}"
    for row in rows.deliveries:
        if row["status"] == "SENT" and rows.log[row["public_id"], "delivery.sent"] != 1:
            yield f"delivery {row['public_id']}: {rows.log[row['public_id'], 'delivery.sent']} events delivery.sent"


def _mails(*, rows: _Rows, mail: pathlib.Path) -> Iterator[str]:
    """Check that every mail that was due was sent, always with the same Message-ID."""
    numbers = {row["id"]: row["number"] for row in rows.documents}
    known = {row["message_id"] for row in [*rows.deliveries, *rows.notices]}
    seen: dict[int, set[str]] = defaultdict(set)
    for path in sorted(mail.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        message_id = str(message["Message-ID"])
        if message_id not in known and not _is_alert(message):
            yield f"{path.name}: a mail with the unknown Message-ID {message_id}"
        tokens = {
            token
            for part in message.walk()
            if part.get_content_maintype() == "text"
            for token in LINK.findall(part.get_content())
        }
        for token in tokens:
            link = rows.links.get(hashlib.sha256(token.encode()).hexdigest())
            if link is None:
                yield f"{path.name}: a link that no row knows"
            elif link["delivery_id"]:
                seen[link["delivery_id"]].add(message_id)
    per_document: Counter[int] = Counter()
    for row in rows.deliveries:
        if row["channel"] != "EMAIL":
            continue
        per_document[row["document_id"]] += 1
        if row["status"] not in {"SENT", "OPENED", "DOWNLOADED"}:
            yield f"{numbers[row['document_id']]}: its mail is {row['status']} {row['cause']}"
        elif seen[row["id"]] != {row["message_id"]}:
            message_ids = sorted(seen[row["id"]]) or "no Message-ID"
            yield f"{numbers[row['document_id']]}: mailed under {message_ids} instead of {row['message_id']}"
    yield from (
        f"{numbers[document]}: {count} deliveries by mail" for document, count in per_document.items() if count > 1
    )


def _notices(*, rows: _Rows, mail: pathlib.Path) -> Iterator[str]:
    """Check that every notice of a change was sent, with the Message-ID of its row."""
    out = {str(email.message_from_bytes(path.read_bytes())["Message-ID"]) for path in mail.glob("*.eml")}
    for row in rows.notices:
        if row["status"] != "SENT" or row["message_id"] not in out:
            state = "out" if row["message_id"] in out else "not out"
            yield f"notice {row['public_id']}: {row['status']} {row['cause']}, {state}"


def _is_alert(message: Any) -> bool:  # noqa: ANN401 - the standard library's message classes differ by policy
    return "operaciones@" in str(message["To"])


def _sums(*, rows: _Rows) -> Iterator[str]:
    """Check that every payout statement closes to the cent."""
    for row in rows.documents:
        if row["kind"] != "PAYOUT_STATEMENT":
            continue
        content = json.loads(row["content"])
        total = {name: Decimal(text) for name, text in content["totals"].items()}
        left = total["included"] + total["adjustments"] - total["withheld"] - total["cash_collected"]
        left += total["opening_carry_over"] - total["closing_carry_over"] - total["amount"]
        if left or total["included"] != sum(Decimal(item["amount"]) for item in content["settles"]):
            yield f"{row['number']}: does not close, {left} is left"


def main() -> int:
    """Read the question from standard input and print the answer; returns the exit code."""
    asked = json.load(sys.stdin)
    figures, findings = check(
        database_url=asked["database_url"],
        vault=pathlib.Path(asked["vault"]),
        mail=pathlib.Path(asked["mail"]),
        keys=asked["keys"],
        events=asked["events"],
    )
    json.dump({"figures": figures, "findings": findings}, sys.stdout, ensure_ascii=False)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
