"""Legal holds: a matter keeps its documents beyond their retention, until one person asks for its end and one agrees.

Where it was set until a day, it ends by itself once that day is over in its country.

A matter is over documents, or over a party, a period and kinds: what it covers is asked of its scopes each time, so
that a document that is issued later is held from its first moment. `hold_marks` tells the vault.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from audit import log
from audit.actions import Action
from documents import errors, locks
from documents.access import deciding
from documents.emission import custody
from documents.models import OVER, Country, Document, HoldScope, HoldState, LegalHold, Party

DECIDES = "hold"  # the right
KIND = "legalhold"
AHEAD = dt.timedelta(days=2)  # no zone is further from UTC


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decider:
    """Who decides, by which request, why, and when."""

    user: User
    actor: log.Actor
    reason: str
    now: dt.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Covered:
    """What of a party's documents a matter covers, by the day of issue, both ends included; no kinds are all."""

    country: Country
    first_date: dt.date | None = None
    last_date: dt.date | None = None
    kinds: tuple[str, ...] = ()


def live() -> QuerySet[LegalHold]:
    """Return the matters that hold what they cover."""
    return LegalHold.objects.exclude(state__in=OVER)


def live_scopes() -> QuerySet[HoldScope]:
    """Return what those matters cover."""
    return HoldScope.objects.exclude(hold__state__in=OVER)


def is_held(*, scopes: QuerySet[HoldScope] | None = None) -> Exists:
    """Return the condition of a document that a matter holds; `scopes` are those of some matters only."""
    period = (Q(first_date=None) | Q(first_date__lte=OuterRef("issue_date"))) & (
        Q(last_date=None) | Q(last_date__gte=OuterRef("issue_date"))
    )
    kinds = Q(kinds=[]) | Q(kinds__contains=[OuterRef("kind")])
    of_party = Q(party=OuterRef("owner"), hold__country=OuterRef("country")) & period & kinds
    return Exists((live_scopes() if scopes is None else scopes).filter(Q(document=OuterRef("pk")) | of_party))


def held_among(*, documents: Sequence[Document]) -> frozenset[int]:
    """Return the ids of those documents that a matter holds, in one query."""
    pks = [document.pk for document in documents]
    return (
        frozenset(Document.objects.filter(is_held(), pk__in=pks).values_list("pk", flat=True)) if pks else frozenset()
    )


def of_document(*, document: Document) -> QuerySet[LegalHold]:
    """Return the matters that hold a document."""
    scopes = HoldScope.objects.filter(
        Q(document=document)
        | Q(party=document.owner_id, hold__country=document.country_id)
        & (Q(first_date=None) | Q(first_date__lte=document.issue_date))
        & (Q(last_date=None) | Q(last_date__gte=document.issue_date))
        & (Q(kinds=[]) | Q(kinds__contains=[document.kind]))
    )
    return live().filter(pk__in=scopes.values("hold")).order_by("pk")


def covered_by(*, scopes: QuerySet[HoldScope], rows: QuerySet[Document]) -> QuerySet[Document]:
    """Return those of `rows` that lie within scopes; the indexes are walked, whatever else there is."""
    documents = scopes.filter(document__isnull=False).values("document")
    parties = scopes.filter(party__isnull=False).values("party")
    return rows.filter(is_held(scopes=scopes), Q(pk__in=documents) | Q(owner__in=parties))


def set_over_document(*, document: Document, reference: str, by: Decider, until: dt.date | None = None) -> bool:
    """Hold one document for a matter, which is made where there is none; False where its end is proposed already.

    :param until: the last day of a new matter; none is until two people release it. Of one that exists: what it has
    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`, `hold_end_differs`
    """
    return _set(
        reference=reference,
        about=("document", document.public_id),
        scope=HoldScope(document=document),
        country=document.country,
        until=until,
        by=by,
    )


def set_over_party(
    *, party: Party, reference: str, covered: Covered, by: Decider, until: dt.date | None = None
) -> bool:
    """Hold a party's documents of a country, a period and kinds for a matter, also those that are issued later.

    :param until: as in `set_over_document`
    :returns: False where the matter's end is proposed already
    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`, `hold_end_differs`
    """
    scope = HoldScope(
        party=party, first_date=covered.first_date, last_date=covered.last_date, kinds=list(covered.kinds)
    )
    about = ("party", party.public_id)
    return _set(reference=reference, about=about, scope=scope, country=covered.country, until=until, by=by)


def request_release(*, hold: LegalHold, by: Decider) -> bool:
    """Ask for the end of a matter, which another person has to approve; False where it is asked for or over already.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`
    """
    _require(hold=hold, by=by)
    asked = {"release_reason": by.reason, "requested_by": by.user, "requested_at": by.now}
    return _decide(hold=hold, before=HoldState.SET, after=HoldState.RELEASE_REQUESTED, by=by, columns=asked)


def withdraw_release(*, hold: LegalHold, by: Decider) -> bool:
    """Let a matter go on whose end somebody has asked for; False where nobody has.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`
    """
    _require(hold=hold, by=by)
    none: dict[str, object] = {"release_reason": "", "requested_by": None, "requested_at": None}
    return _decide(hold=hold, before=HoldState.RELEASE_REQUESTED, after=HoldState.SET, by=by, columns=none)


def approve_release(*, hold: LegalHold, by: Decider) -> bool:
    """End a matter that somebody else has asked to end; False where nobody has. What another matter holds stays held.

    :raises errors.Problem: `role_not_allowed`, `country_out_of_scope`, `second_person_required`
    """
    _require(hold=hold, by=by)
    if hold.requested_by_id == by.user.pk:
        deciding.refuse(code="second_person_required", object_type=KIND, object_id=hold.public_id, actor=by.actor)
    agreed = {"approval": by.reason, "released_by": by.user, "released_at": by.now}
    return _decide(hold=hold, before=HoldState.RELEASE_REQUESTED, after=HoldState.RELEASED, by=by, columns=agreed)


def end_due(*, now: dt.datetime) -> int:
    """End the matters whose last day is over where their law is, each on record; return how many there were."""
    ended = 0
    for hold in live().filter(hold_until__lt=(now + AHEAD).date()).order_by("pk"):
        if hold.hold_until is None or custody.lock_end_of(country=hold.country_id, retain_until=hold.hold_until) > now:
            continue
        by = {"reference": hold.reference, "until": hold.hold_until.isoformat()}
        ended += _move(
            hold=hold,
            before=HoldState(hold.state),
            after=HoldState.ENDED,
            actor=log.SYSTEM,
            said=by,
            columns={"ended_at": now},
        )
    return ended


def _set(
    *,
    reference: str,
    about: tuple[str, str],
    scope: HoldScope,
    country: Country,
    until: dt.date | None,
    by: Decider,
) -> bool:
    """Add a scope to a matter.

    :raises errors.Problem: `hold_end_differs`
    """
    kind, public_id = about
    deciding.require(
        right=DECIDES, user=by.user, country=country.pk, object_type=kind, object_id=public_id, actor=by.actor
    )
    with transaction.atomic():
        matter = _matter(reference=reference, country=country, until=until, by=by)
        if matter.state != HoldState.SET or _has(matter=matter, scope=scope):
            return False
        scope.hold = matter
        scope.save(force_insert=True)
        stated = {"reference": reference, "reason": by.reason}
        for object_type, object_id, other in ((KIND, matter.public_id, public_id), (kind, public_id, matter.public_id)):
            log.record(
                action=Action.HOLD_SET,
                object_type=object_type,
                object_id=object_id,
                actor=by.actor,
                details={**stated, "with": other},
            )
    return True


def _matter(*, reference: str, country: Country, until: dt.date | None, by: Decider) -> LegalHold:
    """Return the live matter of a reference, locked, which is made where there is none.

    :raises errors.Problem: `hold_end_differs`
    """
    stated = {"reason": by.reason, "set_by": by.user, "set_at": by.now, "hold_until": until}
    matter, _is_new = live().get_or_create(country=country, reference=reference, defaults=stated)
    [matter] = locks.rows(queryset=LegalHold.objects.filter(pk=matter.pk))
    if until is not None and until != matter.hold_until:
        ends = matter.hold_until.isoformat() if matter.hold_until else ""
        values = {"cause": "until" if ends else "open", "what": reference, "date": ends}
        raise errors.Problem(code="hold_end_differs", values=values)
    return matter


def _has(*, matter: LegalHold, scope: HoldScope) -> bool:
    """Tell whether a matter covers just this already."""
    same = {name: getattr(scope, name) for name in ("document", "party", "first_date", "last_date", "kinds")}
    return matter.scopes.filter(**same).exists()


def _require(*, hold: LegalHold, by: Decider) -> None:
    deciding.require(
        right=DECIDES, user=by.user, country=hold.country_id, object_type=KIND, object_id=hold.public_id, actor=by.actor
    )


def _decide(*, hold: LegalHold, before: HoldState, after: HoldState, by: Decider, columns: dict[str, object]) -> bool:
    """Move a matter by a person's decision; False where it is not in the first state."""
    said = {"reference": hold.reference, "reason": by.reason}
    return _move(hold=hold, before=before, after=after, actor=by.actor, said=said, columns=columns)


def _move(
    *,
    hold: LegalHold,
    before: HoldState,
    after: HoldState,
    actor: log.Actor,
    said: dict[str, str],
    columns: dict[str, object],
) -> bool:
    """Move a matter from one state to another, on record; False where it is not in the first."""
    action = Action.HOLD_RELEASE_WITHDRAWN if after == HoldState.SET else Action(f"hold.{after.lower()}")
    with transaction.atomic():
        locks.rows(queryset=LegalHold.objects.filter(pk=hold.pk))
        if not LegalHold.objects.filter(pk=hold.pk, state=before).update(state=after, **columns):
            return False
        log.record(action=action, object_type=KIND, object_id=hold.public_id, actor=actor, details={**said})
    return True
