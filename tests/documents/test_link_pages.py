"""The page of a secure link, on a phone: what it shows to whom, and what a scanner can do with it (nothing)."""

import base64
import concurrent.futures
import datetime as dt
import hashlib
import json
import logging
import pathlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from django.core.mail import EmailMessage
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import log
from audit.models import Event, EventDetail
from documents.delivery import deliveries, links
from documents.link_pages import messages
from documents.models import Alert, Delivery, DeliveryStatus, Document, Kind, Link, PayoutStatus, Status
from documents.resilience import breaker, calls, dependencies, queue
from documents.vault import immutable
from tests import factories
from tests.services import force

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse

pytestmark = pytest.mark.django_db
BYTES_MAX = 6 * 1024


@pytest.fixture(autouse=True)
def _fresh(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every breaker closed, nobody to ring, and no refusal left over for the next test to count."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)
    yield
    log.flush_denials()


def a_link(document: Document | None = None, **fields: object) -> Link:
    """Return a link to a driver's statement, with some fields set by force."""
    document = document or factories.document(now=timezone.now())
    link = links.create(document=document, recipient=document.owner, delivery=None, now=timezone.now())
    with force.by_force():
        Link.objects.filter(pk=link.pk).update(**fields)
    link.refresh_from_db()
    return link


def path(link: Link, rest: str = "") -> str:
    """Return the address of a link's page."""
    return f"/l/{links.token(link=link)}/{rest}"


def opened(link: Link, answer: str = "678Z") -> Client:
    """Return a browser that has given the right answer."""
    client = Client()
    response = client.post(path(link, "open/"), {"answer": answer})
    assert response.status_code == 303
    return client


def text(response: "HttpResponse") -> str:
    """Return a page as text."""
    return response.content.decode()


class Outline(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep one tag."""
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of every tag of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]


# --- what a scanner can do ---


def test_a_scanner_that_fetches_ten_times_consumes_nothing_and_leaves_one_note() -> None:
    link = a_link()
    client = Client()
    before = Document.objects.values().get(pk=link.document_id)
    for _ in range(10):
        assert client.get(path(link), headers={"user-agent": "LinkScanner/1.0"}).status_code == 200
    assert client.head(path(link)).status_code == 200
    for rest in ("open/", "download/", "renew/", "report/"):
        assert client.get(path(link, rest)).status_code == 405
        assert client.head(path(link, rest)).status_code == 405
    assert client.cookies == {}
    after = Link.objects.get(pk=link.pk)
    assert (after.downloads, after.wrong_answers, after.opened_at, after.revoked_at) == (0, 0, None, None)
    assert after.seen_at is not None
    assert Document.objects.values().get(pk=link.document_id) == before
    told = Event.objects.filter(object_id=link.public_id).values_list("action", flat=True)
    assert list(told) == ["link.created", "link.seen"]


def test_a_scanner_that_even_presses_the_buttons_downloads_nothing() -> None:
    link = a_link()
    client = Client()
    assert client.post(path(link, "open/"), {"answer": ""}).status_code == 400
    assert client.post(path(link, "open/")).status_code == 400
    response = client.post(path(link, "download/"))
    assert response.status_code == 303
    link.refresh_from_db()
    assert (link.downloads, link.wrong_answers, link.opened_at) == (0, 0, None)
    denied = Event.objects.using("denials").filter(object_id=link.public_id, outcome="denied")
    assert [one.code for one in denied] == ["not_authenticated"]


# --- the walk ---


def test_a_driver_gets_her_pdf_with_four_characters_and_three_taps() -> None:
    link = a_link()
    client = Client()
    landing = text(client.get(path(link)))
    assert "A•• R••• P••••" in landing
    assert "Ruiz" not in landing
    assert "21,88" not in landing
    answer = client.post(path(link, "open/"), {"answer": "678z"})
    assert (answer.status_code, answer["Location"]) == (303, path(link))
    ready = text(client.get(path(link)))
    assert "21,88 EUR" in ready
    assert link.document.number in ready
    assert "Pago pendiente." in ready
    pdf = client.post(path(link, "download/"))
    assert pdf.status_code == 200
    assert pdf["Content-Type"] == "application/pdf"
    assert pdf["Content-Disposition"] == f'attachment; filename="{link.document.number}.pdf"'
    assert hashlib.sha256(pdf.content).hexdigest() == link.document.file_sha256
    digest = base64.b64encode(hashlib.sha256(pdf.content).digest()).decode()
    assert pdf["Content-Digest"] == f"sha-256=:{digest}:"
    link.refresh_from_db()
    assert link.downloads == 1
    event = Event.objects.get(action="document.downloaded", object_id=link.document.public_id)
    assert (event.actor_kind, event.actor_id, event.channel) == ("link", link.public_id, "link")


def test_a_customer_sees_her_receipt_with_one_tap_and_no_question() -> None:
    link = a_link(factories.document(kind=Kind.PAYMENT_RECEIPT, now=timezone.now()))
    landing = Outline(text(Client().get(path(link))))
    assert landing.all("input") == []
    assert "Enlace comprobado." in text(opened(link, "").get(path(link)))


def test_the_opened_page_says_what_became_of_the_money() -> None:
    document = factories.document(now=timezone.now())
    payout = factories.document(kind=Kind.PAYOUT_STATEMENT, owner=document.owner, now=timezone.now())
    with force.by_force():
        Document.objects.filter(pk=document.pk).update(payout_status=PayoutStatus.SENT, settled_by=payout)
    link = a_link(document)
    page = text(opened(link).get(path(link)))
    assert "Pago enviado." in page
    assert payout.number in page


def test_the_preview_is_a_picture_for_an_opened_session_only_and_is_on_record() -> None:
    link = a_link()
    assert Client().get(path(link, "page/1/")).status_code == 303
    client = opened(link)
    picture = client.get(path(link, "page/1/"))
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/png")
    assert client.get(path(link, "page/99/")).status_code == 404
    assert Event.objects.filter(action="document.previewed").count() == 1
    link.refresh_from_db()
    assert link.downloads == 0


def test_the_second_tap_costs_nothing_and_the_sixth_person_gets_nothing() -> None:
    link = a_link()
    first = opened(link)
    assert [first.post(path(link, "download/")).status_code for _ in range(3)] == [200, 200, 200]
    for _ in range(4):
        assert opened(link).post(path(link, "download/")).status_code == 200
    link.refresh_from_db()
    assert link.downloads == 5
    late = Client().get(path(link))
    assert late.status_code == 410
    assert "agotó sus descargas" in text(late)


def test_a_last_slash_lost_on_the_way_is_put_back() -> None:
    link = a_link()
    response = Client().get(path(link).rstrip("/"))
    assert (response.status_code, response["Location"]) == (303, path(link))


# --- the question ---


def test_a_wrong_answer_says_how_many_tries_are_left_and_the_fifth_closes_the_door() -> None:
    link = a_link()
    client = Client()
    for left in (4, 3, 2):
        page = client.post(path(link, "open/"), {"answer": "0000"})
        assert page.status_code == 200
        assert f"Te quedan {left} intentos." in text(page)
        assert 'role="alert"' in text(page)
    assert "Te queda 1 intento." in text(client.post(path(link, "open/"), {"answer": "0000"}))
    locked = client.post(path(link, "open/"), {"answer": "0000"})
    assert locked.status_code == 429
    assert 0 < int(locked["Retry-After"]) <= 900
    assert client.post(path(link, "open/"), {"answer": "678Z"}).status_code == 429
    assert client.cookies == {}


def test_the_tenth_wrong_answer_ends_the_link() -> None:
    link = a_link(wrong_answers=9)
    response = Client().post(path(link, "open/"), {"answer": "0000"})
    assert response.status_code == 410
    assert Alert.objects.filter(code="link_revoked").count() == 1


@pytest.mark.parametrize("answer", ["", " ", "1", "12345678Z", "x" * 5000, "\x00\x00\x00\x00"])
def test_what_cannot_be_an_answer_is_asked_again_and_is_no_try(answer: str) -> None:
    link = a_link()
    response = Client().post(path(link, "open/"), {"answer": answer})
    assert response.status_code == 400
    assert "ni más ni menos" in text(response)
    link.refresh_from_db()
    assert link.wrong_answers == 0


# --- the session ---


def test_the_session_cookie_is_short_scripts_cannot_read_it_and_it_opens_one_link_only(settings: Settings) -> None:
    link = a_link()
    cookie = opened(link).cookies["link"]
    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("Lax", path(link), 900)
    settings.PUBLIC_URL = "https://docs.example"
    cookie = opened(a_link()).cookies["__Secure-link"]
    assert cookie["secure"] is True


def test_a_session_of_one_link_does_not_open_another() -> None:
    mine, other = a_link(), a_link()
    value = opened(mine).cookies["link"].value
    thief = Client(headers={"cookie": f"link={value}"})
    assert thief.post(path(other, "download/")).status_code == 303
    other.refresh_from_db()
    assert other.downloads == 0


@pytest.mark.parametrize("value", ["", "x", "e30:x", "a:b:c", "\x7f" * 10, "9" * 4000])
def test_a_forged_session_opens_nothing(value: str) -> None:
    link = a_link()
    client = Client(headers={"cookie": f"link={value}"})
    assert client.post(path(link, "download/")).status_code == 303
    assert "Verificado" not in text(client.get(path(link)))


def test_a_session_ends_after_fifteen_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    link = a_link()
    client = opened(link)
    later = timezone.now() + dt.timedelta(minutes=15, seconds=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert client.post(path(link, "download/")).status_code == 303


def test_revoking_ends_a_session_that_is_already_open() -> None:
    link = a_link()
    client = opened(link)
    links.revoke(link=link, reason="lost phone", actor=log.SYSTEM, now=timezone.now())
    assert client.post(path(link, "download/")).status_code == 410
    assert client.get(path(link, "page/1/")).status_code == 410
    assert client.get(path(link)).status_code == 410


def test_another_sites_form_is_refused_on_record_and_our_own_is_not() -> None:
    link = a_link()
    client = Client(enforce_csrf_checks=True)
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
    ):
        assert client.post(path(link, "open/"), {"answer": "678Z"}, headers=headers).status_code == 403
    denied = Event.objects.using("denials").filter(object_id=link.public_id, code="csrf_failed")
    assert denied.count() == 3
    for headers in ({"sec-fetch-site": "same-origin", "origin": "null"}, {"origin": "null"}, {}):
        assert client.post(path(link, "open/"), {"answer": "678Z"}, headers=headers).status_code == 303


# --- links that open nothing ---


def states() -> dict[str, tuple[Link, int]]:
    """Return a link for every way of opening nothing, with the status of its page."""
    now = timezone.now()
    waiting = factories.document(status=Status.ISSUED, now=now)
    withheld = factories.document(status=Status.QUARANTINED, now=now)
    return {
        "expired": (a_link(expires_at=now - dt.timedelta(days=1)), 410),
        "revoked": (a_link(revoked_at=now), 410),
        "exhausted": (a_link(downloads=5), 410),
        "locked": (a_link(locked_until_at=now + dt.timedelta(minutes=9)), 429),
        "preparing": (a_link(waiting), 200),
        "withheld": (a_link(withheld), 423),
    }


def test_every_closed_door_says_why_keeps_shut_and_never_shows_an_amount_or_a_name() -> None:
    for name, (link, status) in states().items():
        for answer in (
            Client().get(path(link)),
            Client().post(path(link, "open/"), {"answer": "678Z"}),
            Client().post(path(link, "download/")),
            Client().get(path(link, "page/1/")),
        ):
            # What is being prepared leads to the link's own page, which says so and looks again by itself.
            waits = name == "preparing" and answer.status_code == 303
            response = Client().get(answer["Location"]) if waits else answer
            assert response.status_code == status, name
            assert "21,88" not in text(response)
            assert "Ruiz" not in text(response)
            assert not response.content.startswith(b"%PDF")
        link.refresh_from_db()
        assert link.opened_at is None


def test_every_refusal_at_a_dead_link_is_on_record() -> None:
    link = a_link(revoked_at=timezone.now())
    Client().get(path(link))
    Client().post(path(link, "download/"))
    denied = Event.objects.using("denials").filter(object_id=link.public_id, outcome="denied")
    assert [one.code for one in denied] == ["link_revoked", "link_revoked"]


def test_a_document_that_is_not_ready_yet_shows_itself_later_without_a_tap() -> None:
    link = a_link(factories.document(status=Status.ISSUED, now=timezone.now()))
    metas = Outline(text(Client().get(path(link)))).all("meta")
    assert {"http-equiv": "refresh", "content": "15"} in metas


def test_a_vault_that_is_away_is_a_503_that_says_the_document_is_safe(vault_folder: pathlib.Path) -> None:
    link = a_link()
    client = opened(link)
    immutable.unlock_for_removal(folder=vault_folder)
    vault_folder.rename(vault_folder.with_name("unmounted"))
    response = client.post(path(link, "download/"))
    vault_folder.with_name("unmounted").rename(vault_folder)
    assert response.status_code == 503
    assert response["Retry-After"] == "300"
    assert "guardado y seguro" in text(response)
    link.refresh_from_db()
    assert link.downloads == 0


def test_a_log_that_is_away_is_a_503_without_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    link = a_link()
    client = opened(link)

    def fail(**_what: object) -> int:
        raise log.AuditUnavailable("the log is away")

    monkeypatch.setattr(log, "record", fail)
    response = client.post(path(link, "download/"))
    assert response.status_code == 503
    assert "seguros" in text(response)
    assert b"%PDF" not in response.content


def test_tampered_bytes_are_a_neutral_page_and_a_p1(vault_folder: pathlib.Path) -> None:
    link = a_link()
    client = opened(link)
    immutable.unlock_for_removal(folder=vault_folder)
    file = vault_folder / link.document.vault_key
    file.chmod(0o644)
    file.write_bytes(b"%PDF forged")
    response = client.post(path(link, "download/"))
    assert response.status_code == 423
    assert "revisando" in text(response)
    assert Alert.objects.get(code="document_quarantined").severity == "P1"


@pytest.mark.parametrize("rest", ["nope/", "nope", "A" * 43 + "/", "a/b/c/d", "%00/", "é/", "x" * 3000 + "/"])
def test_no_two_addresses_that_are_no_link_can_be_told_apart(rest: str) -> None:
    known, unknown = Client().get("/l/zzz/"), Client().get(f"/l/{rest}")
    assert unknown.status_code == 404
    assert unknown.content == known.content
    assert set(unknown.headers) == set(known.headers)


def test_a_form_sent_to_no_link_is_the_same_404() -> None:
    for rest in ("open/", "download/", "renew/", "report/"):
        assert Client().post(f"/l/{'A' * 43}/{rest}").status_code == 404


# --- a new link, a wrong person ---


def test_asking_for_a_new_link_is_answered_alike_whether_or_not_one_is_sent() -> None:
    mute = factories.document(owner=factories.party(platform_id="drv_mute", email=""), now=timezone.now())
    pages = []
    for link in (
        a_link(expires_at=timezone.now()),
        a_link(mute),
        a_link(revoked_at=timezone.now(), revoked_reason="wrong_person"),
    ):
        response = Client().post(path(link, "renew/"))
        assert response.status_code == 200
        pages.append(text(response).replace(link.public_id, ""))
    assert pages[0] == pages[1] == pages[2]
    assert Delivery.objects.count() == 1


def test_an_expired_link_becomes_a_new_one_in_the_mail(settings: Settings, mailoutbox: list[EmailMessage]) -> None:
    link = a_link(expires_at=timezone.now())
    Client().post(path(link, "renew/"))
    made = Delivery.objects.get()
    deliveries.send(delivery_id=made.pk, now=timezone.now())
    [message] = mailoutbox
    found = re.search(rf"{re.escape(settings.PUBLIC_URL)}(/l/\S+)", str(message.body))
    assert found is not None
    assert Client().get(found[1]).status_code == 200
    made.refresh_from_db()
    assert made.status == DeliveryStatus.SENT


def test_the_wrong_person_can_say_so_and_then_nobody_gets_in_and_no_new_link_is_offered() -> None:
    link = a_link()
    assert "Gracias por avisar" in text(Client().post(path(link, "report/")))
    page = Client().get(path(link))
    assert page.status_code == 410
    assert "renew/" not in text(page)
    assert Alert.objects.filter(code="link_revoked").count() == 1


# --- the pages themselves ---


def every_page() -> dict[str, "HttpResponse"]:
    """Return a page of every state, by name."""
    link = a_link()
    found = {name: Client().get(path(one)) for name, (one, _status) in states().items()}
    found["landing"] = Client().get(path(link))
    found["wrong"] = Client().post(path(link, "open/"), {"answer": "0000"})
    found["ready"] = opened(link).get(path(link))
    found["unknown"] = Client().get("/l/nope/")
    found["renewed"] = Client().post(path(link, "renew/"))
    found["reported"] = Client().post(path(link, "report/"))
    found["english"] = Client().get(path(a_link()), headers={"accept-language": "en-GB"})
    found["method"] = Client().put(path(link))
    return found


def test_every_page_is_small_scriptless_and_leaks_nothing_by_its_headers() -> None:
    for name, response in every_page().items():
        page = text(response)
        outline = Outline(page)
        assert len(response.content) <= BYTES_MAX, name
        assert outline.all("script") == []
        assert not re.search(r"\son[a-z]+=|\sstyle=|javascript:", page)
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert "noindex" in response["X-Robots-Tag"]
        assert response["X-Frame-Options"] == "DENY"
        assert "Set-Cookie" not in response.headers or name == "open"
        links_out = [one["href"] or "" for one in outline.all("a")]
        assert all(one.startswith(("/", "?")) for one in links_out)


def test_the_policy_allows_exactly_the_style_that_is_on_the_page() -> None:
    for response in every_page().values():
        style = re.search(r"<style>(.*?)</style>", text(response), flags=re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy = response["Content-Security-Policy"]
        assert f"style-src 'sha256-{digest}'" in policy
        assert "script-src" not in policy
        for words in (
            "default-src 'none'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ):
            assert words in policy


def test_every_page_has_one_heading_a_language_and_labels_for_its_fields() -> None:
    for name, response in every_page().items():
        outline = Outline(text(response))
        assert len(outline.all("h1")) == 1
        assert outline.all("html") == [{"lang": "en" if name == "english" else "es"}]
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in outline.all("meta")
        labelled = {one.get("for") for one in outline.all("label")}
        assert all(one.get("id") in labelled for one in outline.all("input") if one.get("type") != "hidden")


def luminance(colour: str) -> float:
    """Return WCAG's relative luminance of `#rrggbb` or `#rgb`."""
    digits = colour.lstrip("#")
    digits = "".join(one * 2 for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_seven_to_one_in_light_and_dark() -> None:
    sheet = pathlib.Path("templates/web/page.css").read_text(encoding="utf-8")
    schemes = re.findall(r":root \{(.*?)\}", sheet, flags=re.DOTALL)
    assert len(schemes) == 2
    pairs = [("ink", "card"), ("ink", "page"), ("soft", "card"), ("soft", "page"), ("on", "brand"), ("brand", "card")]
    pairs += [("ink", "tint"), ("good", "good-tint"), ("warn", "warn-tint"), ("bad", "bad-tint")]
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", scheme))
        for front, back in pairs:
            light, dark = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 7, (front, back)


def test_the_language_switch_survives_the_forms() -> None:
    link = a_link()
    client = Client()
    page = client.get(path(link) + "?lang=en")
    assert "Your document is ready" in text(page)
    assert next(one["action"] for one in Outline(text(page)).all("form")) == path(link, "open/?lang=en")
    wrong = client.post(path(link, "open/?lang=en"), {"answer": "0000"})
    assert "You have 4 tries left." in text(wrong)
    moved = client.post(path(link, "open/?lang=en"), {"answer": "678Z"})
    assert moved["Location"] == path(link) + "?lang=en"
    assert "Payout pending." in text(client.get(moved["Location"]))


def test_every_message_exists_for_every_state_that_a_link_can_be_in() -> None:
    link = a_link()
    for state in links.State:
        if state is not links.State.LIVE:
            assert messages.message(name=state.value, link=link).status in {410, 429}


def test_a_name_full_of_html_stays_a_name() -> None:
    document = factories.document(
        owner=factories.party(platform_id="drv_x", legal_name="<img src=x onerror=alert(1)> Pérez"), now=timezone.now()
    )
    assert "<img" not in text(Client().get(path(a_link(document))))


# --- what must not be written down ---


def test_no_token_lies_in_any_log_line_or_audit_row_after_a_whole_day_at_the_door(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets: list[str] = []
    for link, _status in [*states().values(), (a_link(), 200)]:
        secrets += [links.token(link=link), link.token_sha256]
        client = Client()
        for rest in ("", "page/1/", "nope/", "download/", "open/"):
            client.get(path(link, rest))
        client.get(path(link).rstrip("/"))
        client.post(path(link))
        client.post(path(link, "open/"), {"answer": "0000"})
        client.post(path(link, "open/"), {"answer": "678Z"}, headers={"sec-fetch-site": "cross-site"})
        client.post(path(link, "open/"), {"answer": "678Z"})
        client.get(path(link))
        client.post(path(link, "download/"))
        client.post(path(link, "renew/"))
        client.post(path(link, "report/"))
        client.get(path(link))
    rows = [
        row
        for alias in ("default", "denials")
        for model in (Event, EventDetail)
        for row in model.objects.using(alias).values()
    ]
    written = json.dumps(rows, default=str) + caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert len(rows) > 40
    for secret in secrets:
        assert secret not in written


@pytest.mark.usefixtures("committed_db")
@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_twenty_phones_at_once_get_five_pdfs() -> None:
    link = a_link()
    browsers = [opened(link) for _ in range(20)]

    def take(client: Client) -> int:
        try:
            return client.post(path(link, "download/")).status_code
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as threads:
        statuses = sorted(threads.map(take, browsers))
    link.refresh_from_db()
    assert statuses == [200] * 5 + [410] * 15
    assert link.downloads == 5
    assert Event.objects.filter(action="document.downloaded").count() == 5
