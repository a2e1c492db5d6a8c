import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from django.db import connection
from django.db.models import DateField, Field, JSONField, Model
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from audit import denials
from audit.models import EventDetail
from documents.admin import paging, rights
from documents.admin.base import DocumentCenterAdmin
from documents.admin.site import site
from documents.alerts import incidents
from documents.models import Event, EventStatus, Series
from tests import cast, factories
from tests.documents import center
from tests.services import force

pytestmark = pytest.mark.usefixtures("db")
LISTS = [
    "documents/document",
    "documents/event",
    "documents/party",
    "documents/issuer",
    "documents/series",
    "documents/delivery",
    "documents/link",
    "documents/discrepancy",
    "documents/alert",
    "documents/legalhold",
    "payouts/payout",
    "payouts/settlement",
    "payouts/tripreport",
    "audit/event",
]


@pytest.fixture
def eva() -> cast.Member:
    return center.staff(roles=["finance", "compliance"], countries=["ES"], name="eva")


@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize("language", ["es", "en"])
def test_every_list_and_every_page_of_a_row_opens_in_both_languages(
    eva: cast.Member, model: str, language: str
) -> None:
    ids = center.one_of_each(document=factories.document())
    browser = center.client(member=eva)
    browser.cookies["django_language"] = language
    listed = browser.get(f"{center.ADMIN}{model}/")
    assert listed.status_code == 200
    assert f'lang="{language}"' in listed.content.decode()
    assert f"{center.ADMIN}{model}/" in listed.content.decode()
    with CaptureQueriesContext(connection) as asked:
        browser.get(f"{center.ADMIN}{model}/")
    assert len(asked) <= 14  # two of them put the look on record
    assert browser.get(f"{center.ADMIN}{model}/{ids[model]}/").status_code == 200


@pytest.mark.parametrize("model", LISTS)
def test_every_list_without_a_row_says_so_in_words(eva: cast.Member, model: str) -> None:
    answer = center.client(member=eva).get(f"{center.ADMIN}{model}/", {"q": "nothing-like-this"})
    assert answer.status_code == 200


def test_the_first_page_counts_what_needs_a_person(eva: cast.Member) -> None:
    document = factories.document()
    center.one_of_each(document=document)
    with force.by_force():
        Event.objects.filter(pk=document.event_id).update(status=EventStatus.HELD, code="totals_mismatch")
    text = center.client(member=eva).get(center.ADMIN).content.decode()
    for word in ("Eventos retenidos", "Alertas abiertas", "Dependencias", "Bóveda", document.number):
        assert word in text


def test_a_dependency_with_an_open_incident_is_shown_degraded_with_its_fallback(eva: cast.Member) -> None:
    incidents.open_alert(code="dependency_vault", dedup_key="dependency:vault", values={"error": "refused"})
    text = center.client(member=eva).get(center.ADMIN).content.decode()
    assert "Degradado" in text
    assert "no se sirve nada sin resguardar" in text


def test_the_work_lists_hold_what_waits_and_not_what_is_superseded(eva: cast.Member) -> None:
    held, superseded, parked = (
        factories.event(subject=f"order:ord_{word}") for word in ("held", "superseded", "parked")
    )
    with force.by_force():
        Event.objects.filter(pk__in=[held.pk, superseded.pk]).update(status=EventStatus.HELD, code="totals_mismatch")
        Event.objects.filter(pk=superseded.pk).update(superseded_by=held)
        Event.objects.filter(pk=parked.pk).update(status=EventStatus.PARKED, missing=["order:ord_1"])
    browser = center.client(member=eva)
    for view, wanted in (("held", held), ("parked", parked)):
        text = browser.get(f"{center.ADMIN}documents/event/", {"work": view}).content.decode()
        assert {one.pk for one in (held, superseded, parked) if one.event_id in text} == {wanted.pk}
    assert "order:ord_1" in browser.get(f"{center.ADMIN}documents/event/{parked.public_id}/").content.decode()


def test_a_series_shows_how_much_of_its_range_is_used(eva: cast.Member) -> None:
    factories.document()
    series = Series.objects.filter(issuer__country="ES", next__gt=1).get()
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(first=1, next=96, last=100)
    text = center.client(member=eva).get(f"{center.ADMIN}documents/series/{series.pk}/").content.decode()
    assert "95 %" in text
    assert "dc-warn" in text


def test_looking_at_the_log_is_itself_on_record(eva: cast.Member) -> None:
    center.client(member=eva).get(f"{center.ADMIN}audit/event/")
    assert center.said("audit.viewed")[0].actor_id == f"usr_{eva.user.pk}"


def test_personal_details_that_were_erased_leave_the_event_readable(eva: cast.Member) -> None:
    document = factories.document()
    center.client(member=eva).get(center.page(document))
    event = center.said("document.viewed")[0]
    page = f"{center.ADMIN}audit/event/{event.pk}/"
    assert "127.0.0.1" in center.client(member=eva).get(page).content.decode()
    bare = next(one for one in center.said("document.issued") if not hasattr(one, "detail"))
    text = center.client(member=eva).get(f"{center.ADMIN}audit/event/{bare.pk}/").content.decode()
    assert "se borraron" in text
    assert document.content_sha256 in text


def test_the_language_is_chosen_by_a_form_and_leads_back_into_this_site(eva: cast.Member) -> None:
    browser = center.client(member=eva)
    answer = browser.post(f"{center.ADMIN}language/", {"language": "en", "next": center.ADMIN})
    assert answer["Location"] == center.ADMIN
    assert "Open alerts" in browser.get(center.ADMIN).content.decode()
    assert (
        "evil" not in browser.post(f"{center.ADMIN}language/", {"language": "es", "next": "//evil.example"})["Location"]
    )


def test_the_palette_finds_a_document_by_its_number_and_a_page_by_its_name(eva: cast.Member) -> None:
    document = factories.document()
    browser = center.client(member=eva)
    assert (
        document.number
        in browser.get(f"{center.ADMIN}search/", {"extended": "1", "s": document.number[:12]}).content.decode()
    )
    assert (
        "documents/series/" in browser.get(f"{center.ADMIN}search/", {"extended": "1", "s": "serie"}).content.decode()
    )
    assert browser.get(f"{center.ADMIN}search/", {"s": ""}).content == b""


def test_an_administrator_of_access_sees_no_document_and_no_number() -> None:
    document = factories.document()
    one = center.everywhere(roles=["admin"])
    text = center.client(member=one).get(center.ADMIN).content.decode()
    assert "Tu función no incluye ver documentos" in text
    assert document.number not in text
    assert (
        document.number
        not in center.client(member=one).get(f"{center.ADMIN}search/", {"s": document.number}).content.decode()
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("0", 0), ("200", 200), ("999999", 999_999)]
    + [(text, None) for text in ("", "-1", "1.0", " 1", "\u00b2", "\u0663", "1" * 7, "1" * 5000)],
)
def test_only_a_short_number_is_a_page(text: str, number: int | None) -> None:
    assert paging.number(text=text) == number


# What each list may be asked beside its page and its search: written from what its filters and our links show.
OFFERED = {
    "documents/document": {
        "view",
        "status__exact",
        "kind__exact",
        "country",
        "payout_status__exact",
        "issued",
        "from",
        "to",
    },
    "documents/event": {"work", "status__exact", "country", "received"},
    "documents/party": set(),
    "documents/person": set(),
    "documents/apikey": set(),
    "documents/issuer": set(),
    "documents/series": set(),
    "documents/custodyround": set(),
    "documents/delivery": {"status__exact", "channel__exact"},
    "documents/link": set(),
    "documents/discrepancy": {"open", "country"},
    "documents/alert": {"open", "severity"},
    "documents/legalhold": {"state__exact", "country"},
    "payouts/payout": {"state__exact", "country", "sent"},
    "payouts/settlement": set(),
    "payouts/tripreport": {"country"},
    "audit/event": {"about", "outcome", "at"},
    "payouts/conciliar": {"kind"},
}
PLAIN = {"p", "q", "e"}  # the page, the search, and Django's mark of a page past the end


def _admins() -> dict[str, DocumentCenterAdmin[Any]]:
    """Return every registered admin by the address of its list."""
    found = {}
    for model, one in site._registry.items():
        meta = model._meta
        start = f"{meta.app_label}/{meta.model_name}"
        found[start.replace("payouts/differenceapproval", "payouts/conciliar")] = one
    return found


def _asked(model: type[Model], *, levels: int = 2, prefix: str = "") -> Iterator[str]:
    """Write every way to ask for a column, here and in the tables that can be reached from here."""
    for one in model._meta.get_fields():
        name = f"{prefix}{one.name}"
        yield name
        kind = getattr(one, "target_field", one) if isinstance(one, Field) else None
        for lookup in kind.get_lookups() if kind is not None else ("isnull", "in", "exact"):
            yield f"{name}__{lookup}"
        if isinstance(one, JSONField):
            yield from (f"{name}__{key}" for key in ("holder", "0", "holder__tax_id__startswith", "pointer__regex"))
        if isinstance(one, DateField):
            yield from (f"{name}__{part}__gt" for part in ("year", "date", "hour"))
        if one.related_model and levels:
            yield from _asked(one.related_model, levels=levels - 1, prefix=f"{name}__")


def _refusal(*, one: DocumentCenterAdmin[Any], name: str) -> rights.Refused | None:
    """Ask a list by one name, and return how it was refused."""
    try:
        one.check_asked(request=RequestFactory().get("/", {name: "x"}))
    except rights.Refused as refusal:
        return refusal
    return None


@pytest.mark.parametrize("model", OFFERED)
def test_of_all_columns_in_all_tables_that_a_list_can_reach_it_looks_up_those_of_its_filters(model: str) -> None:
    one = _admins()[model]
    asked = {
        *_asked(one.model, levels=1),
        *PLAIN,
        *set().union(*OFFERED.values()),
        "o",
        "all",
        "_popup",
        "_to_field",
        "_facets",
    }
    assert len(asked) > 300
    refused = {name: _refusal(one=one, name=name) for name in asked}
    passed = {name for name, refusal in refused.items() if refusal is None}
    for name, refusal in refused.items():
        assert one.lookup_allowed(name, "x") == (refusal is None)
        if refusal is not None:
            assert (refusal.code, refusal.details) == ("lookup_not_allowed", {"lookups": name})
    assert passed <= OFFERED[model] | PLAIN
    assert passed >= OFFERED[model] | {"p"}
    assert not any(
        one.to_field_allowed(RequestFactory().get("/"), field.name) for field in one.model._meta.get_fields()
    )


def test_every_list_of_the_center_is_in_that_table() -> None:
    assert set(_admins()) == set(OFFERED)


ORACLES = [
    ("documents/party", "tax_id__startswith"),
    ("documents/party", "legal_name__regex"),
    ("documents/document", "owner__tax_id__startswith"),
    ("documents/document", "content__contains"),
    ("documents/document", "o"),
    ("documents/event", "body__contains"),
    ("documents/event", "errors__0__detail__startswith"),
    ("documents/event", "superseded_by__country_code"),
    ("documents/issuer", "party__email__gt"),
    ("documents/series", "documents__owner__email__in"),
    ("documents/delivery", "recipient__tax_id__startswith"),
    ("documents/link", "recipient__email__startswith"),
    ("documents/link", "token_sha256__gt"),
    ("documents/discrepancy", "facts__owner"),
    ("documents/alert", "acknowledged_by__password__startswith"),
    ("payouts/payout", "payee__tax_id__startswith"),
    ("payouts/payout", "_to_field"),
    ("payouts/settlement", "document__owner__tax_id__startswith"),
    ("payouts/settlement", "_popup"),
]


@pytest.mark.parametrize("roles", [["support"], ["support", "finance", "compliance", "auditor", "admin"]])
def test_what_no_filter_offers_is_refused_on_record_without_the_value(roles: list[str]) -> None:
    document = factories.document()
    ids = center.one_of_each(document=document)
    browser = center.client(member=center.everywhere(roles=roles))
    ours = [("audit/event", "detail__details__address__startswith"), ("payouts/conciliar", "requested_by__password")]
    for model, name in ORACLES + (ours if len(roles) > 1 else []):
        denials.forget()
        answer = browser.get(f"{center.ADMIN}{model}/", {name: document.owner.tax_id[:3]})
        written = center.denials()[0]
        assert answer.status_code == 403, (model, name)
        assert (written.code, written.request_id) == ("lookup_not_allowed", answer["Request-Id"]), (model, name)
        assert written.object_type == {"payouts/conciliar": "differenceapproval"}.get(model, model.split("/")[1])
        kept = EventDetail.objects.using("denials").get(event=written.pk).details
        assert kept["lookups"] == name
        assert document.owner.tax_id[:3] not in str(kept.values())
        assert f"{model}/{ids.get(model)}/" not in answer.content.decode()
        assert "usa su buscador y sus filtros" in answer.content.decode()


def test_no_search_of_supports_finds_a_masked_column_by_its_beginning() -> None:
    document = factories.document()
    owner, ids = document.owner, center.one_of_each(document=document)
    browser = center.client(member=center.staff(roles=["support"], countries=["ES"]))
    seen = ids.keys() - {"audit/event", "documents/legalhold", "documents/person", "documents/apikey"}  # not supports
    pages = {f"{center.ADMIN}{model}/": f"{model}/{ids[model]}/" for model in seen}
    for term in (owner.tax_id[:4], owner.tax_id[:-1], owner.legal_name[:6], owner.email[:5], owner.email):
        assert center.page(document) not in browser.get(f"{center.ADMIN}search/", {"s": term}).content.decode()
        for address, row in pages.items():
            if _admins()[address.removeprefix(center.ADMIN).rstrip("/")].search_fields:
                answer = browser.get(address, {"q": term})
                assert answer.status_code == 200
                assert row not in answer.content.decode(), (address, term)


def test_there_is_no_address_that_completes_what_somebody_types() -> None:
    document = factories.document()
    browser = center.client(member=center.everywhere(roles=["support"]))
    query = {"app_label": "documents", "model_name": "document", "field_name": "owner", "term": "A"}
    answer = browser.get(f"{center.ADMIN}autocomplete/", query)
    assert (answer.status_code, answer["Location"]) == (302, center.ADMIN)
    assert document.owner.platform_id not in answer.content.decode()


def test_every_link_and_form_of_the_center_asks_a_list_only_what_it_offers() -> None:
    document = factories.document()
    ids = center.one_of_each(document=document)
    browser = center.client(member=center.everywhere(roles=["support", "finance", "compliance"]))
    admins, seen = _admins(), set()
    pages = [center.ADMIN, center.page(document), *(f"{center.ADMIN}{model}/" for model in admins)]
    pages += [f"{center.ADMIN}{model}/{key}/" for model, key in ids.items()]
    pages += [
        f"{center.ADMIN}documents/document/?from=2026-01-01&status__exact=LOCKED",
        f"{center.ADMIN}audit/event/?at=7",
    ]
    for page in pages:
        text = html.unescape(browser.get(page).content.decode())
        for target in re.findall(r'href="([^"]*\?[^"]*)"', text):
            address = urlsplit(urljoin(page, target))
            one = admins.get(address.path.removeprefix(center.ADMIN).strip("/"))
            if one is not None:
                names = set(parse_qs(address.query, keep_blank_values=True))
                assert names <= one.offered(), (page, target)
                seen |= names
        listed = admins.get(urlsplit(page).path.removeprefix(center.ADMIN).strip("/"))
        if listed is not None:
            for form in re.findall(r'<form[^>]*method="get".*?</form>', text, re.DOTALL | re.IGNORECASE):
                names = set(re.findall(r'<(?:input|select)[^>]*name="(\w+)"', form))
                assert names <= listed.offered() | {"s"}, (page, form)
                seen |= names
    assert {"view", "status__exact", "open", "work", "issued", "q", "from", "to"} <= seen
