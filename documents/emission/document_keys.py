"""Permanent document keys: one document for one subject. Who inserts the key issues, the others find the document."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from audit import log
from audit.actions import Action
from documents import canonical, locks, metrics
from documents.alerts import discrepancies
from documents.countries import pack as packs
from documents.countries import tax_ids
from documents.models import Document, Event, Kind

KEY_MAX = 200
# Amounts that a message may leave out, which says the same as zero.
_AMOUNTS = frozenset({"amount", "base", "cash_collected", "closing_carry_over", "fee", "opening_carry_over"})
_ZERO = re.compile(r"-?0(\.0+)?", flags=re.ASCII)


@dataclass(frozen=True, kw_only=True)
class KeyClaim:
    """A claimed key. `fresh`: this transaction inserted it; `fingerprint` is the one that the first claim stored."""

    fresh: bool
    fingerprint: str


def key(*, kind: Kind, subject: tuple[str, str], audience: str, discriminator: str = "") -> str:
    """Return `KIND:SUBJECT:SUBJECT_ID:AUDIENCE[:DISCRIMINATOR]`, an injective encoding.

    :raises ValueError: a part that is empty, not ASCII, holds the separator, or a key beyond 200 characters
    """
    parts = [str(kind), *subject, audience, *([discriminator] if discriminator else [])]
    text = ":".join(parts)
    if any(not part or ":" in part for part in parts) or not text.isascii() or len(text) > KEY_MAX:
        raise ValueError(f"not a document key: {text[:80]!r}")
    return text


def fingerprint(*, kind: Kind, country: str, issuer: str, data: dict[str, object]) -> str:
    """Return the SHA-256 of the normalised business input.

    No event id, no times of the envelope, no contact data, nothing computed. Lists are in one order, blanks are folded,
    zero is the same as nothing, and a tax id is as it is printed: the same fact told in other words is the same.
    """
    normal = _normal_members(members=data, country=packs.for_country(country))
    if "beneficiary" in normal and normal["beneficiary"] == normal.get("driver"):
        del normal["beneficiary"]
    return canonical.sha256(value={"kind": str(kind), "country": country, "issuer": issuer, "data": normal})


def known_as(*, kind: Kind, country: str, issuer: str, data: dict[str, object]) -> tuple[str, str]:
    """Return the fingerprints that a fact may be stored with: the present one, and that of earlier versions.

    Those stored the data as it was stated, so of theirs only the same fact in the same words is known again.
    """
    former = {"kind": str(kind), "country": country, "issuer": issuer, "data": data}
    return fingerprint(kind=kind, country=country, issuer=issuer, data=data), canonical.sha256(value=former)


def _normal_members(*, members: Mapping[str, object], country: packs.Pack | None) -> dict[str, object]:
    """Return an object's members in their normal form, without what is computed, empty or zero."""
    stated = {key: value for key, value in members.items() if key != "totals"}
    if "tax" in stated:
        stated["taxes"] = [stated.pop("tax")]
    if stated.get("supply") == "service" or stated.get("kind") == "PLATFORM_FEE":
        stated.pop("supply", None)  # what the line is of anyway
    if "tax_id" not in stated:
        stated.pop("tax_id_type", None)  # nothing of it is printed
    elif country is not None:
        stated |= _normal_tax_id(party=stated, country=country)
    normal = {key: _normal(value=value, country=country) for key, value in stated.items()}
    return {
        key: value
        for key, value in normal.items()
        if value not in ("", [], {}) and not (key in _AMOUNTS and _ZERO.fullmatch(str(value)))
    }


def _normal_tax_id(*, party: Mapping[str, object], country: packs.Pack) -> dict[str, object]:
    """Return a party's tax id as it is printed; its type says something only where nothing else verifies the id."""
    stated_type = party.get("tax_id_type")
    reading = country.read_tax_id(value=str(party["tax_id"]), stated_type=str(stated_type) if stated_type else None)
    if isinstance(reading, tax_ids.WrongTaxId):
        return {}
    return {"tax_id": reading.value, "tax_id_type": reading.name if reading.flag == tax_ids.UNVERIFIED else ""}


def _normal(*, value: object, country: packs.Pack | None) -> object:
    """Return a value in its normal form: lists sorted, blanks folded."""
    if isinstance(value, Mapping):
        return _normal_members(members=value, country=country)
    if isinstance(value, list):
        items = [_normal(value=item, country=country) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    return " ".join(value.split()) if isinstance(value, str) else value


def claim(*, key: str, fingerprint: str) -> KeyClaim:
    """Claim a key for ever, inside the caller's transaction.

    Two statements at READ COMMITTED, on purpose: the insert waits for a rival transaction to end, and only a second
    statement has a snapshot that sees what the rival committed.
    """
    locks.declare(rank=locks.Rank.DOCUMENT_KEY, keys=[(key,)])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO documents_documentkey (key, fingerprint) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [key, fingerprint],
        )
        if cursor.rowcount == 1:
            return KeyClaim(fresh=True, fingerprint=fingerprint)
        cursor.execute("SELECT fingerprint FROM documents_documentkey WHERE key = %s", [key])
        (first,) = cursor.fetchone()
    return KeyClaim(fresh=False, fingerprint=first)


def repeated(*, document: Document, first: str, others: tuple[str, str], event: Event, actor: log.Actor) -> None:
    """Put on record that the event of a document was sent again.

    `first` is the fingerprint that the document's key has, `others` are those of the event as `known_as` gives them:
    should they differ, the document stays as it is, and a discrepancy names both events.
    """
    diverges = first not in others
    log.record(
        action=Action.DOCUMENT_REPEATED,
        object_type="document",
        object_id=document.public_id,
        actor=actor,
        code="divergent_repeat" if diverges else "",
    )
    metrics.DOCUMENT_REPEATED.inc()
    if diverges:
        key = document.document_key_id
        discrepancies.open_one(
            code="divergent_repeat",
            dedup_key=f"divergent_repeat:{key}:{others[0]}",
            facts={"document_key": key, "first_event": document.event_id, "other_event": event.event_id},
            document=document,
            event=event,
            actor=actor,
        )
