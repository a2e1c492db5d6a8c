"""The session that an answer opens: short, of one link alone, and refused to another site's form."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import log
from audit.models import Event
from documents.delivery import links
from tests.documents.visits import a_link, opened, path, quiet, text

__all__ = ["quiet"]

pytestmark = pytest.mark.django_db


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
