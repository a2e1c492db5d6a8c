"""TABLE: the pages of secure and shared links, of the public verification and of what explains itself to anybody."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.test import Client
from django.utils import timezone

from documents.delivery import shared_links, tries
from documents.models import Kind, Link, PayoutStatus, WrongAnswers
from tests import factories
from tests.documents import visits
from tests.pages import world as worlds
from tests.pages.table import ShownPage
from tests.pages.world import PageWorld
from tests.services import force

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as HttpResponse

RIGHT, WRONG = "678Z", "0000"


def _at(name: str, link: Callable[[], Link], rest: str = "", *, at: str = "link", status: int = 200) -> ShownPage:
    """Return the page of a link as a stranger finds it."""
    return ShownPage(name=name, at=at, show=lambda world: world.get(Client(), visits.path(link(), rest)), status=status)


def _sent(name: str, rest: str, body: dict[str, str], link: Callable[[], Link] = visits.a_link) -> ShownPage:
    """Return the page that follows a form."""
    at = "link-report" if rest == "report/" and not body else "link"
    return ShownPage(name=name, at=at, show=lambda world: world.post(Client(), visits.path(link(), rest), body))


def _opened(name: str, link: Callable[[], Link], rest: str = "", at: str = "link") -> ShownPage:
    """Return a page behind the right answer."""

    def show(world: PageWorld) -> "HttpResponse":
        made = link()
        return world.get(visits.opened(made, _answer(made)), visits.path(made, rest))

    return ShownPage(name=name, at=at, show=show)


def _answer(link: Link) -> str:
    return shared_links.code(link=link) if link.reader else RIGHT


def _closed(name: str, status: int) -> ShownPage:
    return ShownPage(
        name=f"link-{name}",
        at="link",
        show=lambda world: world.get(Client(), visits.path(visits.states()[name][0])),
        status=status,
    )


def _paid() -> Link:
    document = factories.document(now=timezone.now())
    by = factories.document(kind=Kind.PAYOUT_STATEMENT, owner=document.owner, now=timezone.now())
    with force.by_force():
        type(document).objects.filter(pk=document.pk).update(payout_status=PayoutStatus.SENT, settled_by=by)
    return visits.a_link(document)


def _receipt() -> Link:
    return visits.a_link(factories.document(kind=Kind.PAYMENT_RECEIPT, now=timezone.now()))


def _limited() -> Link:
    owner = factories.party(platform_id="drv_limited", legal_name="Óscar Núñez")
    link = visits.a_link(factories.document(owner=owner, now=timezone.now()))
    tries.count(keys={"party": f"party:{link.recipient_id}"}, now=timezone.now())
    WrongAnswers.objects.filter(key=f"party:{link.recipient_id}").update(count=20)
    return link


def _shared(place: int, name: str, rest: str = "", status: int = 200) -> ShownPage:
    return ShownPage(
        name=name,
        at="link-report" if rest else "link",
        show=lambda world: world.get(Client(), visits.path(world.shared[place], rest)),
        status=status,
    )


def _verified(world: PageWorld, body: bytes | None = None) -> "HttpResponse":
    """Return the public page of a document, with a file to compare where one is given."""
    document = factories.document(now=timezone.now())
    path = f"/v/{document.verification_code}"
    if body is None:
        return world.get(Client(), path)
    file = io.BytesIO(body)
    file.name = "received.pdf"
    return world.post(Client(), path, {"file": file})


LINK_PAGES = (
    _at("link", visits.a_link),
    _at("link-receipt", _receipt),
    _at("link-no-tax-id", worlds.unnamed),
    _at("link-of-a-week", visits.a_week),
    _sent("link-malformed", "open/", {"answer": "1"}),
    _sent("link-wrong", "open/", {"answer": WRONG}),
    _sent("link-code", "code/", {}),
    _sent("link-code-wrong", "open/", {"answer": "000000", "by": "code"}),
    _sent("link-code-no-tax-id", "code/", {}, worlds.unnamed),
    _opened("link-opened", visits.a_link),
    _opened("link-opened-paid", _paid),
    _opened("link-opened-receipt", _receipt),
    _opened("link-week", visits.a_week),
    _opened("link-long-week", lambda: visits.a_week(number=25)),
    _opened("link-week-document", visits.a_week, "1/", "link-of-week"),
    *(
        _closed(name, status)
        for name, status in {
            "expired": 410,
            "revoked": 410,
            "exhausted": 410,
            "locked": 429,
            "preparing": 200,
            "withheld": 423,
        }.items()
    ),
    _at("link-limited", _limited, status=429),
    _sent("link-renewed", "renew/", {}, lambda: visits.states()["expired"][0]),
    _at("link-report", visits.a_link, "report/", at="link-report"),
    _sent("link-report-unsure", "report/", {}),
    ShownPage(
        name="link-reported",
        at="link-report",
        show=lambda world: world.post(Client(), visits.path(visits.a_link(), "report/"), {"sure": "yes"}),
        status=200,
    ),
    _at("link-used-as-form", visits.a_link, "open/", at="link", status=405),
    _shared(0, "shared-link"),
    _shared(0, "shared-link-report", "report/"),
    ShownPage(
        name="shared-link-wrong",
        at="link",
        show=lambda world: world.post(Client(), visits.path(world.shared[1], "open/"), {"answer": "1"}),
    ),
    ShownPage(
        name="shared-link-opened",
        at="link",
        show=lambda world: world.get(
            visits.opened(world.shared[0], _answer(world.shared[0])), visits.path(world.shared[0])
        ),
    ),
    _shared(2, "shared-link-ended", status=410),
    _shared(3, "shared-link-expired", status=410),
    ShownPage(name="link-unknown", at="link-unknown", show=lambda world: world.get(Client(), "/l/nope/"), status=404),
    ShownPage(name="verify", at="verification-index", show=lambda world: world.get(Client(), "/v/")),
    ShownPage(name="verify-genuine", at="verification", show=_verified),
    ShownPage(name="verify-altered", at="verification", show=lambda world: _verified(world, b"%PDF-1.7 altered")),
    ShownPage(
        name="verify-unknown",
        at="verification",
        show=lambda world: world.get(Client(), "/v/2222-2222-2222-2222"),
        status=404,
    ),
    ShownPage(name="error", at="error", show=lambda world: world.get(Client(), "/errors/totals_mismatch/")),
    ShownPage(name="api", at="api-reading", show=lambda world: world.get(Client(), "/docs/api/")),
    ShownPage(name="api-schema", at="api-schema", show=lambda world: world.get(Client(), "/docs/api/Problem/")),
)
