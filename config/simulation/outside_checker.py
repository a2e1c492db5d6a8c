"""The outside checker: reads only the database, the vault and the mailbox, and says what is wrong.

It imports nothing of this project, so that a mistake of the line cannot hide in its own code. It is also a program:
it reads `{"database_url", "vault", "mail", "keys", "events"}` from standard input and prints `{"figures", "findings"}`.
The vault is a VAULT_URL; the keys of a bucket are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import datetime as dt
import email.policy
import hashlib
import json
import pathlib
import re
import sys
import zoneinfo
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import boto3
import psycopg
import pypdfium2
from botocore.config import Config
from botocore.exceptions import ClientError
from psycopg.rows import dict_row

LINK = re.compile(r"/l/([A-Za-z0-9_-]{43})/")
ZONES = {"ES": "Europe/Madrid", "MX": "America/Mexico_City", "CO": "America/Bogota"}  # where a lock's last day ends
OF_LOG = "audit"  # the folder of the sealed log, which is no document
DatabaseRow = dict[str, Any]


def check(
    *, database_url: str, vault: str, mail: pathlib.Path, keys: Collection[str], events: Mapping[str, str]
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
            "audit_events": sum(rows.log.values()),
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


class _Kept(NamedTuple):
    """One version that the vault holds: what it is of its row, and what is wrong with it whatever its row is."""

    key: str
    body: bytes = b""
    version: str = ""  # a folder has but one
    until: dt.datetime | None = None  # the end of its lock; a folder has none
    fault: str = ""  # it cannot be read, or could be changed


def _bytes(*, rows: _Rows, vault: str) -> Iterator[str]:
    """Check that the vault's bytes are the row's, carry the row's content, are locked, and belong to a row."""
    wanted = {row["vault_key"]: row for row in rows.documents if row["vault_key"]}
    seen: Counter[str] = Counter()
    for kept in _folder(vault=vault) if vault.startswith("file:") else _bucket(vault=vault):
        seen[kept.key] += 1
        faults = [kept.fault] if kept.fault else _faults(row=wanted.get(kept.key), kept=kept)
        yield from (f"{kept.key}: {fault}" for fault in faults)
    yield from (f"{row['number']}: no bytes under {key}" for key, row in wanted.items() if not seen[key])
    yield from (f"{key}: {count} versions" for key, count in seen.items() if count > 1)


def _faults(*, row: DatabaseRow | None, kept: _Kept) -> Iterator[str]:
    """Compare one version with the row that names its key."""
    if row is None:
        yield "bytes in the vault that no document names"
        return
    if kept.version and kept.version != row["vault_version"]:
        yield f"version {kept.version} is not the row's"
    content = row["content"].encode()
    if hashlib.sha256(kept.body).hexdigest() != row["file_sha256"] or len(kept.body) != row["file_bytes"]:
        yield "the vault's bytes are not the row's"
    elif embedded(pdf=kept.body) != content:
        yield "the embedded content is not the frozen one"
    if hashlib.sha256(content).hexdigest() != row["content_sha256"]:
        yield "the frozen content is not what was hashed"
    number = json.loads(content)["number"]
    if number != row["number"]:
        yield f"the content carries the number {number}"
    midnight = dt.time(tzinfo=zoneinfo.ZoneInfo(ZONES.get(row["country_id"], "UTC")))
    if kept.until and kept.until < dt.datetime.combine(row["retain_until"] + dt.timedelta(days=1), midnight):
        yield f"its lock ends at {kept.until}, with or before {row['retain_until']}"


def _folder(*, vault: str) -> Iterator[_Kept]:
    """Read every file of a local vault; what begins with a dot is the vault's own."""
    folder = pathlib.Path(urlsplit(vault).path)
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] != OF_LOG and not any(part.startswith(".") for part in name.parts):
            fault = "its file can be written" if path.stat().st_mode & 0o222 else ""
            yield _Kept(key=name.as_posix(), body=path.read_bytes(), fault=fault)


def _bucket(*, vault: str) -> Iterator[_Kept]:
    """Read every version in a bucket but the probe's."""
    place, given = urlsplit(vault).netloc, dict(parse_qsl(urlsplit(vault).query))
    ours = Config(response_checksum_validation="when_required")  # the bytes are compared with the row's
    store = boto3.client("s3", endpoint_url=given.get("endpoint"), region_name=given.get("region"), config=ours)
    for page in store.get_paginator("list_object_versions").paginate(Bucket=place):
        yield from (_Kept(key=row["Key"], fault="a delete marker") for row in page.get("DeleteMarkers", []))
        for row in page.get("Versions", []):
            if row["Key"].partition("/")[0] not in {"_probe", OF_LOG}:  # what the probe attacks; the log
                yield _version(read=store.get_object, place=place, key=row["Key"], version=row["VersionId"])


def _version(*, read: Callable[..., Any], place: str, key: str, version: str) -> _Kept:
    """Read one version of an object and its lock."""
    try:
        answer = read(Bucket=place, Key=key, VersionId=version)
        body = answer["Body"].read()
    except ClientError as refused:
        return _Kept(key=key, fault=f"version {version} cannot be read: {refused}")
    mode, until = answer.get("ObjectLockMode"), answer.get("ObjectLockRetainUntilDate")
    fault = "" if mode == "COMPLIANCE" and until else f"version {version}: its lock is {mode}"
    return _Kept(key=key, body=body, version=answer["VersionId"], until=until, fault=fault)


def embedded(*, pdf: bytes) -> bytes | None:
    """Return the attachment `content.json` of a PDF, read by PDFium."""
    with pypdfium2.PdfDocument(pdf) as document:
        attachments = [document.get_attachment(index) for index in range(document.count_attachments())]
        return next((bytes(each.get_data()) for each in attachments if each.get_name() == "content.json"), None)


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
        if message_id not in known and "operaciones@" not in str(message["To"]):  # an alert
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
    figures, findings = check(**asked | {"mail": pathlib.Path(asked["mail"])})
    json.dump({"figures": figures, "findings": findings}, sys.stdout, ensure_ascii=False)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
