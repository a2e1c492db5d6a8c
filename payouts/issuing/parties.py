"""The parties of events: added with the first event that names them, checked and printed as each event names them.

A party is identified by its platform id. What a document prints of it comes from the document's own event. Its contact
data comes from the first event that names it, and after that only from CONTACT_CHANGED, the newest of which counts.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit import log
from audit.actions import Action
from documents import errors, identifiers, locks
from documents.countries import pack as packs
from documents.countries.pack import Pack
from documents.delivery import links, notices
from documents.events import effects, envelope, schema_parts
from documents.models import Event, Party, RevokeReason
from payouts.issuing import terms


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


def add_missing(*, named: Sequence[NamedParty], actor: log.Actor) -> dict[str, Party]:
    """Return {platform id: party}, and add those that no event has named before. The caller wakes what is `awaited`.

    Rows are added in the order of their ids, so that two events which name the same people never wait in a circle.
    """
    wanted = {person.party.id: person for person in sorted(named, key=lambda person: person.party.id)}
    known = {party.platform_id: party for party in Party.objects.filter(platform_id__in=wanted)}
    fresh = [_row(person) for platform_id, person in wanted.items() if platform_id not in known]
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


def _row(person: NamedParty) -> Party:
    """Return the row of somebody whom no event has named before."""
    return Party(
        public_id=identifiers.new(prefix="pty"),
        platform_id=person.party.id,
        legal_name=person.party.legal_name,
        tax_id=person.tax_id,
        tax_id_type=person.tax_id_type,
        email=person.party.email or "",
        locale=person.party.locale or "es",
    )


def printed(*, party: Party, pack: Pack) -> dict[str, str]:
    """Return the `owner` block of a party of whom the event states only the id."""
    block = {"id": party.platform_id, "legal_name": party.legal_name}
    if party.tax_id:
        block |= {"tax_id": party.tax_id, "tax_id_name": pack.tax_id_name(tax_id_type=party.tax_id_type)}
    return block


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


def lock_named(*, message: envelope.EventMessage) -> None:
    """Lock the party whose contact data change."""
    lock_party(platform_id=message.data.party.id)


@effects.holds_on_problem
def on_contact_changed(
    *, event: Event, message: envelope.EventMessage, now: dt.datetime, actor: log.Actor
) -> effects.Outcome:
    """Set a party's contact data to what it asked for last, in whatever order the events came. Issues nothing.

    Waits for the event that first names the party. What a newer change has overtaken is processed, too: it was heard.
    Held: `time_implausible`.
    """
    pack = packs.for_country(message.country)
    if pack is not None:
        terms.require_plausible(message=message, pack=pack)
    stated = message.data.party
    party = locked(platform_id=stated.id)
    if party is None:
        return effects.Waiting(missing=awaited(platform_ids=[stated.id]))
    changes: dict[str, object] = {}
    if stated.email is not None and (party.contact_at is None or party.contact_at < message.occurred_at):
        changes |= {"email": stated.email, "contact_at": message.occurred_at}
    if stated.locale is not None and (party.locale_at is None or party.locale_at < message.occurred_at):
        changes |= {"locale": stated.locale, "locale_at": message.occurred_at}
    if changes:
        _move(party=party, changes=changes, event=event, now=now, actor=actor)
    return effects.Issued()


def _move(*, party: Party, changes: Mapping[str, object], event: Event, now: dt.datetime, actor: log.Actor) -> None:
    """Write a change of contact data with its audit event.

    A new address ends the open links, and a notice goes to the old one: if somebody else asked for the change, its
    owner can object.
    """
    moves = "email" in changes and _plain(str(changes["email"])) != _plain(party.email)
    Party.objects.filter(pk=party.pk).update(**changes)
    log.record(
        action=Action.PARTY_CONTACT_CHANGED,
        object_type="party",
        object_id=party.public_id,
        actor=actor,
        details={"fields": ", ".join(name for name in changes if not name.endswith("_at"))},
    )
    if moves:
        links.revoke_open(recipient=party, reason=RevokeReason.CONTACT_CHANGED, actor=actor, now=now)
        if party.email:
            notices.plan(party=party, event=event, now=now, actor=actor)


def _plain(address: str) -> str:
    """Return an address for comparison: no mail server tells mailboxes apart by capital letters."""
    return address.strip().casefold()
