"""The world that the pages are looked at in: people with much, with little and with nothing, and what they have done."""

import datetime as dt
import functools
from typing import TYPE_CHECKING, Any

from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from documents.delivery import links, shared_links
from documents.emission import locking
from documents.models import Document, Link, Party, SignInCode
from payouts.models import TripReport
from tests import cast
from tests.documents import center, visits
from tests.payouts import making, signing_in, telling
from tests.services import force

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse

PANEL = signing_in.PANEL
TRIP = "ord_01JM8XK2V7Q9R4T5W6Y8Z0A1B2"  # as long as the ids of many platforms
LATE = "AVT-2026-02-17-000000000000000000000000000000000000000000001"
TYPED = "una contraseña larga y nueva"


class PageWorld:
    """People and their browsers; `language` is what each of them asks for."""

    def __init__(self) -> None:
        self.language = "es"
        telling.issuers()
        telling.told([*telling.sample("es_ride"), *telling.sample("mx_week"), *telling.sample("co_food")])
        for event in _busy():
            assert telling.tell(event, now=timezone.now()).status < 300
        telling.catch_up()
        for document in Document.objects.filter(owner__platform_id__in=("drv_MX42", "drv_busy")):
            locking.advance(document_id=document.pk, now=timezone.now())
        cast.owner(name="nueva", platform_id="drv_nueva", legal_name="Nueva Gil", role="driver", tax_id="12345678Z")
        both = cast.owner(name="gestor", platform_id="ptn_g", legal_name="Gestoría", role="partner", tax_id="B87654329")
        for name in ("drv_MX42", "drv_77A1", "drv_busy"):
            cast.grant("documents.own_party", both.user, Party.objects.get(platform_id=name))
        _reports()
        self._share()

    # --- asking ---
    def get(self, browser: Client, path: str) -> "HttpResponse":
        """Open a page, in the language."""
        return browser.get(path, headers={"accept-language": self.language})

    def post(self, browser: Client, path: str, body: dict[str, Any]) -> "HttpResponse":
        """Send a form and return the page that follows."""
        answer = browser.post(path, body, headers={"accept-language": self.language})
        return self.get(browser, answer["Location"]) if answer.status_code in {302, 303} else answer

    # --- browsers ---
    @functools.cached_property
    def returned(self) -> Client:
        """A driver in Mexico whose last payout came back; she has come in with two devices and looked at much."""
        phone = signing_in.signed_in(browser=Client(headers={"user-agent": "Mozilla/5.0 (Linux; Android 15)"}))
        for place in ("viaje/ord_MXA/", f"pdf/{document('ord_MXA').public_id}/"):
            assert phone.get(PANEL + place).status_code == 200
        with force.by_force():
            for row in SignInCode.objects.all():
                earlier = row.queued_at - dt.timedelta(minutes=2)
                SignInCode.objects.filter(pk=row.pk).update(queued_at=earlier)
        return signing_in.signed_in(browser=Client(headers={"user-agent": "Mozilla/5.0 (iPhone)"}))

    @functools.cached_property
    def busy(self) -> Client:
        """A driver in Spain in the middle of a full week, who owes."""
        return signing_in.signed_in("busy@example.com")

    @functools.cached_property
    def paid(self) -> Client:
        """A driver in Spain whose last payout arrived, and whose documents nobody has opened."""
        return signing_in.signed_in("ana@example.com")

    @functools.cached_property
    def newcomer(self) -> Client:
        """A driver who has nothing yet."""
        return signing_in.signed_in("nueva@example.com")

    @functools.cached_property
    def agent(self) -> Client:
        """Somebody who acts for drivers of two countries."""
        return signing_in.signed_in("gestor@example.com")

    # --- links ---
    def _share(self) -> None:
        """Share a trip with four readers: not opened, opened, ended, expired."""
        now, shown = timezone.now(), document("ord_MXA")
        readers = (
            "Banco del Bajío",
            "Inmobiliaria y Administración de Fincas del Norte, S.A. de C.V.",
            "Casero",
            "Gestoría",
        )
        made = [
            shared_links.create(document=shown, reader=reader[:60], now=now, actor=links.log.SYSTEM)
            for reader in readers
        ]
        with force.by_force():
            Link.objects.filter(pk=made[1].pk).update(opened_at=now)
            Link.objects.filter(pk=made[2].pk).update(revoked_at=now, revoked_reason="by_owner")
            Link.objects.filter(pk=made[3].pk).update(expires_at=now)
        self.shared = made

    # --- staff ---
    def staff(self, *, has_factor: bool = True) -> Client:
        """Return a browser in which a member of staff has signed in."""
        member = self._member(name="with_factor" if has_factor else "without_factor")
        if not has_factor:
            with force.by_force():
                Authenticator.objects.filter(user=member.user).delete()
        return center.client(member=member)

    def _member(self, *, name: str) -> cast.Member:
        name = f"{name}_{self.language}_{timezone.now():%H%M%S%f}"
        return center.staff(roles=["finance", "support"], countries=["ES"], name=name)

    def half_in(self, *, login: str = "") -> Client:
        """Return the browser of a member of staff who has shown her password."""
        browser = Client()
        body = {"username": login or self._member(name="half_in").user.get_username(), "password": cast.PASSWORD}
        assert browser.post("/admin/login/", body)["Location"] == "/admin/login/code/"
        return browser


def document(trip: str) -> Document:
    """Return the statement of a trip."""
    return Document.objects.get(document_key_id=f"ORDER_FINAL_STATEMENT:order:{trip}:beneficiary")


def _busy() -> list[dict[str, Any]]:
    """Return a full week of a driver: a trip with a late tip and one taken back, large amounts, one that is held."""
    now = timezone.now().replace(microsecond=0)
    who = {"driver": "drv_busy"}
    at = now.isoformat().replace("+00:00", "Z")
    lines = [
        making.line("1234567.89", tax="IVA10", description="Transporte de Madrid-Barajas a Alcalá de Henares"),
        making.line("3.00", name="2", kind="TIP", description="Propina"),
        making.line("-246913.58", name="3", kind="PLATFORM_FEE", tax="IVA21", description="Comisión de la plataforma"),
    ]
    first = making.order(TRIP, at=at, lines=lines, **who)
    first["data"]["driver"] |= {"email": "busy@example.com", "legal_name": "María de los Ángeles Fernández"}
    return [
        first,
        *(making.order(f"ord_busy{number}", f"{number}7.30", at=at, **who) for number in range(1, 6)),
        making.order("ord_cash", "12.40", at=at, cash_collected="4500000.00", **who),
        making.adjustment("adj_late", TRIP, "5.50", at=at),
        making.order("ord_back", "10.00", at=at, **who),
        making.order_canceled("ord_back", at=at),
        making.order("ord_held", at=at, lines=[making.line("1.00", tax="NO_SUCH")], **who),
        making.adjustment("adj_none", "ord_none", at=at),
    ]


def _reports() -> None:
    """Let her have missed two trips: one is answered."""
    now, person = timezone.now(), cast.staff(name="answers", roles=[], countries=[]).user
    facts = {"party": Party.objects.get(platform_id="drv_MX42"), "country_id": "MX", "reported_at": now}
    facts |= {"note": "El martes por la tarde, del aeropuerto al centro"}
    text = "Ese viaje lo completó otra persona que usaba tu teléfono; hemos abierto un caso con la plataforma."
    with force.by_force():
        TripReport.objects.create(trip=LATE, form_sha256="1", **facts)
        TripReport.objects.create(
            trip="ord_LOST", form_sha256="2", answer=text, answered_at=now, answered_by=person, **facts
        )


def unnamed() -> Link:
    """Return a link of a person without a tax id on file: a code by mail is all that is asked."""
    return visits.a_link(visits.factories.document(owner=visits.factories.party(platform_id="drv_x", tax_id="")))
