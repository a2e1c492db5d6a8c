"""The panel: a code by mail and nothing else lets in; the pages say what the documents say, and of nobody else."""

import contextlib
import datetime as dt
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pypdfium2
import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Event as LoggedEvent
from documents.delivery import sign_in_codes
from documents.models import Document, Event, EventStatus, Kind, PanelSession, Party, SignInCode
from payouts.accounts import reports
from payouts.models import TripReport
from tests import cast, factories
from tests.documents import center
from tests.payouts import making, telling
from tests.payouts.signing_in import HERS, PANEL, asked, code, form_of, signed_in
from tests.services import force
from tests.services.mailbox import Mailbox

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
BYTES_MAX = 10 * 1024


@pytest.fixture(autouse=True)
def _documents(db: None) -> None:
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("mx_week")])


@contextlib.contextmanager
def later(by: dt.timedelta) -> Iterator[None]:
    """Let the codes and sessions that there are be so much older."""
    with force.by_force():
        for row in SignInCode.objects.all():
            SignInCode.objects.filter(pk=row.pk).update(queued_at=row.queued_at - by)
        for one in PanelSession.objects.all():
            PanelSession.objects.filter(pk=one.pk).update(
                started_at=one.started_at - by, expires_at=one.expires_at - by
            )
    yield


def signed_in_again(address: str) -> Client:
    with later(dt.timedelta(minutes=2)):
        return signed_in(address)


def test_a_page_without_a_session_leads_to_the_sign_in() -> None:
    for place in (
        "",
        "semana/2026-02-16/",
        "viaje/ord_MXA/",
        "periodo/2026/",
        "periodo/2026/pdf/",
        "vistas/",
        "falta/",
        "compartidos/",
        "dispositivos/",
    ):
        answer = Client().get(PANEL + place)
        assert (answer.status_code, answer["Location"]) == (302, f"{PANEL}entrar/")


def test_the_mail_brings_the_code_to_the_address_on_file_and_nothing_else(smtp: Mailbox) -> None:
    asked(Client(), "XOCHILT@example.com")
    row = SignInCode.objects.get()
    sign_in_codes.send(code_id=row.pk, now=timezone.now())
    [message] = smtp.messages
    text = str(message)
    assert (message["To"], message["Subject"].startswith(code())) == (HERS, True)
    assert "CACX7605101P8" not in text
    assert "Xochilt" not in text
    row.refresh_from_db()
    assert (row.status, row.address) == ("SENT", "")


def test_no_answer_tells_whether_an_address_is_known() -> None:
    known, unknown = Client(), Client()
    pages = []
    for browser, address in ((known, HERS), (unknown, "nobody@example.com")):
        page = asked(browser, address)
        wrong = browser.post(f"{PANEL}codigo/", {"code": "000000", "form": "f"})
        assert wrong.status_code == 200
        pages.append([re.sub(r'value="[^"]+"', "", text) for text in (page, wrong.content.decode())])
    assert pages[0] == pages[1]
    assert SignInCode.objects.count() == 1
    assert [one.code for one in center.denials()] == ["authentication_failed", "not_found", "authentication_failed"]


def test_a_code_opens_once_and_the_same_form_sent_twice_opens_the_same_session() -> None:
    browser = Client()
    form = form_of(asked(browser))
    answers = [browser.post(f"{PANEL}codigo/", {"code": code(), "form": form}) for _ in range(2)]
    assert [answer["Location"] for answer in answers] == [PANEL, PANEL]
    assert answers[0].cookies["panel"].value == answers[1].cookies["panel"].value
    assert PanelSession.objects.count() == 1
    again = browser.post(f"{PANEL}codigo/", {"code": code(), "form": "another"})
    assert (again.status_code, PanelSession.objects.count()) == (200, 1)
    assert [one.action for one in center.said("session.login")] == ["session.login"]


def test_five_wrong_answers_end_a_code_and_ten_minutes_do() -> None:
    browser = Client()
    form = form_of(asked(browser))
    right = code()
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(sign_in_codes.WRONG_MAX):
        assert browser.post(f"{PANEL}codigo/", {"code": wrong, "form": form}).status_code == 200
    assert browser.post(f"{PANEL}codigo/", {"code": right, "form": form}).status_code == 200
    assert not PanelSession.objects.exists()
    with later(dt.timedelta(minutes=2)):
        asked(browser)
    with later(sign_in_codes.LIFE):
        assert browser.post(f"{PANEL}codigo/", {"code": code(), "form": form}).status_code == 200
    assert not PanelSession.objects.exists()


def test_nobody_is_flooded_with_codes() -> None:
    for _ in range(3):
        asked(Client())
    assert SignInCode.objects.count() == 1
    for _ in range(8):
        with later(dt.timedelta(minutes=1, seconds=1)):
            asked(Client())
    assert SignInCode.objects.count() == sign_in_codes.PERIOD_MAX


def test_one_network_address_cannot_try_for_ever() -> None:
    answers = [Client().post(f"{PANEL}entrar/", {"address": f"n{number}@example.com"}) for number in range(61)]
    assert [answer.status_code for answer in answers[:60]] == [303] * 60
    assert (answers[60].status_code, "Retry-After" in answers[60]) == (429, True)


def test_a_form_of_another_site_does_nothing() -> None:
    browser = Client(headers={"sec-fetch-site": "cross-site"})
    assert browser.post(f"{PANEL}entrar/", {"address": HERS}).status_code == 403
    assert not SignInCode.objects.exists()
    browser = signed_in()
    assert browser.post(f"{PANEL}salir/", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert browser.get(PANEL).status_code == 200


def test_a_session_ends_with_its_time_with_another_address_and_everywhere_at_once() -> None:
    first, second = signed_in(), Client()
    with later(dt.timedelta(minutes=2)):
        second = signed_in()
    assert first.post(f"{PANEL}salir/").status_code == 303
    assert [browser.get(PANEL).status_code for browser in (first, second)] == [302, 302]
    with later(dt.timedelta(minutes=2)):
        third = signed_in()
    with later(dt.timedelta(days=31)):
        assert third.get(PANEL).status_code == 302
    fourth = signed_in()
    telling.told([making.contact("drv_MX42", at="2026-02-28T10:00:00Z", email="another@example.com")])
    assert fourth.get(PANEL).status_code == 302


def test_one_of_several_devices_is_signed_out_and_nobody_elses() -> None:
    phone = signed_in(browser=Client(headers={"user-agent": "Mozilla/5.0 (Linux; Android 15)"}))
    with later(dt.timedelta(minutes=2)):
        second = signed_in(browser=Client(headers={"user-agent": "Mozilla/5.0 (iPhone)"}))
    stranger = signed_in("ana@example.com")
    text = second.get(f"{PANEL}dispositivos/").content.decode()
    assert [text.count(f"<span>{name}") for name in ("iPhone (este)", "Android<small>")] == [1, 1]
    assert stranger.get(f"{PANEL}dispositivos/").content.decode().count("/cerrar/") == 1
    ids = re.findall(r"dispositivos/(\w+)/cerrar/", text)
    end = f"{PANEL}dispositivos/{ids[1]}/cerrar/"
    assert [stranger.post(end).status_code, center.denials()[0].code] == [403, "not_owner"]
    assert [second.post(end)["Location"] for _ in range(2)] == [f"{PANEL}dispositivos/"] * 2
    assert [browser.get(PANEL).status_code for browser in (phone, second, stranger)] == [302, 200, 200]
    assert [event.object_id for event in center.said("session.logout")] == [ids[1]]


def test_what_came_back_is_the_first_thing_seen_with_what_to_do_and_what_is_owed() -> None:
    text = signed_in().get(PANEL).content.decode()
    first = text[text.index("<main>") :]
    assert first.index("La cuenta de destino está cerrada") < first.index("<h1>")
    assert "Actualiza tu cuenta bancaria" in first
    assert first.count("565.20 MXN") == 3  # what came back, what is owed, the last payout
    assert "CLABE ****6789" in first
    assert "Devuelto" in first


def test_a_week_its_days_its_trips_and_their_lines_add_up() -> None:
    browser = signed_in()
    week = browser.get(f"{PANEL}semana/2026-02-16/").content.decode()
    assert [week.count(text) for text in ("696.00 MXN", "435.00 MXN", "261.00 MXN")] == [2, 2, 2]
    trip = browser.get(f"{PANEL}viaje/ord_MXA/").content.decode()
    lines = re.findall(r"<b>(-?[\d.]+) MXN</b></li>", trip)
    assert lines == ["500.00", "80.00", "-125.00", "-20.00"]
    assert sum(map(float, lines)) == 435
    assert "435.00 MXN" in trip
    year = browser.get(f"{PANEL}periodo/2026/").content.decode()
    assert [text in year for text in ("800.00 MXN", "696.00 MXN", "128.00 MXN", "-32.00 MXN")] == [True] * 4
    assert browser.get(f"{PANEL}periodo/2026-02/").status_code == 200
    rows = browser.get(f"{PANEL}periodo/2026-02/csv/").content.decode().splitlines()
    assert [row.split(",")[-2:] for row in rows[1:]] == [["435.00", "435.00"], ["261.00", "261.00"]]


def printed(answer: Any) -> str:
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    pdf = pypdfium2.PdfDocument(answer.content)
    return " ".join(page.get_textpage().get_text_bounded() for page in pdf).replace("\r\n", " ")


def test_the_summary_of_a_period_on_paper_says_the_sums_of_its_page_and_that_it_is_a_summary() -> None:
    browser = signed_in()
    year, month = (f"{PANEL}periodo/{period}/" for period in ("2026", "2026-02"))
    for page in (year, month):
        assert f'"{page}pdf/"' in browser.get(page).content.decode()
        text = printed(browser.get(f"{page}pdf/"))
        said = ("Resumen, sin validez fiscal.", "800.00 MXN", "128.00 MXN", "-32.00 MXN", "696.00 MXN", "Xochilt")
        assert [part for part in said if part not in text] == []
    assert ("Por mes" in printed(browser.get(f"{year}pdf/")), "435.00 MXN" in text, "261.00 MXN" in text) == (
        True,
        True,
        True,
    )
    english = printed(browser.get(f"{month}pdf/?lang=en"))
    assert ("A summary, no tax document." in english, "validez" in english) == (True, False)
    assert browser.get(f"{PANEL}periodo/2026-13/pdf/").status_code == 404
    empty = printed(signed_in("ana@example.com").get(f"{PANEL}periodo/2020/pdf/"))
    assert ("Resumen" in empty, "MXN" in empty) == (True, False)


def test_the_pdfs_of_a_month_come_in_one_file_each_on_record_and_only_the_persons_own() -> None:
    owner = factories.party(platform_id="drv_zip", email="zip@example.com")
    mine = [factories.document(owner=owner) for _ in range(2)]
    factories.document(owner=factories.party(platform_id="drv_other", email="other@example.com"))
    browser = signed_in("zip@example.com")
    assert "periodo/2026-11/zip/" in browser.get(f"{PANEL}periodo/2026-11/").content.decode()
    answer = browser.get(f"{PANEL}periodo/2026-11/zip/")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()} == {
            document.file_sha256 for document in mine
        }
    assert {event.object_id for event in center.said("document.downloaded")} == {row.public_id for row in mine}


@pytest.mark.parametrize(("language", "tip"), [("es", "Propina posterior"), ("en", "Late tip")])
def test_a_late_tip_and_a_cancellation_are_dated_changes_of_the_trip_that_say_why(language: str, tip: str) -> None:
    late = making.adjustment("adj_1", "ord_9F2K", at="2026-02-24T10:00:00Z")
    late["data"]["adjustment"]["reason"] = "LATE_TIP"
    telling.told([late])
    headers = {"accept-language": language}
    trip = signed_in("ana@example.com").get(f"{PANEL}viaje/ord_9F2K/", headers=headers).content.decode()
    day = "24 de febrero de 2026" if language == "es" else "24 February 2026"
    assert trip.index("21,88 EUR</span>") < trip.index(f"{day}<span>2,00 EUR") < trip.index(tip)
    assert "23,88 EUR" in trip
    telling.told([making.order("ord_back", driver="drv_77A1"), making.order_canceled("ord_back")])
    back = signed_in_again("ana@example.com").get(f"{PANEL}viaje/ord_back/").content.decode()
    assert ("El cliente canceló el pedido" in back, "-10,00 EUR" in back, "0,00 EUR" in back) == (True, True, True)


@pytest.mark.parametrize("place", ["periodo/2026-13/", "periodo/x/", "semana/2026-02-17/", "semana/x/"])
def test_a_period_that_is_none_is_not_there(place: str) -> None:
    assert signed_in().get(PANEL + place).status_code == 404


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_foreign_trip_or_pdf_and_an_unknown_one_are_refused_alike_on_record(method: str) -> None:
    browser = signed_in()
    foreign = Document.objects.get(owner__platform_id="drv_77A1", kind=Kind.PAYOUT_STATEMENT).public_id
    for mine, pair in (("viaje", ("ord_9F2K", "ord_none")), ("pdf", (foreign, "doc_none"))):
        before = len(center.denials())
        answers = [getattr(browser, method)(f"{PANEL}{mine}/{name}/") for name in pair]
        assert [answer.status_code for answer in answers] == [403, 403]
        told = [re.sub(r"req_\w+", "", answer.content.decode()) for answer in answers]
        assert told[0] == told[1]
        assert [one.code for one in center.denials()[: len(center.denials()) - before]] == ["not_owner"] * 2


def test_a_trip_that_is_missed_is_told_in_words_and_a_foreign_one_is_as_unknown_as_none() -> None:
    browser = signed_in()
    held = making.order("ord_held", driver="drv_MX42", lines=[making.line("1.00", tax="NO_SUCH")])
    telling.tell(held)
    assert Event.objects.get(subject="order:ord_held").status == EventStatus.HELD

    def said(trip: str) -> str:
        text = browser.get(f"{PANEL}falta/", {"viaje": trip}).content.decode()
        return re.sub(r"\s+", " ", re.findall(r'role="status">.*?<span><b>\S+</b><br>(.*?)</span>', text)[0])

    assert "está entre tus documentos" in said("ord_MXA")
    assert "lo está revisando" in said("ord_held")
    # An order that is to be hers, and one that a payout of hers pays, have not come; neither is anybody else's to see.
    waiting = [
        making.reassignment("rea_1", "ord_later", taker="drv_MX42"),
        making.payout("po_early", "10.00", orders=["ord_paid"], payee="drv_MX42"),
    ]
    assert telling.told(waiting) == ["parked", "parked"]
    assert ["espera un dato" in said(trip) for trip in ("ord_later", "ord_paid")] == [True, True]
    stranger = signed_in("ana@example.com")
    for trip in ("ord_later", "ord_paid"):
        assert "No nos consta" in stranger.get(f"{PANEL}falta/", {"viaje": trip}).content.decode()
    assert "No nos consta" in said("ord_none")
    assert said("ord_9F2K") == said("ord_none")


def test_a_report_stays_until_it_is_answered_and_the_same_form_twice_reports_once() -> None:
    browser = signed_in()
    form = form_of(browser.get(f"{PANEL}falta/", {"viaje": "ord_none"}).content.decode())
    body = {"viaje": "ord_none", "note": "El martes", "form": form}
    answers = [browser.post(f"{PANEL}falta/aviso/", body) for _ in range(2)]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(303, f"{PANEL}falta/")] * 2
    report = TripReport.objects.get()
    assert "Sin respuesta todavía" in browser.get(f"{PANEL}falta/").content.decode()
    page = f"/admin/payouts/tripreport/{report.public_id}/answer/"
    for roles, countries, status in (
        (["finance"], ["ES"], 403),
        (["auditor"], ["MX"], 403),
        (["support"], ["MX"], 302),
    ):
        member = center.staff(roles=roles, countries=countries, name=f"{roles[0]}_answers")
        answer = center.client(member=member).post(page, {"reason": "Lo hizo otra persona."})
        assert answer.status_code == status, roles
    assert "Lo hizo otra persona." in browser.get(f"{PANEL}falta/").content.decode()
    assert [len(center.said(f"report.{word}")) for word in ("opened", "answered")] == [1, 1]
    again = center.client(member=center.staff(roles=["support"], countries=["MX"], name="late"))
    assert again.post(page, {"reason": "Otra respuesta distinta."}).status_code == 409
    elsewhere = signed_in("ana@example.com")
    assert "ord_none" not in elsewhere.get(f"{PANEL}falta/").content.decode()


def test_a_report_needs_a_trip_and_a_country_and_there_are_not_too_many() -> None:
    browser = signed_in()
    for number in range(reports.OPEN_MAX):
        body = {"viaje": f"ord_{number}", "form": str(number)}
        assert browser.post(f"{PANEL}falta/aviso/", body).status_code == 303
    assert browser.post(f"{PANEL}falta/aviso/", {"viaje": "ord_x", "form": "x"}).status_code == 400
    assert signed_in("ana@example.com").post(f"{PANEL}falta/aviso/", {"viaje": " ", "form": "y"}).status_code == 400
    assert TripReport.objects.count() == reports.OPEN_MAX


def test_the_owner_sees_who_opened_his_documents() -> None:
    browser = signed_in()
    browser.get(f"{PANEL}viaje/ord_MXA/")
    document = Document.objects.get(document_key_id="ORDER_FINAL_STATEMENT:order:ord_MXA:beneficiary")
    staff = center.staff(roles=["finance"], countries=["MX"])
    center.client(member=staff).get(f"/api/v1/documents/{document.public_id}/")
    text = browser.get(f"{PANEL}vistas/").content.decode()
    assert text.count(document.number) == 2
    assert "Nuestro equipo: finance" in text
    assert "one_of_finance" not in text


def test_a_person_without_documents_is_told_why_there_is_nothing() -> None:
    cast.owner(name="nueva", platform_id="drv_nueva", legal_name="Nueva Gil", role="driver", tax_id="12345678Z")
    text = signed_in("nueva@example.com").get(PANEL).content.decode()
    assert "Todavía no hay documentos a tu nombre" in text


def test_a_restaurant_and_a_fleet_see_each_its_own_of_an_order_and_nothing_of_the_other_or_of_the_driver() -> None:
    order = telling.sample("co_food")
    fleet = {"id": "flt_85", "legal_name": "La 85 S.A.S.", "tax_id": "900765432-6", "email": "flota@85.example.com"}
    order[0]["data"]["beneficiary"] = fleet
    telling.told(order)
    ended = order[0]["data"]["order"]
    place = f"viaje/{ended['id']}/"
    monday = dt.date.fromisoformat(ended["completed_at"][:10])
    monday -= dt.timedelta(days=monday.weekday())
    owing = {"caja@restandes.example.com": ("21.050,00", "7.000,00"), "flota@85.example.com": ("7.000,00", "21.050,00")}
    for address, (own, other) in owing.items():
        browser = signed_in(address)
        for page in ("", f"semana/{monday}/", place):
            answer = browser.get(PANEL + page)
            text = answer.content.decode()
            assert (answer.status_code, own in text, other in text) == (200, True, False), (address, page)
        assert browser.get(f"{PANEL}viaje/ord_MXA/").status_code == 403
    driver = order[0]["data"]["driver"]["email"]
    assert signed_in(driver).get(PANEL + place).status_code == 403


def test_who_acts_for_a_party_sees_what_is_its_own() -> None:
    gestor = cast.owner(name="gestor", platform_id="ptn_g", legal_name="Gestoría", role="partner", tax_id="B87654329")
    cast.grant("documents.own_party", gestor.user, Party.objects.get(platform_id="drv_MX42"))
    browser = signed_in("gestor@example.com")
    assert "565.20 MXN" in browser.get(PANEL).content.decode()
    assert browser.get(f"{PANEL}viaje/ord_9F2K/").status_code == 403


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_page_is_small_without_script_on_record_and_in_its_language(language: str) -> None:
    browser = signed_in()
    places = [
        "",
        "semana/2026-02-16/",
        "viaje/ord_MXA/",
        "periodo/2026/",
        "vistas/",
        "falta/?viaje=ord_MXA",
        "compartidos/",
        "dispositivos/",
    ]
    for place in places:
        before = LoggedEvent.objects.count()
        answer = browser.get(PANEL + place, headers={"accept-language": language})
        text = answer.content.decode()
        assert answer.status_code == 200, place
        assert len(answer.content) <= BYTES_MAX, (place, len(answer.content))
        assert LoggedEvent.objects.count() > before
        assert f'<html lang="{language}">' in text
        assert ("Mis documentos" in text) == (language == "es")
        assert "<script" not in text
        assert answer["Cache-Control"] == "no-store"
