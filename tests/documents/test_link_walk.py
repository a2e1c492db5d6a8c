"""The owner's way through a secure link: landing, answer, download, reading in the browser, and how often."""

import base64
import concurrent.futures
import hashlib

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from audit.models import Event
from documents.models import Document, Kind, PayoutStatus
from tests import factories
from tests.documents.visits import Outline, a_link, opened, path, quiet, text
from tests.services import force

__all__ = ["quiet"]

pytestmark = pytest.mark.django_db


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
