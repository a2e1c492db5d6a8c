"""The page of a secure link, on a phone: what it shows to whom, and what a scanner can do with it (nothing)."""

import base64
import concurrent.futures
import datetime as dt
import hashlib
import json
import logging
import pathlib
import re
import secrets
import string
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from django.core.mail import EmailMessage
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import log
from audit.models import Event, EventDetail
from config import env
from documents.custody import quarantine
from documents.delivery import codes, deliveries, links, tries
from documents.link_pages import messages
from documents.models import (
    Alert,
    Delivery,
    DeliveryStatus,
    Document,
    Issuer,
    Kind,
    Link,
    Notice,
    PayoutStatus,
    Status,
    WrongAnswers,
)
from documents.resilience import breaker, calls, dependencies, queue
from documents.vault import immutable
from tests import factories
from tests.services import force

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse

pytestmark = pytest.mark.django_db
BYTES_MAX = 6 * 1024
ALPHABET = f"{string.ascii_letters}{string.digits}-_"
KINDS = ("forged", "altered", "expired", "revoked", "foreign", "replayed")


@pytest.fixture(autouse=True)
def _fresh(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every breaker closed, nobody to ring, and no refusal left over for the next test to count."""
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)
    yield
    log.flush_denials()


def a_week(*, number: int = 3) -> Link:
    """Return the link of a week's mail."""
    owner, now = factories.party(platform_id="drv_week"), timezone.now()
    week = [factories.document(owner=owner, now=now - dt.timedelta(days=day % 7)) for day in range(number)]
    with transaction.atomic():
        made = [deliveries.plan(document=document, now=now, actor=log.SYSTEM)[0] for document in week]
    Delivery.objects.filter(pk__in=[delivery.pk for delivery in made]).update(bundle=made[0])
    return links.for_delivery(delivery=made[0], now=now)


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
    for rest in ("open/", "download/", "view/", "code/", "renew/"):
        assert client.get(path(link, rest)).status_code == 405
        assert client.head(path(link, rest)).status_code == 405
    assert client.get(path(link, "report/")).status_code == 200
    assert client.get(path(link, "file/")).status_code == 303
    assert client.cookies == {}
    after = Link.objects.get(pk=link.pk)
    assert (after.downloads, after.wrong_answers, after.opened_at, after.revoked_at) == (0, 0, None, None)
    assert after.seen_at is not None
    assert Document.objects.values().get(pk=link.document_id) == before
    told = Event.objects.filter(object_id=link.public_id).values_list("action", flat=True)
    assert list(told) == ["link.created", "link.seen"]


@pytest.mark.timeout(3600)  # the long campaign
def test_a_scanner_that_even_presses_the_buttons_opens_nothing_uses_nothing_up_and_gets_few_mails_sent() -> None:
    link = a_link()
    client = Client()
    for _ in range(scans()):
        for rest in ("", "report/", "page/1/", "file/"):
            client.get(path(link, rest))
            client.head(path(link, rest))
        for rest in ("open/", "download/", "view/", "code/", "renew/", "report/"):
            assert client.post(path(link, rest)).status_code == 303
        assert client.post(path(link, "open/"), {"answer": ""}).status_code == 303
    link.refresh_from_db()
    assert (link.downloads, link.wrong_answers, link.opened_at, link.revoked_at) == (0, 0, None, None)
    assert client.cookies == {}
    assert Delivery.objects.count() == 0
    assert 1 <= Notice.objects.count() <= codes.PERIOD_MAX
    assert opened(link).post(path(link, "download/")).status_code == 200


def scans() -> int:
    """Return how often a scanner comes: a few times here, a thousand times in the long campaign."""
    return env.number(name="LINK_SCANS", default=4)


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
    name = f"Aventide-pedido-{link.document.operation_date}-{link.document.number}.pdf"
    assert pdf["Content-Disposition"] == f'attachment; filename="{name}"'
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


@pytest.mark.parametrize(
    "behind", ["", ".", ",", ">", ")", '"', "/.", "/>", "/,", "/)", '/"', "./", ">/", "/).", "%3E", "%22", "/%20"]
)
def test_a_link_works_without_its_last_slash_and_with_the_marks_that_were_pasted_with_it(behind: str) -> None:
    link = a_link()
    response = Client().get(path(link).rstrip("/") + behind)
    assert (response.status_code, response["Location"]) == (303, path(link))


@pytest.mark.parametrize("behind", ["x", "/x", ".x", "-", "A/", "//x"])
def test_a_token_with_anything_else_behind_it_is_no_link(behind: str) -> None:
    assert Client().get(path(a_link()).rstrip("/") + behind).status_code == 404


# --- the question ---


def answered(client: Client, link: Link, answer: str, **more: str) -> "HttpResponse":
    """Answer, and return the page that the redirect leads to: never is the answer to a form a page itself."""
    moved = client.post(path(link, "open/"), {"answer": answer, **more})
    assert moved.status_code == 303
    return client.get(moved["Location"])


def test_a_wrong_answer_says_how_many_tries_are_left_and_the_fifth_closes_the_door() -> None:
    link = a_link()
    client = Client()
    for left in (4, 3, 2):
        page = answered(client, link, "0000")
        assert page.status_code == 200
        assert f"Te quedan {left} intentos." in text(page)
        assert 'role="alert"' in text(page)
    assert "Te queda 1 intento." in text(answered(client, link, "0000"))
    locked = answered(client, link, "0000")
    assert locked.status_code == 429
    assert 0 < int(locked["Retry-After"]) <= 900
    assert answered(client, link, "678Z").status_code == 429
    assert client.cookies == {}


def test_the_tenth_wrong_answer_ends_the_link() -> None:
    link = a_link(wrong_answers=9)
    assert answered(Client(), link, "0000").status_code == 410
    assert Alert.objects.filter(code="link_revoked").count() == 1


@pytest.mark.parametrize("answer", ["", " ", "1", "5678Z", "1" * 21, "\x00\x00\x00\x00"])
def test_what_cannot_be_an_answer_is_asked_again_and_is_no_try(answer: str) -> None:
    link = a_link()
    page = answered(Client(), link, answer)
    assert page.status_code == 200
    assert "Escribe los 4 últimos caracteres, o el número completo." in text(page)
    link.refresh_from_db()
    assert link.wrong_answers == 0


def test_whoever_has_given_too_many_wrong_answers_is_stopped_at_every_link_of_that_party_and_told_until_when() -> None:
    link = a_link()
    tries.count(keys={"party": f"party:{link.recipient_id}"}, now=timezone.now())
    WrongAnswers.objects.update(count=20)
    assert answered(Client(), link, "678Z").status_code == 429
    page = Client().get(path(link))
    assert page.status_code == 429
    assert 86_000 < int(page["Retry-After"]) <= 86_400
    assert "soporte@aventide.example" not in text(page)
    assert "documentos@aventide.example" in text(page)
    link.refresh_from_db()
    assert (link.opened_at, link.wrong_answers) == (None, 0)


# --- a code by mail ---


def mailed(link: Link) -> str:
    """Return the code that was mailed last."""
    return codes.code(notice=Notice.objects.filter(link=link).latest("pk"))


def test_who_cannot_answer_has_a_code_mailed_and_opens_with_it() -> None:
    link = a_link()
    client = Client()
    landing = text(client.get(path(link)))
    assert "a••@e••••••.com" in landing
    moved = client.post(path(link, "code/"))
    assert (moved.status_code, moved["Location"]) == (303, path(link) + "?by=code")
    field = next(row for row in Outline(text(client.get(moved["Location"]))).all("input") if row["name"] == "answer")
    assert (field["autocomplete"], field["inputmode"]) == ("one-time-code", "numeric")
    wrong = answered(client, link, "12345", by="code")
    assert "Escribe las 6 cifras del código." in text(wrong)
    assert "21,88 EUR" in text(answered(client, link, mailed(link), by="code"))


def test_who_has_no_tax_id_on_file_is_asked_for_nothing_but_a_code() -> None:
    owner = factories.party(platform_id="drv_none", tax_id="")
    link = a_link(factories.document(owner=owner, now=timezone.now()))
    client = Client()
    assert Outline(text(client.get(path(link)))).all("input") == []
    page = text(client.get(client.post(path(link, "code/"))["Location"]))
    assert 'name="answer"' in page
    assert "Últimos 4" not in page
    assert "21,88 EUR" in text(answered(client, link, mailed(link), by="code"))


def test_a_second_code_within_a_minute_is_answered_alike_and_not_sent() -> None:
    link = a_link()
    client = Client()
    pages = [text(client.get(client.post(path(link, "code/"))["Location"])) for _ in range(3)]
    assert pages[0] == pages[1] == pages[2]
    assert Notice.objects.filter(link=link).count() == 1
    denied = Event.objects.using("denials").filter(object_id=link.public_id, code="code_not_mailed")
    assert denied.count() == 2


# --- reading in the browser ---


def test_the_pdf_opens_in_the_browser_and_counts_as_one_download_however_often_its_reader_asks() -> None:
    link = a_link()
    client = opened(link)
    moved = client.post(path(link, "view/"))
    assert (moved.status_code, moved["Location"]) == (303, path(link, "file/"))
    for _ in range(3):
        pdf = client.get(moved["Location"])
        assert pdf.status_code == 200
        assert pdf["Content-Disposition"].startswith('inline; filename="Aventide-pedido-')
        assert hashlib.sha256(pdf.content).hexdigest() == link.document.file_sha256
    assert client.post(path(link, "download/")).status_code == 200
    link.refresh_from_db()
    assert link.downloads == 1


def test_no_get_reads_a_pdf_that_was_not_counted() -> None:
    link = a_link()
    client = opened(link)
    assert client.get(path(link, "file/")).status_code == 303
    link.refresh_from_db()
    assert link.downloads == 0


def useless(kind: str, link: Link) -> tuple[str, Client]:
    """Return a token that must open nothing, with the browser of whoever holds it."""
    token, client = links.token(link=link), Client()
    if kind == "forged":
        return secrets.token_urlsafe(32), client
    if kind == "altered":
        place = secrets.randbelow(len(token))
        return token[:place] + secrets.choice([c for c in ALPHABET if c != token[place]]) + token[place + 1 :], client
    if kind == "foreign":
        client.cookies["link"] = opened(a_link()).cookies["link"].value
    elif kind == "replayed":
        client = opened(link)
    ended = {"expired": {"expires_at": timezone.now()}, "foreign": {}}.get(kind, {"revoked_at": timezone.now()})
    with force.by_force():
        Link.objects.filter(pk=link.pk).update(**ended)
    return token, client


@pytest.mark.timeout(3600)  # the long campaign
def test_forged_altered_expired_revoked_foreign_and_replayed_tokens_open_nothing() -> None:
    documents = [factories.document(now=timezone.now()) for _ in range(2)]
    for number in range(env.number(name="LINK_TOKENS", default=24)):
        kind = KINDS[number % len(KINDS)]
        link = a_link(documents[number % 2])
        token, client = useless(kind, link)
        if kind != "foreign":  # a link of one's own opens with the answer
            client.post(f"/l/{token}/open/", {"answer": "678Z"})
        for rest in ("download/", "view/"):
            assert not client.post(f"/l/{token}/{rest}").content.startswith(b"%PDF"), kind
        for rest in ("", "file/", "page/1/", "1/"):
            page = client.get(f"/l/{token}/{rest}")
            assert page["Content-Type"] == "text/html; charset=utf-8", kind
            assert b"21,88" not in page.content, kind
        link.refresh_from_db()
        assert link.downloads == 0
    handed = ("document.downloaded", "document.viewed", "document.previewed")
    assert not Event.objects.filter(action__in=handed, outcome="ok").exists()


# --- a week ---


def test_one_answer_opens_a_list_of_the_week_and_each_of_its_documents() -> None:
    link = a_week()
    client = Client()
    landing = text(client.get(path(link)))
    assert "Tus documentos están listos" in landing
    assert not re.search(r"21,88|AES-OFS", landing)
    page = text(answered(client, link, "678Z"))
    for place, document in enumerate(links.documents(link=link), start=1):
        assert document.number in page
        assert f'href="{path(link, f"{place}/")}"' in page
        shown = text(client.get(path(link, f"{place}/")))
        assert document.number in shown
        assert 'action="download/"' in shown
        pdf = client.post(path(link, f"{place}/download/"))
        assert hashlib.sha256(pdf.content).hexdigest() == document.file_sha256
    link.refresh_from_db()
    assert (link.downloads, link.downloads_max) == (3, 15)


def test_a_weeks_documents_are_shut_before_the_answer_and_there_are_no_others() -> None:
    link = a_week()
    stranger = Client()
    for rest in ("1/", "2/", "1/file/", "3/page/1/"):
        assert stranger.get(path(link, rest))["Location"] == path(link)
    assert stranger.post(path(link, "2/download/"))["Location"] == path(link)
    client = opened(link)
    for place in ("0", "4", "99999999999999999999"):
        assert client.get(path(link, f"{place}/")).status_code == 404
        assert client.post(path(link, f"{place}/download/")).status_code == 404
    assert opened(a_link()).get(path(a_link(), "1/")).status_code == 404


def test_a_long_week_is_listed_in_pages_by_its_days() -> None:
    link = a_week(number=45)
    client = opened(link)
    pages = [text(client.get(path(link) + f"?page={number}")) for number in ("1", "2", "3")]
    numbers = [re.findall(r"AES-OFS-[0-9]{4}-[0-9]{7}", page) for page in pages]
    assert [len(row) for row in numbers] == [20, 20, 5]
    assert len({number for row in numbers for number in row}) == 45
    assert all(len(page.encode()) < 12 * 1024 for page in pages)
    for wild in ("0", "4", "-1", "9" * 30, "x"):
        assert client.get(path(link) + f"?page={wild}").status_code == 200


def test_of_a_weeks_document_that_is_withheld_no_amount_is_shown_and_the_others_go_on() -> None:
    link = a_week()
    first = links.document(link=link, place=1)
    assert first is not None
    quarantine.withhold(document=first, code="worm_checksum_mismatch", actor=log.SYSTEM, now=timezone.now())
    client = opened(link)
    page = text(client.get(path(link)))
    assert "En revisión" in page
    assert page.count("21,88") == 2
    assert client.get(path(link, "1/")).status_code == 423
    assert client.post(path(link, "2/download/")).status_code == 200


def test_a_week_is_renewed_and_reported_like_any_link() -> None:
    link = a_week()
    with force.by_force():
        Link.objects.filter(pk=link.pk).update(expires_at=timezone.now())
    Client().post(path(link, "renew/"))
    assert Delivery.objects.filter(sequence=2, channel="DIGEST").count() == 3


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
    assert client.get(path(link, "file/")).status_code == 303


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
    assert client.post(path(link, "download/")).status_code == 303
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
            Client().post(path(link, "view/")),
            Client().get(path(link, "page/1/")),
        ):
            # A form, and what is being prepared, lead to the link's own page, which says so.
            response = Client().get(answer["Location"]) if answer.status_code == 303 else answer
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
    assert {row.code for row in denied} == {"link_revoked"}
    assert denied.count() == 2


def test_a_document_that_is_not_ready_yet_shows_itself_later_without_a_tap() -> None:
    link = a_link(factories.document(status=Status.ISSUED, now=timezone.now()))
    page = Client().get(path(link))
    assert page["Refresh"] == "15"
    assert "Mirar otra vez" in text(page)


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
    response = client.get(client.post(path(link, "download/"))["Location"])
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
    for rest in ("open/", "download/", "view/", "code/", "renew/", "report/", "1/download/", "1/view/"):
        assert Client().post(f"/l/{'A' * 43}/{rest}").status_code == 404


# --- a new link, a wrong person ---


def test_asking_for_a_new_link_is_answered_alike_whether_or_not_one_is_sent() -> None:
    mute = factories.document(owner=factories.party(platform_id="drv_mute", email=""), now=timezone.now())
    pages = []
    for link in (
        a_link(expires_at=timezone.now()),
        a_link(mute, expires_at=timezone.now()),
        a_link(revoked_at=timezone.now(), revoked_reason="wrong_person"),
    ):
        moved = Client().post(path(link, "renew/"))
        assert (moved.status_code, moved["Location"]) == (303, path(link) + "?note=renewed")
        pages.append(text(Client().get(moved["Location"])).replace(link.public_id, ""))
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


def test_a_link_that_works_is_not_renewed_whoever_presses_the_button() -> None:
    link = a_link()
    moved = Client().post(path(link, "renew/"))
    assert "Tu documento está listo" in text(Client().get(moved["Location"]))
    assert Delivery.objects.count() == 0


def test_the_wrong_person_is_asked_first_and_then_nobody_gets_in_and_no_new_link_is_offered() -> None:
    link = a_link()
    page = Client().get(path(link, "report/"))
    assert "A•• R••• P••••" in text(page)
    assert {"type": "checkbox", "name": "sure", "value": "yes", "required": None} in Outline(text(page)).all("input")
    unsure = Client().post(path(link, "report/"))
    assert "Marca la casilla" in text(Client().get(unsure["Location"]))
    link.refresh_from_db()
    assert link.revoked_at is None
    moved = Client().post(path(link, "report/"), {"sure": "yes"})
    assert "Gracias por avisar" in text(Client().get(moved["Location"]))
    page = Client().get(path(link))
    assert page.status_code == 410
    assert "renew/" not in text(page)
    assert Alert.objects.filter(code="link_revoked").count() == 1


@pytest.mark.parametrize("state", ["question", "opened", "revoked", "report"])
def test_every_page_names_the_support_address_of_its_issuer(state: str) -> None:
    link = a_link(revoked_at=timezone.now()) if state == "revoked" else a_link()
    with force.by_force():
        Issuer.objects.filter(pk=link.document.issuer_id).update(support_email="ayuda@aventide.example")
    client = opened(link) if state == "opened" else Client()
    page = text(client.get(path(link, "report/" if state == "report" else "")))
    assert f'href="mailto:ayuda@aventide.example?subject={link.public_id}"' in page


# --- the pages themselves ---


def every_page() -> dict[str, "HttpResponse"]:
    """Return a page of every state, by name."""
    link = a_link()
    found = {name: Client().get(path(one)) for name, (one, _status) in states().items()}
    found["landing"] = Client().get(path(link))
    found["wrong"] = answered(Client(), link, "0000")
    found["ready"] = opened(link).get(path(link))
    found["code"] = Client().get(Client().post(path(link, "code/"))["Location"])
    found["unknown"] = Client().get("/l/nope/")
    found["ask"] = Client().get(path(link, "report/"))
    found["reported"] = Client().get(Client().post(path(link, "report/"), {"sure": "yes"})["Location"])
    found["renewed"] = Client().get(path(a_link(revoked_at=timezone.now())) + "?note=renewed")
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
        elsewhere = [row for row in links_out if re.match(r"[a-z.+-]+:|//", row)]
        assert all(row.startswith("mailto:documentos@aventide.example") for row in elsewhere)
        assert any(row.startswith("mailto:") for row in links_out), name


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
    assert next(one["action"] for one in Outline(text(page)).all("form")) == "open/?lang=en"
    wrong = client.post(path(link, "open/?lang=en"), {"answer": "0000"})
    assert wrong["Location"] == path(link) + "?lang=en&note=wrong"
    assert "You have 4 tries left." in text(client.get(wrong["Location"]))
    moved = client.post(path(link, "open/?lang=en"), {"answer": "678Z"})
    assert moved["Location"] == path(link) + "?lang=en"
    assert "Payout pending." in text(client.get(moved["Location"]))


def test_every_message_exists_for_every_state_that_a_link_can_be_in() -> None:
    link = a_link()
    for state in links.State:
        if state is not links.State.LIVE:
            assert messages.message(name=state.value, link=link, until_at=timezone.now()).status in {410, 429}


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
        for rest in ("", "page/1/", "nope/", "download/", "open/", "file/", "report/", "1/", "1/file/", ".", ">"):
            client.get(path(link, rest))
        client.get(path(link).rstrip("/"))
        client.post(path(link))
        client.post(path(link, "open/"), {"answer": "0000"})
        client.post(path(link, "open/"), {"answer": "678Z"}, headers={"sec-fetch-site": "cross-site"})
        client.post(path(link, "open/"), {"answer": "678Z"})
        client.get(path(link))
        for rest in ("download/", "view/", "code/", "renew/", "report/", "1/view/"):
            client.post(path(link, rest))
        client.get(path(link, "file/"))
        client.post(path(link, "report/"), {"sure": "yes"})
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
    assert statuses == [200] * 5 + [303] * 15
    assert link.downloads == 5
    assert Event.objects.filter(action="document.downloaded").count() == 5
