"""Long lists of the panel: a page stays small for who has much, and everything is on one of its pages."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from documents.delivery import links, shared_links
from documents.models import Document, Link, PanelSession, Party
from payouts.models import TripReport
from tests import factories
from tests.payouts import making, telling
from tests.payouts.signing_in import PANEL, form_of, signed_in
from tests.services import force

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
BYTES_MAX = 10 * 1024
MANY = 40
LONG = "01JM8XK2V7Q9R4T5W6Y8Z0A1B2"  # as long as the ids of many platforms


@pytest.fixture(autouse=True)
def _documents(db: None) -> None:
    telling.issuers()
    telling.told(telling.sample("mx_week"))


def walked(browser: Client, place: str) -> list[str]:
    """Return the pages of a list, each small, from the first to the last."""
    pages, query = [], ""
    while True:
        answer = browser.get(f"{PANEL}{place}{query}")
        assert (answer.status_code, len(answer.content) <= BYTES_MAX) == (200, True), (
            place,
            query,
            len(answer.content),
        )
        pages.append(answer.content.decode())
        following = re.findall(r'<a href="([^"]+)">Siguientes', pages[-1])
        if not following:
            return pages
        query = following[0].replace("&amp;", "&")


def hers() -> Party:
    return Party.objects.get(platform_id="drv_MX42")


def test_a_week_of_many_trips_is_told_in_pages_each_with_its_days_whole_sums() -> None:
    trips = [f"ord_{LONG}_{number}" for number in range(MANY)]
    telling.told(
        making.order(trip, "1234567.89", driver="drv_many", at=f"2026-02-{17 + number % 3}T10:00:00Z")
        for number, trip in enumerate(trips)
    )
    telling.tell(making.contact("drv_many", at="2026-02-20T10:00:00Z", email="many@example.com"))
    pages = walked(signed_in("many@example.com"), "semana/2026-02-16/")
    assert sorted(re.findall(rf"<span>(ord_{LONG}_\d+)<", "".join(pages))) == sorted(trips)
    assert [page.count("49.382.715,60 EUR") for page in pages] == [2] * len(pages)  # the week's, and what is pending
    sums = {*re.findall(r"<h2>([^<]+)<span>([^<]+)</span>", "".join(pages))}
    assert len(sums) == 3


def test_a_trip_of_many_lines_and_changes_is_told_in_pages_that_hold_each_line_once() -> None:
    lines = [
        making.line("1.00", name=f"{number}", description=f"Plato {number} " + "ñ" * 150) for number in range(MANY)
    ]
    tips = [making.adjustment(f"adj_{number}", "ord_long", "2.00") for number in range(5)]
    telling.told([making.order("ord_long", driver="drv_long", lines=lines), *tips])
    telling.tell(making.contact("drv_long", at="2026-02-20T10:00:00Z", email="long@example.com"))
    pages = walked(signed_in("long@example.com"), "viaje/ord_long/")
    told = "".join(pages)
    assert [told.count(f"Plato {number}…") for number in range(MANY)] == [1] * MANY
    assert (told.count("<b>1,00 EUR</b>"), told.count("<b>2,00 EUR</b>")) == (MANY, len(tips))
    assert {page.count("50,00 EUR") for page in pages} == {2}  # what the trip leaves, and what is pending


def test_whatever_a_driver_shares_can_be_ended_however_much_that_is() -> None:
    document = factories.document(owner=hers())
    with force.by_force():
        for number in range(MANY):
            reader = f"Inmobiliaria y Administración de Fincas del Norte {number}"
            shared_links.create(document=document, reader=reader, now=timezone.now(), actor=links.log.SYSTEM)
    pages = walked(signed_in(), "compartidos/")
    assert len(set(re.findall(r"compartidos/(\w+)/anular/", "".join(pages)))) == MANY


def test_every_device_is_on_a_page_and_so_is_whoever_saw_a_document() -> None:
    browser = signed_in()
    own = PanelSession.objects.select_related("code").get()
    code = own.code
    with force.by_force():
        for number in range(MANY):
            code.pk, code.public_id, code.message_id = None, f"sic_{number}", f"{number}@x"
            code.save(force_insert=True)
            own.pk, own.public_id, own.token_sha256 = None, f"ses_{number}", f"{number}"
            own.code = code
            own.save(force_insert=True)
    assert len(set(re.findall(r"dispositivos/(\w+)/cerrar/", "".join(walked(browser, "dispositivos/"))))) == MANY + 1
    for _ in range(MANY):
        browser.get(f"{PANEL}viaje/ord_MXA/")
    assert "".join(walked(browser, "vistas/")).count("Tú, en esta página") == MANY


def test_reports_of_trips_are_told_in_pages() -> None:
    with force.by_force():
        for number in range(MANY // 2):
            TripReport.objects.create(
                party=hers(), country_id="MX", trip="é" * 64, note="ñ" * 500, form_sha256=f"{number}"
            )
    assert "".join(walked(signed_in(), "falta/")).count("Sin respuesta todavía") == MANY // 2


@pytest.mark.parametrize("wanted", ["0", "-1", "99", "9" * 5000, "x", "%00", "²"])
def test_a_page_that_is_none_is_the_first(wanted: str) -> None:
    browser = signed_in()
    browser.get(f"{PANEL}viaje/ord_MXA/")
    assert "Tú, en esta página" in browser.get(f"{PANEL}vistas/?pagina={wanted}").content.decode()


def test_what_no_column_can_hold_or_what_disguises_a_text_is_left_out_of_a_report() -> None:
    browser = signed_in()
    form = form_of(browser.get(f"{PANEL}falta/?viaje=ord_none").content.decode())
    typed = {"viaje": "\x00ord_\u202enone", "note": "El\x00 martes\u2066", "form": form}
    assert browser.post(f"{PANEL}falta/aviso/", typed).status_code == 303
    report = TripReport.objects.get()
    assert (report.trip, report.note) == ("ord_none", "El martes")
    only = {"viaje": "\x00\u202e", "form": "g"}
    assert browser.post(f"{PANEL}falta/aviso/", only).status_code == 400


def test_an_old_form_shows_no_code_of_a_link_that_has_ended() -> None:
    document = factories.document(owner=hers())
    browser, place = signed_in(), f"{PANEL}compartir/{document.public_id}/"
    form = form_of(browser.get(place).content.decode())
    assert browser.post(place, {"reader": "Casero", "form": form}).status_code == 201
    [link] = Link.objects.filter(reader="Casero")
    browser.post(f"{PANEL}compartidos/{link.public_id}/anular/")
    again = browser.post(place, {"reader": "Casero", "form": form})
    assert (again.status_code, again["Location"]) == (303, f"{PANEL}compartidos/")


def test_no_answer_of_the_panel_is_kept_by_a_browser_or_a_proxy() -> None:
    document = Document.objects.get(document_key_id="ORDER_FINAL_STATEMENT:order:ord_MXA:beneficiary")
    signed = signed_in()
    places = (
        "",
        f"pdf/{document.public_id}/",
        "viaje/ord_none/",
        "periodo/x/",
        "periodo/2026-02/csv/",
        "dispositivos/",
    )
    for browser in (Client(), signed):
        for place in places:
            answer = browser.get(PANEL + place)
            assert (answer["Cache-Control"], answer["Referrer-Policy"]) == ("no-store", "no-referrer"), place


def test_no_form_of_another_site_and_no_session_that_has_ended_does_anything() -> None:
    document = factories.document(owner=hers())
    browser = signed_in()
    place = f"{PANEL}compartir/{document.public_id}/"
    assert browser.post(place, {"reader": "Casero", "form": "f"}).status_code == 201
    [link] = Link.objects.filter(reader="Casero")
    [session] = PanelSession.objects.all()
    forms = {
        place: {"reader": "Otro", "form": "g"},
        f"{PANEL}compartidos/{link.public_id}/anular/": {},
        f"{PANEL}falta/aviso/": {"viaje": "ord_none", "form": "h"},
        f"{PANEL}dispositivos/{session.public_id}/cerrar/": {},
        f"{PANEL}salir/": {},
    }

    def nothing_done() -> bool:
        rows = (Link.objects.filter(reader="Otro"), Link.objects.filter(revoked_at__isnull=False), TripReport.objects)
        return not any(row.exists() for row in rows)

    for address, body in forms.items():
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://x.example"},
        ):
            assert browser.post(address, body, headers=headers).status_code == 403, address
    assert (nothing_done(), browser.get(PANEL).status_code) == (True, 200)
    thief = Client(headers={"cookie": f"panel={browser.cookies['panel'].value}"})
    assert thief.get(PANEL).status_code == 200
    browser.post(f"{PANEL}salir/")
    for address, body in forms.items():  # a copy of the cookie is worth nothing once she has signed out
        assert thief.post(address, body)["Location"] == f"{PANEL}entrar/"
    assert nothing_done()
