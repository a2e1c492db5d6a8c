"""What the matrix is asked of: people of each role, and for each relation one thing of every kind."""

import copy
import dataclasses
import datetime as dt
import itertools
import json
from collections.abc import Mapping
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from audit import denials as audit_denials
from audit.models import Event as LogEvent
from documents.access import actors, admission, people
from documents.access.admission import AccessRule
from documents.delivery import invitations, links
from documents.models import (
    Alert,
    ApiKey,
    CustodyRound,
    Delivery,
    Discrepancy,
    Document,
    HoldScope,
    LegalHold,
)
from payouts.models import Payout, PayoutState, Settlement, TripReport
from tests import cast, factories
from tests.documents import center
from tests.matrix.oracle import MatrixCell
from tests.payouts import signing_in
from tests.services import force

STAFF = ("support", "finance", "compliance", "auditor", "admin")
REFUSALS = {
    "role_not_allowed": "role",
    "not_owner": "owner",
    "country_out_of_scope": "country",
    "reason_required": "reason",
}
UNKNOWN = {
    **{kind: f"{prefix}_{'a' * 26}" for kind, prefix in (("document", "doc"), ("link", "lnk"), ("event", "evt"))},
    **{kind: f"{prefix}_{'a' * 26}" for kind, prefix in (("hold", "hld"), ("party", "pty"), ("delivery", "dlv"))},
    **{kind: f"{prefix}_{'a' * 26}" for kind, prefix in (("discrepancy", "dsc"), ("alert", "alr"), ("report", "rep"))},
    **dict.fromkeys(("issuer", "series", "payout_row", "settlement", "round", "log", "factor"), "987654321"),
    "payout": "po_none",
    "trip": "ord_none",
    "key": f"key_{'a' * 16}",
    "person": "usr_987654321",
    "token": "A" * 43,
    "invitation": "A" * 43,
    "code": "ZZZZ-ZZZZ-ZZZZ-ZZZZ",
}
_keys = itertools.count(1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MatrixWorld:
    """The people by role, and the ids of every kind by whose they are: `ana`, `carla`, `beto`, `abroad`."""

    browsers: Mapping[str, Client]
    ids: Mapping[str, Mapping[str, str]]

    def address(self, *, cell: MatrixCell) -> str:
        """Return the address of a cell: what stands behind it depends on who asks."""
        if cell.relation in {"-", ""}:
            return cell.address
        if cell.relation == "unknown":
            return cell.address.format(**UNKNOWN)
        own, other = ("carla", "ana") if cell.role == "partner" else ("ana", "carla")
        whose = {"own": own, "same_partner": other, "foreign": "beto", "other_country": "abroad"}[cell.relation]
        return cell.address.format(**self.ids[whose])


def build(*, ana: cast.Member, beto: cast.Member, carla: cast.Member) -> MatrixWorld:
    """Make the world: staff see Spain; Carla is the partner of the order that Ana drove."""
    colombian = factories.issuer(slug="aventide-co", code="ACO", country_code="CO")
    documents = {
        "ana": factories.document(owner=ana.party),
        "carla": factories.document(owner=carla.party),
        "beto": factories.document(owner=beto.party),
        "abroad": factories.document(
            owner=factories.party(platform_id="drv_abroad", email="abroad@example.com"), issued_by=colombian
        ),
    }
    browsers = {"nobody": Client(), "driver": center.client(member=ana), "partner": center.client(member=carla)}
    for role, member in (("driver", ana), ("partner", carla)):
        signing_in.signed_in(member.user.email, browsers[role])  # the panel has sessions of its own
    for role in STAFF:
        browsers[role] = center.client(member=cast.staff(name=f"m_{role}", roles=[role], countries=["ES"]))
    browsers["no_role"] = center.client(member=cast.staff(name="m_none", roles=[], countries=["ES"]))
    with force.by_force():
        root = User.objects.create_superuser("m_root", password=cast.PASSWORD)
    browsers["superuser"] = center.client(member=cast.Member(user=root))
    command = actors.program(name="add_person", channel="command")
    person = people.add(login="nuria", email="nuria@example.com", actor=command)
    invited = invitations.plan(person=person, now=timezone.now(), actor=command)
    shared = {"person": person.public_id, "invitation": invitations.token(public_id=invited.public_id), **_unscoped()}
    cast.enrol(user=person.user)
    shared["factor"] = str(Authenticator.objects.get(user=person.user).pk)
    with force.by_force():
        key = ApiKey.objects.create(
            user=person.user, name="m", scopes=["read"], expires_at=timezone.now() + dt.timedelta(days=9)
        )
    shared["key"] = key.public_id
    return MatrixWorld(
        browsers=browsers, ids={whose: {**shared, **_around(document)} for whose, document in documents.items()}
    )


@force.by_force()
def _unscoped() -> dict[str, str]:
    """Make a row of each kind that has no country."""
    alert = Alert.objects.create(
        dedup_key="m", code="document_stuck", severity="P2", values={}, runbook="docs/runbooks/documents.md"
    )
    begun = CustodyRound.objects.create(began_at=timezone.now(), older=0)
    return {"alert": alert.public_id, "round": str(begun.pk), "log": str(LogEvent.objects.latest("pk").pk)}


def _around(document: Document) -> dict[str, str]:
    """Make one row of every kind about a document, and return their ids."""
    link = links.create(document=document, recipient=document.owner, delivery=None, now=timezone.now())
    with force.by_force():
        type(document.event).objects.filter(pk=document.event_id).update(country_code=document.country_id)
        delivery = Delivery.objects.create(
            document=document, recipient=document.owner, channel="EMAIL", message_id=f"<{document.pk}@x>"
        )
        gap = Discrepancy.objects.create(
            code="paid_twice", dedup_key=f"m:{document.pk}", document=document, country=document.country
        )
        paid = _paid(document)
        settled = Settlement.objects.create(payout=paid, document=document, amount_minor=2188)
        officer = User.objects.get_or_create(username="m_officer")[0]
        matter = LegalHold.objects.create(
            reference=f"AUTO-{document.pk}", country=document.country, reason="por probar", set_by=officer
        )
        HoldScope.objects.create(hold=matter, document=document)
        report = TripReport.objects.create(
            party=document.owner, country=document.country, trip=f"ord_m{document.pk}", form_sha256=f"{document.pk:064}"
        )
    return {
        "document": document.public_id,
        "event": document.event.public_id,
        "party": document.owner.public_id,
        "issuer": str(document.issuer_id),
        "series": str(document.series_id),
        "delivery": delivery.public_id,
        "link": link.public_id,
        "token": links.token(link=link),
        "code": document.verification_code,
        "discrepancy": gap.public_id,
        "payout": paid.payout_id,
        "payout_row": str(paid.pk),
        "settlement": str(settled.pk),
        "trip": document.subject.partition(":")[2],
        "report": report.public_id,
        "hold": matter.public_id,
    }


def _paid(document: Document) -> Payout:
    """Make a payout to a document's owner."""
    return Payout.objects.create(
        payout_id=f"po_m{document.pk}",
        payee=document.owner,
        issuer=document.issuer,
        country=document.country,
        currency="EUR",
        amount_minor=2188,
        sent_at=timezone.now(),
        chained_at=timezone.now(),
        chained_as=f"po_m{document.pk}",
        state=PayoutState.SENT,
        event=document.event,
    )


def wrong(*, world: MatrixWorld, cell: MatrixCell) -> str:
    """Ask one cell and undo what it did; returns what is wrong with the answer, empty where nothing is."""
    audit_denials.forget()  # of the same refusals the log writes ten in a minute one by one
    browser = world.browsers[cell.role]
    cookies = copy.deepcopy(browser.cookies)
    undone = transaction.atomic()
    undone.__dict__["_from_testcase"] = True  # as Django's own TestCase: to the product it is no transaction
    with undone:
        answer = _ask(world=world, cell=cell)
        said = _outcome(answer) if cell.door != "right" else _has(answer=answer, right=cell.right)
        transaction.set_rollback(True)
    browser.cookies = cookies
    denied = LogEvent.objects.using("denials").filter(request_id=answer["Request-Id"], outcome="denied")
    refusals = [REFUSALS.get(one.code, one.code) for one in denied]
    wanted = [] if answer.status_code != 403 else ["role" if cell.door == "right" else said]
    if cell.door not in {"secret", "public"} and refusals != wanted:
        return f"{cell}: answered {said}, on record as {refusals}"
    return "" if said == cell.expected else f"{cell}: answered {said} ({answer.status_code})"


def rule_of(*, world: MatrixWorld, cell: MatrixCell) -> AccessRule | None:
    """Return the row of the access table that a cell is about."""
    request = HttpRequest()
    request.method, request.path_info = cell.method, world.address(cell=cell)
    return admission.rule_of(request=request)


def _ask(*, world: MatrixWorld, cell: MatrixCell) -> Any:
    """Send the request of a cell."""
    browser = world.browsers[cell.role]
    if cell.door == "right":
        return browser.get("/api/v1/me/")
    address = world.address(cell=cell)
    if cell.method == "GET":
        return browser.get(address)
    if cell.door == "admin":
        return browser.post(address)
    send = browser.put if cell.method == "PUT" else browser.post
    key = {"Idempotency-Key": f"matrix-{next(_keys)}"}
    return send(address, data=json.dumps({}), content_type="application/json", headers=key)


def _has(*, answer: Any, right: str) -> str:
    """Say whether the caller has a right, as the API says itself."""
    if answer.status_code == 401:
        return "login"
    return "yes" if answer.status_code == 200 and right in answer.json()["rights"] else "no"


def _outcome(answer: Any) -> str:
    """Name what came of a request, in the words of the oracle."""
    status = answer.status_code
    if status == 401 or (status == 302 and answer["Location"].startswith(("/admin/login/", "/mis-documentos/entrar/"))):
        return "login"
    if status == 404:
        return "missing"
    if status == 403:
        codes = LogEvent.objects.using("denials").filter(request_id=answer["Request-Id"]).values_list("code", flat=True)
        return REFUSALS.get(next(iter(codes), ""), "unrecorded")
    return "in" if status < 500 and status != 405 else f"fault {status}"
