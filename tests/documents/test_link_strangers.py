"""What a scanner, a forger or whoever holds an ended link can do at its door: nothing, and no token is written down."""

import json
import logging
import secrets
import string

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.models import Event, EventDetail
from config import env
from documents.delivery import codes, links
from documents.models import Delivery, Document, Link, Notice
from tests import factories
from tests.documents.visits import a_link, opened, path, quiet, states
from tests.services import force

__all__ = ["quiet"]

pytestmark = pytest.mark.django_db
ALPHABET = f"{string.ascii_letters}{string.digits}-_"
PORTION = 100
KINDS = ("forged", "altered", "expired", "revoked", "foreign", "replayed")


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
    return int(env.text(name="LINK_SCANS", default="4"))


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
    for number in range(int(env.text(name="LINK_TOKENS", default="24"))):
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
        if (
            number % PORTION == 0
        ):  # what the guards look at when a transaction ends, they look at now: no end is too long
            connection.check_constraints()
    handed = ("document.downloaded", "document.viewed", "document.previewed")
    assert not Event.objects.filter(action__in=handed, outcome="ok").exists()


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
