"""What the tests of the Document Center share: its addresses, its people, and what the log says of them."""

import datetime as dt
import time
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern
from django.utils import timezone

from audit.models import Event as LogEvent
from documents.access import factors, sessions
from documents.admin.site import site
from documents.models import (
    Alert,
    ApiKey,
    Country,
    CustodyRound,
    Delivery,
    Discrepancy,
    Document,
    HoldScope,
    LegalHold,
    Link,
    Party,
    Person,
)
from payouts.models import Payout, PayoutState, Settlement, TripReport
from tests import cast, factories
from tests.services import force

ADMIN = "/admin/"


def client(*, member: cast.Member) -> Client:
    """Return a browser in which a person has signed in."""
    browser = Client()
    browser.force_login(member.user, backend="django.contrib.auth.backends.ModelBackend")
    if member.user.is_staff:  # as if she had opened a page before
        session = browser.session
        session.update({sessions.SEEN: time.time(), sessions.FACTOR: factors.has(user=member.user)})
        session.save()
    return browser


def staff(*, roles: list[str], countries: list[str], name: str = "") -> cast.Member:
    """Return a person of the house."""
    for code in countries:
        cast.country(code=code)
    return cast.staff(name=name or f"one_of_{'_'.join(roles) or 'nobody'}", roles=roles, countries=countries)


def everywhere(*, roles: list[str]) -> cast.Member:
    """Return a person of the house whose scope is every country there is."""
    member = staff(roles=roles, countries=[], name="everywhere")
    for one in Country.objects.all():
        cast.grant("documents.see_country", member.user, one)
    return member


def page(document: Document) -> str:
    """Return the address of a document's page."""
    return f"{ADMIN}documents/document/{document.public_id}/"


def denials() -> list[LogEvent]:
    """Return the refusals on record, the newest first."""
    return list(LogEvent.objects.using("denials").filter(outcome="denied").order_by("-pk"))


def said(action: str) -> list[LogEvent]:
    """Return what the log says of an action, the newest first."""
    return list(LogEvent.objects.filter(action=action).order_by("-pk"))


def link(*, document: Document) -> Link:
    """Return an open link."""
    with force.by_force():
        return Link.objects.create(
            document=document,
            recipient=document.owner,
            token_sha256=document.public_id.ljust(64, "0")[:64],
            expires_at=timezone.now() + dt.timedelta(days=7),
        )


@force.by_force()
def payout(*, document: Document) -> Payout:
    """Return a payout to a document's owner."""
    return Payout.objects.create(
        payout_id="po_1",
        payee=document.owner,
        issuer=document.issuer,
        country=document.country,
        currency="EUR",
        amount_minor=2188,
        sent_at=timezone.now(),
        chained_at=timezone.now(),
        chained_as="po_1",
        state=PayoutState.SENT,
        event=document.event,
    )


@force.by_force()
def matter(*, document: Document) -> LegalHold:
    """Return a matter that holds a document."""
    officer = User.objects.get_or_create(username="who_set_it")[0]
    held = LegalHold.objects.create(reference="AUTO-1", country=document.country, reason="por probar", set_by=officer)
    HoldScope.objects.create(hold=held, document=document)
    return held


def person(*, user: User) -> Person:
    """Return the row of somebody who may sign in."""
    return Person.objects.get_or_create(user=user, defaults={"public_id": f"usr_{user.pk}"})[0]


def _report(*, document: Document) -> TripReport:
    """Return a trip that a document's owner misses."""
    return TripReport.objects.create(
        party=document.owner, country=document.country, trip="ord_1", note="Falta", form_sha256="f"
    )


@force.by_force()
def one_of_each(*, document: Document) -> dict[str, str]:
    """Make one row of every list, and return the last part of each page's address."""
    delivery = Delivery.objects.create(document=document, recipient=document.owner, channel="EMAIL", message_id="m1@x")
    cause = {"type": "PAYOUT_SENT", "event": "evt_1", "cause": "payout_does_not_close"}
    alert = Alert.objects.create(
        dedup_key="a", code="event_held", severity="P2", values=cause, runbook="docs/runbooks/events.md"
    )
    gap = Discrepancy.objects.create(code="paid_twice", dedup_key="d", document=document, country=document.country)
    sent = payout(document=document)
    settled = Settlement.objects.create(payout=sent, document=document, amount_minor=2188)
    return {
        "documents/document": document.public_id,
        "documents/event": document.event.public_id,
        "documents/party": Party.objects.get(pk=document.owner_id).public_id,
        "documents/issuer": str(document.issuer_id),
        "documents/series": str(document.series_id),
        "documents/custodyround": str(CustodyRound.objects.create(began_at=timezone.now(), older=0).pk),
        "documents/delivery": delivery.public_id,
        "documents/link": link(document=document).public_id,
        "documents/discrepancy": gap.public_id,
        "documents/alert": alert.public_id,
        "documents/legalhold": matter(document=document).public_id,
        "documents/person": person(user=User.objects.get_or_create(username="who_set_it")[0]).public_id,
        "documents/apikey": _key().public_id,
        "payouts/payout": str(sent.pk),
        "payouts/tripreport": _report(document=document).public_id,
        "payouts/settlement": str(settled.pk),
        "audit/event": str(LogEvent.objects.latest("pk").pk),
    }


def _key() -> ApiKey:
    """Return a key of a member of staff."""
    user = User.objects.get_or_create(username="who_set_it")[0]
    until_at = timezone.now() + dt.timedelta(days=30)
    return ApiKey.objects.create(user=user, name="a", scopes=["read"], digest="0" * 64, expires_at=until_at)


def routes() -> list[URLPattern]:
    """Return every address of the Document Center."""
    return [one for one in site.get_urls() if isinstance(one, URLPattern)]


def documents(*, count: int, **facts: Any) -> list[Document]:
    """Return some documents of one owner."""
    owner = factories.party(platform_id="drv_many")
    return [factories.document(owner=owner, **facts) for _ in range(count)]
