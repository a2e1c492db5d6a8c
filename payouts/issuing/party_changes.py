"""What later events change of a party: how it is called, and where it is reached.

The event that named it last, by `occurred_at`, says how it is called. The first event that carries an address or a
language, by `occurred_at`, sets it; an absent one is none. After that only CONTACT_CHANGED moves it, the newest of
which counts. So neither depends on the order in which the events arrived.
"""

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence

from django.db import transaction

from audit import log
from audit.actions import Action
from documents import errors, locks
from documents.countries import pack as packs
from documents.delivery import links, notices
from documents.events import effects, envelope, schema_parts
from documents.models import Document, Event, Party, RevokeReason
from payouts.issuing import parties, terms

NAME = ("legal_name", "tax_id", "tax_id_type")


def keep_up(
    *,
    outcome: effects.Issued,
    named: Sequence[parties.NamedParty],
    rows: Mapping[str, Party],
    event: Event,
    message: envelope.EventMessage,
    now: dt.datetime,
    actor: log.Actor,
) -> effects.Outcome:
    """Bring the parties that an event names up to what it says of them, and return what came of the event.

    Call last, with the documents issued: what a change ends is locked after them. `rows` are {platform id: party}. What
    a repeat says of names does not count, as its document stays as it is. Somebody who has come, or changed, since
    `changing` looked is not locked: the event waits, and is looked at again at once.
    """
    is_fresh = any(not issued.replayed for issued in outcome.documents)
    changes = {
        person.party.id: _changes(
            person=person, row=rows[person.party.id], occurred_at=message.occurred_at, is_fresh=is_fresh
        )
        for person in named
    }
    moved = sorted((rows[platform_id] for platform_id, columns in changes.items() if columns), key=lambda row: row.pk)
    if not locks.has(rank=locks.Rank.PARTY, keys=[(row.pk,) for row in moved]):
        return effects.Waiting(missing=parties.awaited(platform_ids=[row.platform_id for row in moved]))
    for row in moved:
        _move(party=row, changes=changes[row.platform_id], event=event, now=now, actor=actor)
    return outcome


def changing(*, message: envelope.EventMessage) -> set[str]:
    """Return the platform ids of those whom an event names and who are known otherwise; nothing is locked."""
    pack, moved = packs.for_country(message.country), set[str]()
    if pack is None:
        return moved
    parts = (getattr(message.data, name) for name in type(message.data).model_fields)
    stated = {part.id: part for part in parts if isinstance(part, schema_parts.StatedParty)}
    for row in Party.objects.filter(platform_id__in=stated):
        with contextlib.suppress(errors.Problem):  # of an id that is wrong: the event is held for it
            person = parties.check(party=stated[row.platform_id], pack=pack, pointer="")
            if _changes(person=person, row=row, occurred_at=message.occurred_at, is_fresh=True):
                moved.add(row.platform_id)
    return moved


def lock_changing(*, message: envelope.EventMessage) -> None:
    """Lock those who change before any row of an event; see `parties.lock_payee`."""
    if moved := changing(message=message):
        parties.lock_parties(platform_ids=moved)


def _changes(*, person: parties.NamedParty, row: Party, occurred_at: dt.datetime, is_fresh: bool) -> dict[str, object]:
    """Return {column: value} of what an event of that moment changes of a party; what it leaves out stays."""
    stated, changes = person.party, dict[str, object]()
    reached = [("email", stated.email, row.email, row.email_stated_at)] if row.contact_at is None else []
    if row.locale_at is None:
        preset = row.locale == parties.LOCALE and row.locale_stated_at is None
        reached.append(("locale", stated.locale, "" if preset else row.locale, row.locale_stated_at))
    for column, value, known, since in reached:  # of one moment, the lesser value counts
        if value and (not known if since is None else (occurred_at, value) < (since, known)):
            changes |= {column: value, f"{column}_stated_at": occurred_at}
    name = {"legal_name": stated.legal_name}
    name |= {"tax_id": person.tax_id, "tax_id_type": person.tax_id_type} if person.tax_id else {}
    differs = any(getattr(row, column) != value for column, value in name.items())
    if is_fresh and differs and not _is_named_later(row=row, occurred_at=occurred_at, name=name):
        changes |= {**name, "named_at": occurred_at}
    return changes


def _is_named_later(*, row: Party, occurred_at: dt.datetime, name: Mapping[str, str]) -> bool:
    """Tell whether a party has been named by an event that occurred after that moment, whatever its name was then."""
    stated = (occurred_at, name["legal_name"], name.get("tax_id", row.tax_id))
    if row.named_at is not None and stated < (row.named_at, row.legal_name, row.tax_id):
        return True
    return Document.objects.filter(parties.naming(party=row), event__occurred_at__gt=occurred_at).exists()


def lock_named(*, message: envelope.EventMessage) -> None:
    """Lock the party whose contact data change."""
    parties.lock_party(platform_id=message.data.party.id)


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
    party = parties.locked(platform_id=stated.id)
    if party is None:
        return effects.Waiting(missing=parties.awaited(platform_ids=[stated.id]))
    changes: dict[str, object] = {}
    if stated.email is not None and (party.contact_at is None or party.contact_at < message.occurred_at):
        changes |= {"email": stated.email, "contact_at": message.occurred_at}
    if stated.locale is not None and (party.locale_at is None or party.locale_at < message.occurred_at):
        changes |= {"locale": stated.locale, "locale_at": message.occurred_at}
    if changes:
        _move(party=party, changes=changes, event=event, now=now, actor=actor)
    return effects.Issued()


def change_contact(*, party: Party, email: str, locale: str | None, now: dt.datetime, actor: log.Actor) -> Party:
    """Set the contact data that a party itself states, as a CONTACT_CHANGED of this moment would; return it so."""
    with transaction.atomic():
        [row] = parties.lock_parties(platform_ids=[party.platform_id])
        changes: dict[str, object] = {"email": email, "contact_at": now}
        if locale is not None:
            changes |= {"locale": locale, "locale_at": now}
        _move(party=row, changes=changes, event=None, now=now, actor=actor)
    row.refresh_from_db()
    return row


def _move(
    *, party: Party, changes: Mapping[str, object], event: Event | None, now: dt.datetime, actor: log.Actor
) -> None:
    """Write what changes of a party, with its audit events.

    A new address ends the open links, and a notice goes to the old one: if somebody else asked for the change, its
    owner can object.
    """
    Party.objects.filter(pk=party.pk).update(**changes)
    named = [column for column in changes if column in NAME]
    reached = [column for column in changes if column not in {*NAME, "named_at"}]
    for action, columns in ((Action.PARTY_RENAMED, named), (Action.PARTY_CONTACT_CHANGED, reached)):
        if columns:
            log.record(
                action=action,
                object_type="party",
                object_id=party.public_id,
                actor=actor,
                details={"fields": ", ".join(column for column in columns if not column.endswith("_at"))},
            )
    if _plain(str(changes.get("email", party.email))) != _plain(party.email):
        links.revoke_open(recipient=party, reason=RevokeReason.CONTACT_CHANGED, actor=actor, now=now)
        if party.email:
            notices.plan(party=party, event=event, now=now, actor=actor)


def _plain(address: str) -> str:
    """Return an address for comparison: no mail server tells mailboxes apart by capital letters."""
    return address.strip().casefold()
