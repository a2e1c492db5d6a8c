"""The parties of events: added with the first event that names them, checked and printed as each event names them.

A party is identified by its platform id. What a document prints of it comes from the document's own event, and where
that names nobody, from the last that did by the document's operation date. See `party_changes` for what moves later.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks
from documents.countries.pack import Pack
from documents.events import envelope, schema_parts
from documents.models import Document, Kind, Party

LOCALE = "es"  # of somebody for whom no event has stated one
# TABLE: what names the owner of its own documents, and of which kinds those are.
NAMING = ("PAYMENT_CAPTURED", "ORDER_COMPLETED", "ORDER_REASSIGNED")
NAMED_BY = (Kind.PAYMENT_RECEIPT, Kind.ORDER_FINAL_STATEMENT)


@dataclass(frozen=True, kw_only=True)
class NamedParty:
    """A party as an event names it: `printed` is the content's `owner` block, `flags` the warnings about it."""

    party: schema_parts.StatedParty
    tax_id: str
    tax_id_type: str
    printed: dict[str, str]
    flags: tuple[str, ...] = ()


def check(*, party: schema_parts.StatedParty, pack: Pack, pointer: str) -> NamedParty:
    """Check a party's tax id and return how the party is printed.

    :raises errors.Problem: `tax_id_invalid`
    """
    printed = {"id": party.id, "legal_name": party.legal_name}
    tax_id, tax_id_type = "", ""
    flags: tuple[str, ...] = ()
    if party.tax_id is not None:
        try:
            checked = pack.check_tax_id(value=party.tax_id, type=party.tax_id_type)
        except errors.Problem as problem:
            values = {**problem.values, "party": party.id}
            raise errors.problem_at(pointer=f"{pointer}/tax_id", code=problem.code, values=values) from None
        tax_id, tax_id_type = checked.value, checked.type
        flags = (checked.flag,) if checked.flag else ()
        printed |= {"tax_id": checked.value, "tax_id_name": checked.name}
    if party.address is not None:
        printed["address"] = party.address
    return NamedParty(party=party, tax_id=tax_id, tax_id_type=tax_id_type, printed=printed, flags=flags)


def add_missing(*, named: Sequence[NamedParty], message: envelope.EventMessage, actor: log.Actor) -> dict[str, Party]:
    """Return {platform id: party}, and add those that no event has named before. The caller wakes what is `awaited`.

    Rows are added in the order of their ids, so that two events which name the same people never wait in a circle.
    """
    wanted = {person.party.id: person for person in sorted(named, key=lambda person: person.party.id)}
    known = {party.platform_id: party for party in Party.objects.filter(platform_id__in=wanted)}
    fresh = [
        _row(person, occurred_at=message.occurred_at)
        for platform_id, person in wanted.items()
        if platform_id not in known
    ]
    if not fresh:
        return known
    locks.declare(rank=locks.Rank.PARTY_ID, keys=[(row.platform_id,) for row in fresh])
    Party.objects.bulk_create(fresh, ignore_conflicts=True)
    # Another transaction may add them at the same time: its rows are seen only by a query after waiting for it.
    known = {party.platform_id: party for party in Party.objects.filter(platform_id__in=wanted)}
    for row in fresh:
        if known[row.platform_id].public_id == row.public_id:
            log.record(action=Action.PARTY_ADDED, object_type="party", object_id=row.public_id, actor=actor)
    return known


def awaited(*, platform_ids: Iterable[str]) -> list[str]:
    """Return the names under which events wait for parties whom no event has named yet."""
    return [f"party:{platform_id}" for platform_id in platform_ids]


def _row(person: NamedParty, *, occurred_at: dt.datetime) -> Party:
    """Return the row of somebody whom no event has named before the one that occurred then."""
    return Party(
        public_id=identifiers.new(prefix="pty"),
        platform_id=person.party.id,
        legal_name=person.party.legal_name,
        tax_id=person.tax_id,
        tax_id_type=person.tax_id_type,
        email=person.party.email or "",
        locale=person.party.locale or LOCALE,
        named_at=occurred_at,
        email_stated_at=occurred_at if person.party.email else None,
        locale_stated_at=occurred_at if person.party.locale else None,
    )


def printed(*, party: Party, pack: Pack, date: dt.date) -> dict[str, Any]:
    """Return the `owner` block of a party of whom the event states only the id, as it was named by that day.

    That is how the last of its own documents of the country prints it whose event names it; where there is none by
    that day, the first one after it. Somebody without any is printed as any event has named it.
    """
    rows = Document.objects.filter(naming(party=party), country_id=pack.country)
    by_then = rows.filter(operation_date__lte=date).order_by("-operation_date", "-event__occurred_at", "document_key")
    later = rows.filter(operation_date__gt=date).order_by("operation_date", "event__occurred_at", "document_key")
    for rows in (by_then, later):
        for content in rows.values_list("content", flat=True)[:1]:
            return dict(json.loads(content)["owner"])
    block = {"id": party.platform_id, "legal_name": party.legal_name}
    if party.tax_id:
        block |= {"tax_id": party.tax_id, "tax_id_name": pack.tax_id_name(tax_id_type=party.tax_id_type)}
    return block


def naming(*, party: Party) -> Q:
    """Return the condition of a party's own documents whose events have named it."""
    return Q(owner=party, kind__in=NAMED_BY, event__type__in=NAMING)


def lock_party(*, platform_id: str) -> Party | None:
    """Return a party, locked until the transaction ends so that nothing else moves its money; None for nobody.

    Documents about the party may still be inserted meanwhile.
    """
    return next(iter(lock_parties(platform_ids=[platform_id])), None)


def lock_parties(*, platform_ids: Collection[str]) -> list[Party]:
    """Return those parties that there are, locked at once like that of `lock_party`."""
    return locks.rows(queryset=Party.objects.filter(platform_id__in=platform_ids))


def locked(*, platform_id: str) -> Party | None:
    """Return a party that is locked; None for nobody, and for one who has come since the event's parties were locked.

    Locked now, that one would be out of order. The event waits for it, and is looked at again at once.
    """
    party = Party.objects.filter(platform_id=platform_id).first()
    return party if party and locks.has(rank=locks.Rank.PARTY, keys=[(party.pk,)]) else None


def lock_payee(*, message: envelope.EventMessage) -> None:
    """Lock a payout's payee until the outcome is committed; see `events.effects.EventType.locks`.

    An adjustment locks its owner too. So of an adjustment and a payout that does not close without it, at the same
    time, either the adjustment sees the held payout and lets it be tried again, or the payout sees the adjustment.
    """
    lock_party(platform_id=message.data.payee.id)
