"""The link of a week's mail: one answer opens its list and each of its documents."""

import hashlib
import re

import pytest
from django.test import Client
from django.utils import timezone

from audit import log
from documents.custody import quarantine
from documents.delivery import links
from documents.models import Delivery, Link
from tests.documents.visits import a_link, a_week, answered, opened, path, quiet, text
from tests.services import force

__all__ = ["quiet"]

pytestmark = pytest.mark.django_db


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
