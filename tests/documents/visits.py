"""What the tests of secure links share: a link, its address, a browser that has answered, a page read as a browser does."""

import datetime as dt
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit import log
from documents.delivery import deliveries, links
from documents.models import Delivery, Document, Link, Status
from documents.resilience import breaker, calls, dependencies, queue
from tests import factories
from tests.services import force

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse


@pytest.fixture(autouse=True)
def quiet(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
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


def answered(client: Client, link: Link, answer: str, **more: str) -> "HttpResponse":
    """Answer, and return the page that the redirect leads to: never is the answer to a form a page itself."""
    moved = client.post(path(link, "open/"), {"answer": answer, **more})
    assert moved.status_code == 303
    return client.get(moved["Location"])


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
