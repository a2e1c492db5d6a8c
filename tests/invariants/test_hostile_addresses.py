"""What no column can hold comes in by every address: an answer of ours each time, on record where something is refused."""

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core import signals
from django.db import close_old_connections
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from audit import denials
from audit.models import Event as AuditEvent
from config import env
from documents.admin.site import site
from documents.api.filters import DocumentFilters, MomentFilter
from documents.delivery import links
from documents.models import Document, Link
from tests import cast, factories
from tests.documents import center

pytestmark = [
    pytest.mark.django_db(databases=["default", "denials"]),
]

# As they stand in an address. PostgreSQL's texts hold no NUL and no half of a surrogate pair.
IDS = {
    "NUL": "doc_%00",
    "no UTF-8": "%ED%A0%80%C0%80%FF",  # half of a surrogate pair, a NUL that is too long, and what is none at all
    "far too long": "x" * 4000,
    "a number that int() refuses": "9" * 5000,
    "another alphabet's digits": "%EF%BC%99%EF%BC%99",
}
GET_AND_POST = ("get", "post")
# Each value at every address with FUZZ=1; else the two that break texts everywhere, the others at each third.
EVERYWHERE = {"NUL", "no UTF-8"}


def some(addresses: Iterable[str], *, name: str) -> list[str]:
    step = 1 if name in EVERYWHERE or env.text(name="FUZZ") else 3
    return list(addresses)[list(IDS).index(name) % step :: step]


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        place = f"{prefix}{one.pattern}"
        if isinstance(one, URLResolver):
            yield from patterns(one, place)
        else:
            yield place, one


def a_link(*, document: Document) -> Link:
    """Return a link that opens, which one made without its token would not."""
    return links.create(document=document, recipient=document.owner, delivery=None, now=timezone.now())


ROUTES = sorted({place for place, _ in patterns(get_resolver()) if "<" in place})


@pytest.fixture(scope="module", autouse=True)
def _application(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Start the web process's application before any test: it looks at the vault and closes its connections."""
    with django_db_blocker.unblock():
        importlib.import_module("config.wsgi")


def refusals(answer: Any) -> list[str]:
    return [one.code for one in AuditEvent.objects.using("denials").filter(request_id=answer["Request-Id"])]


def addresses(*, document: Document, link: Link, value: str) -> Iterator[str]:
    """Put a value in each place of each route, the other places holding what is there."""
    known = {"public_id": document.public_id, "object_id": document.public_id, "token": links.token(link=link)}
    for route in ROUTES:
        names = re.findall(r"<(?:\w+:)?(\w+)>", route)
        for hostile in names:
            yield "/" + re.sub(
                r"<(?:\w+:)?(\w+)>",
                lambda found: value if found[1] == hostile else known.get(found[1], "1"),  # noqa: B023 - used at once
                route,
            )


@pytest.mark.parametrize("name", IDS)
def test_at_no_route_an_id_that_no_column_can_hold_is_a_fault(name: str) -> None:
    document = factories.document()
    link = a_link(document=document)
    browser = center.client(member=center.staff(roles=["finance", "compliance"], countries=["ES", "MX"]))
    wrong = []
    for address in some(addresses(document=document, link=link, value=IDS[name]), name=name):
        for method in GET_AND_POST:
            denials.forget()
            answer = getattr(browser, method)(address)
            if answer.status_code >= 500 or (answer.status_code == 403 and not refusals(answer)):
                wrong.append((method, address[:80], answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("name", IDS)
def test_where_an_id_is_looked_up_one_that_no_column_can_hold_is_the_refusal_of_an_unknown_one(
    ana: cast.Member, name: str
) -> None:
    document = factories.document(owner=ana.party)
    center.one_of_each(document=document)
    cast.country(code="MX")
    driver = center.client(member=ana)
    limited = center.client(member=center.staff(roles=["finance", "compliance", "admin"], countries=["ES"]))
    everywhere = center.client(member=center.everywhere(roles=["finance", "compliance", "admin"]))
    for door in ("", "content/", "data/"):
        address = f"/api/v1/documents/{IDS[name]}/{door}"
        answer = driver.get(address)
        assert (answer.status_code, answer.json()["code"], refusals(answer)) == (403, "not_owner", ["not_owner"])
        assert everywhere.get(address).json()["code"] == "not_found"
    rows = [(str(one.pattern), one.__dict__["rule"]) for one in center.routes() if "<str:" in str(one.pattern)]
    assert len(rows) > 20
    for place, rule in rows:
        denials.forget()
        address, method = center.ADMIN + re.sub(r"<str:\w+>", IDS[name], place), GET_AND_POST["GET" not in rule.methods]
        answer = getattr(limited, method)(address)
        assert (answer.status_code, refusals(answer)) == (403, ["country_out_of_scope"]), place
        assert getattr(everywhere, method)(address).status_code == 404, place


@pytest.mark.parametrize("name", IDS)
def test_at_no_list_a_parameter_that_no_column_can_hold_is_a_fault(name: str) -> None:
    document = factories.document()
    held = a_link(document=document)
    browser = center.client(member=center.everywhere(roles=["finance", "compliance", "admin"]))
    asked = [f"/api/v1/documents/?{one}=" for one in (*DocumentFilters.base_filters, "limit", "cursor", "unheard_of")]
    asked += [f"/v/?{one}=" for one in ("code", "lang")]
    asked += [f"{center.ADMIN}search/?s=", f"{center.ADMIN}login/?next=", f"/l/{links.token(link=held)}/?lang="]
    asked += [f"{center.page(document)}preview/?page="]
    asked += [f"{center.page(document)}?page="]
    for model_admin in site._registry.values():
        meta = model_admin.model._meta
        start = f"{meta.app_label}/{meta.model_name}".replace("differenceapproval", "conciliar")
        asked += [f"{center.ADMIN}{start}/?{one}=" for one in sorted(model_admin.offered())]
    wrong = [
        (one, code)
        for one in some(asked, name=name)
        if (code := browser.get(one + IDS[name], follow=False).status_code) >= 500
    ]
    assert wrong == []
    assert (
        document.public_id
        not in browser.get(f"/api/v1/documents/?number={document.number}{IDS[name]}").content.decode()
    )


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00Z",
        "2026-01-01T00:00:00%2B23:59",  # PostgreSQL itself takes offsets of less than sixteen hours
        "0001-01-01T00:00:00%2B23:59",
    ],
)
def test_the_first_and_the_last_moment_there_is_are_moments(moment: str) -> None:
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    for name in (one for one, by in DocumentFilters.base_filters.items() if isinstance(by, MomentFilter)):
        assert browser.get(f"/api/v1/documents/?{name}={moment}").status_code == 200


@pytest.mark.parametrize("cookie", ["sessionid", "csrftoken", "django_language", "link", "messages"])
def test_a_cookie_that_spells_a_nul_is_no_fault(cookie: str) -> None:
    document = factories.document()
    token = links.token(link=a_link(document=document))
    for address in ("/admin/", "/api/v1/documents/", f"/l/{token}/"):
        answer = Client().get(address, headers={"cookie": f'{cookie}="abcdefgh\\000ijkl"'})
        assert answer.status_code < 500, address


@pytest.mark.parametrize("address", ["/static/%00", "/static/dc/%00.css", "/%00", "/admin/%00", "/api/%00/", "/l/%00"])
def test_an_address_with_a_nul_that_is_none_of_ours_does_not_exist(address: str) -> None:
    assert Client().get(address).status_code in {302, 404}


def test_a_form_that_spells_a_nul_is_asked_again(sofia: cast.Member) -> None:
    document = factories.document()
    browser = center.client(member=sofia)
    held = a_link(document=document)
    page = f"{center.ADMIN}documents/link/{held.public_id}/revoke/"
    assert browser.post(page, {"reason": "una razón\x00 con control"}).status_code == 400
    assert Client().post("/admin/login/", {"username": "so\x00fia", "password": "x\x00"}).status_code == 200
    assert browser.post(f"{center.ADMIN}language/", {"language": "e\x00s", "next": "/\x00"}).status_code == 302
    answer = Client().post(f"/l/{links.token(link=held)}/open/", {"answer": "12\x003"})
    assert answer.status_code < 500


@pytest.mark.parametrize(("length", "status"), [("9" * 5000, 413), ("²", 401), ("-1", 401), ("9" * 4000 + "x", 401)])
def test_a_length_that_int_refuses_is_no_fault(length: str, status: int) -> None:
    request: Any = {"data": b"{}", "content_type": "application/json", "headers": {"content-length": length}}
    assert Client().post("/api/v1/events/", **request).status_code == status
    code = factories.document().verification_code
    assert Client().post(f"/v/{code}", **request).status_code == (413 if status == 413 else 200)


# Each is a character set of Python's, and none of an address: as NUL, as half of a pair, or as a fault of the codec.
CHARACTER_SETS = ("; charset=utf-7", "; charset=rot13", "; charset=undefined", "; charset=cp037", "; charset*=nope''x")


def status(*, content_type: str, **asked: Any) -> int:
    """Answer a request as the web server does, which has a front that the test client passes by."""
    statuses: list[str] = []

    def start_response(status: str, _headers: object, _error: object = None, /) -> Any:
        statuses.append(status)

    signals.request_started.disconnect(close_old_connections)  # they are the test's
    environ = RequestFactory().generic(**asked).environ | {"CONTENT_TYPE": content_type}
    try:
        list(importlib.import_module("config.wsgi").application(environ, start_response))
    finally:
        signals.request_started.connect(close_old_connections)
    return int(statuses[0].split()[0])


@pytest.mark.parametrize("character_set", CHARACTER_SETS)
def test_a_character_set_that_the_caller_names_changes_nothing(character_set: str) -> None:
    document = factories.document()
    token = links.token(link=a_link(document=document))
    driver = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    cookie = f"{settings.SESSION_COOKIE_NAME}={driver.cookies[settings.SESSION_COOKIE_NAME].value}"
    asked: list[dict[str, Any]] = [
        {"method": "GET", "path": path, "headers": {"cookie": cookie}}
        for path in (
            *("/healthz", "/v/?code=+AAA-", "/nothing/?+2AA-", "/api/v1/documents/?number=+AAA-"),
            *(f"{center.ADMIN}documents/document/?q=+2AA-", f"/l/{token}/?lang=+AAA-"),
        )
    ]
    asked += [
        {"method": "POST", "path": path, "data": b"answer=+AAA-"}
        for path in (f"/l/{token}/open/", "/healthz", "/admin/login/")
    ]
    for one in asked:
        kind = "application/x-www-form-urlencoded"
        plain = status(**one, content_type=kind)
        assert (plain < 500, status(**one, content_type=kind + character_set)) == (True, plain), one


def test_a_form_in_parts_has_its_boundary_and_nothing_else_of_its_header(sofia: cast.Member) -> None:
    held = a_link(document=factories.document())
    body = b'--"\r\nContent-Disposition: form-data; name="answer"\r\n\r\n1\r\n--"--'
    body = body.replace(b'--"', b"--a b")
    kind = 'multipart/form-data; charset=rot13; boundary="a b"; x=y'
    page = f"/l/{links.token(link=held)}/open/"
    assert status(method="POST", path=page, data=body, content_type=kind) == Client().post(page).status_code


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + "a" * 300])
def test_a_form_in_parts_that_cannot_be_taken_apart_is_the_fault_of_its_sender(kind: str) -> None:
    page = f"/l/{links.token(link=a_link(document=factories.document()))}/open/"
    assert Client().post(page, b"x", content_type=kind).status_code == 400
    assert (
        Client().post(page, b"a=b", content_type="application/x-www-form-urlencoded; charset=latin-1").status_code
        == 400
    )


@pytest.mark.parametrize("origin", ["http://[::1", "http://[", "\xff", "//", "testserver", "http://testserver:80"])
def test_an_origin_that_is_no_address_is_another_site(origin: str) -> None:
    held = a_link(document=factories.document())
    answer = Client().post(f"/l/{links.token(link=held)}/open/", {"answer": "1"}, headers={"origin": origin})
    assert (answer.status_code, refusals(answer)) == (403, ["csrf_failed"])
