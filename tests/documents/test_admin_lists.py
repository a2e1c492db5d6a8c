import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from documents import alerts
from documents.models import Event, EventStatus, Series
from tests import cast, factories
from tests.documents import center

pytestmark = pytest.mark.usefixtures("db", "vault_folder")
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
    "payouts/payout",
    "payouts/settlement",
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
    Event.objects.filter(pk=document.event_id).update(status=EventStatus.HELD, code="totals_mismatch")
    text = center.client(member=eva).get(center.ADMIN).content.decode()
    for word in ("Eventos retenidos", "Alertas abiertas", "Dependencias", "Bóveda", document.number):
        assert word in text


def test_a_dependency_with_an_open_incident_is_shown_degraded_with_its_fallback(eva: cast.Member) -> None:
    alerts.open_alert(code="dependency_vault", severity="P2", dedup_key="dependency:vault", detail="refused")
    text = center.client(member=eva).get(center.ADMIN).content.decode()
    assert "Degradado" in text
    assert "no se sirve nada sin resguardar" in text


def test_the_work_lists_hold_what_waits_and_not_what_is_settled(eva: cast.Member) -> None:
    held, settled, parked = (factories.event(subject=f"order:ord_{word}") for word in ("held", "settled", "parked"))
    Event.objects.filter(pk__in=[held.pk, settled.pk]).update(status=EventStatus.HELD, code="totals_mismatch")
    Event.objects.filter(pk=settled.pk).update(settled_by=held)
    Event.objects.filter(pk=parked.pk).update(status=EventStatus.PARKED, missing=["order:ord_1"])
    browser = center.client(member=eva)
    for view, wanted in (("held", held), ("parked", parked)):
        text = browser.get(f"{center.ADMIN}documents/event/", {"work": view}).content.decode()
        assert {one.pk for one in (held, settled, parked) if one.event_id in text} == {wanted.pk}
    assert "order:ord_1" in browser.get(f"{center.ADMIN}documents/event/{parked.public_id}/").content.decode()


def test_a_series_shows_how_much_of_its_range_is_used(eva: cast.Member) -> None:
    factories.document()
    series = Series.objects.filter(issuer__country="ES", next__gt=1).get()
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
    assert "se borraron" in center.client(member=eva).get(f"{center.ADMIN}audit/event/{bare.pk}/").content.decode()


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
