import datetime as dt
import hashlib

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from documents import distribution, errors, formatting
from documents.admin import paging, reasons
from documents.models import Document, EventStatus, Link, Status
from documents.resilience import calls
from documents.vault import store
from tests import cast, factories
from tests.documents import center
from tests.services import force

pytestmark = pytest.mark.usefixtures("db")
LIST = f"{center.ADMIN}documents/document/"
REASON = "El titular llama y pide una copia"


@pytest.fixture
def document() -> Document:
    return factories.document()


@pytest.fixture
def sara() -> cast.Member:
    return center.staff(roles=["support"], countries=["ES"], name="sara")


def test_the_list_asks_a_fixed_number_of_questions_however_many_rows_it_shows(sofia: cast.Member) -> None:
    browser = center.client(member=sofia)
    counts = []
    for more in (1, 12):
        center.documents(count=more)
        browser.get(LIST)  # the sidebar's counts are a minute old from here on
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(LIST).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 14  # two of them put the look itself on record
    assert not any('"content"' in query["sql"] for query in asked), "a list may not read the frozen contents"


@pytest.mark.parametrize("model", ["documents/document", "documents/event", "audit/event"])
def test_a_page_of_one_row_asks_a_bounded_number_of_questions(model: str, document: Document) -> None:
    ids = center.one_of_each(document=document)
    browser = center.client(member=center.staff(roles=["finance", "compliance"], countries=["ES"]))
    browser.get(f"{center.ADMIN}{model}/{ids[model]}/")
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(f"{center.ADMIN}{model}/{ids[model]}/").status_code == 200
    assert len(asked) <= 20


def test_a_list_of_millions_is_counted_up_to_a_cap_and_never_walked_deep(
    sofia: cast.Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    center.documents(count=4)
    monkeypatch.setattr(paging, "COUNT_MAX", 2)
    browser = center.client(member=sofia)
    with CaptureQueriesContext(connection) as asked:
        text = browser.get(LIST).content.decode()
    assert "más de 2" in text
    assert any("LIMIT 3" in query["sql"] for query in asked)
    deep = browser.get(LIST, {"p": "201"}, follow=True)
    assert "acota con un filtro" in deep.content.decode()
    assert browser.get(LIST, {"p": "999999999999"}).status_code == 302
    assert browser.get(LIST, {"p": "x"}).status_code == 302


def test_whatever_somebody_pastes_leads_straight_to_the_document(sofia: cast.Member, document: Document) -> None:
    held = center.link(document=document)
    factories.document(owner=factories.party(platform_id="drv_other"))
    browser = center.client(member=sofia)
    for term in (
        document.public_id,
        document.number,
        document.number.lower(),
        f"key:{document.document_key_id}",
        document.document_key_id,
        document.file_sha256[:12],
        document.file_sha256.upper(),
        document.content_sha256,
        document.event.public_id,
        document.event.event_id,
        held.public_id,
        document.subject,
        document.subject.split(":")[1],
        document.owner.platform_id,
        document.verification_code,
        f"  {document.number}  ",
    ):
        answer = browser.get(LIST, {"q": term})
        assert answer.status_code == 302, term
        assert answer["Location"] == center.page(document), term


@pytest.mark.parametrize(
    "term", ["%", "' OR 1=1 --", "a" * 5000, "key:", "🙂🙂", "doc_", "-", "AES-OFS-2026-0000001' --"]
)
def test_a_strange_search_finds_nothing_and_breaks_nothing(sofia: cast.Member, document: Document, term: str) -> None:
    answer = center.client(member=sofia).get(LIST, {"q": term})
    assert answer.status_code == 200
    assert document.owner.legal_name not in answer.content.decode()


def test_the_fixed_views_show_what_needs_a_person(sofia: cast.Member, document: Document) -> None:
    stuck = factories.document(status=Status.ISSUED)
    shut = factories.document(status=Status.QUARANTINED)
    browser = center.client(member=sofia)
    everything = {document.number, stuck.number, shut.number}
    for view, wanted in (
        ("stuck", {stuck.number}),
        ("quarantine", {shut.number}),
        ("unpaid", everything),
        ("nonsense", set()),
    ):
        text = browser.get(LIST, {"view": view}).content.decode()
        assert {number for number in everything if number in text} == wanted, view


def test_the_days_of_issue_are_both_included_and_what_is_no_day_finds_nothing(
    sofia: cast.Member, document: Document
) -> None:
    browser = center.client(member=sofia)
    day = document.issue_date.isoformat()
    assert document.number in browser.get(LIST, {"from": day, "to": day}).content.decode()
    assert document.number not in browser.get(LIST, {"from": "2099-01-01"}).content.decode()
    assert document.number not in browser.get(LIST, {"to": "not-a-day"}).content.decode()


def test_support_sees_no_name_no_tax_id_no_address_and_no_raw_body(sara: cast.Member, document: Document) -> None:
    browser = center.client(member=sara)
    party = f"{center.ADMIN}documents/party/"
    places = (
        LIST, center.page(document), party, f"{party}{document.owner.public_id}/", center.ADMIN,
        f"{center.ADMIN}documents/event/{document.event.public_id}/",
    )  # fmt: skip
    for place in places:
        text = browser.get(place).content.decode()
        for secret in (document.owner.legal_name, document.owner.tax_id, document.owner.email):
            assert secret not in text, (place, secret)
    assert "A•• R••• P••••" in browser.get(LIST).content.decode()


def test_support_states_a_reason_before_anything_opens_and_the_reason_is_on_record(
    sara: cast.Member, document: Document
) -> None:
    browser, page = center.client(member=sara), center.page(document)
    assert browser.get(f"{page}preview/").status_code == 403
    assert browser.post(f"{page}download/").status_code == 403
    assert {one.code for one in center.denials()} == {"reason_required"}
    assert browser.post(f"{page}reveal/", {"reason": "corto"}).status_code == 400
    assert browser.get(f"{page}preview/").status_code == 403
    assert browser.post(f"{page}reveal/", {"reason": REASON}).status_code == 302
    told = center.said("document.revealed")
    assert len(told) == 1
    assert told[0].object_id == document.public_id
    assert told[0].detail.details["reason"] == REASON
    assert document.owner.legal_name in browser.get(page).content.decode()
    assert browser.post(f"{page}download/").status_code == 200


def test_a_reason_opens_one_document_and_not_its_neighbour_and_not_for_ever(
    sara: cast.Member, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = factories.document()
    browser = center.client(member=sara)
    browser.post(f"{center.page(document)}reveal/", {"reason": REASON})
    assert browser.post(f"{center.page(neighbour)}download/").status_code == 403
    monkeypatch.setattr(reasons, "VALID_FOR", dt.timedelta(0))
    browser.post(f"{center.page(document)}reveal/", {"reason": REASON})
    assert browser.post(f"{center.page(document)}download/").status_code == 403


def test_the_page_on_screen_is_a_picture_and_each_look_is_on_record(sofia: cast.Member, document: Document) -> None:
    answer = center.client(member=sofia).get(f"{center.page(document)}preview/", {"page": "1"})
    assert answer["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert "no-store" in answer["Cache-Control"]
    assert center.said("document.previewed")[0].actor_id == f"usr_{sofia.user.pk}"


@pytest.mark.parametrize("number", ["0", "2", "-1", "x", "99999999999", "\u0661"])
def test_a_page_that_the_document_lacks_does_not_exist(sofia: cast.Member, document: Document, number: str) -> None:
    assert center.client(member=sofia).get(f"{center.page(document)}preview/", {"page": number}).status_code == 404


def test_the_download_is_the_very_bytes_of_the_vault(sofia: cast.Member, document: Document) -> None:
    answer = center.client(member=sofia).post(f"{center.page(document)}download/")
    assert hashlib.sha256(answer.content).hexdigest() == document.file_sha256
    assert answer["Content-Disposition"] == f'attachment; filename="{formatting.file_name(document=document)}.pdf"'
    assert len(center.said("document.downloaded")) == 1


@pytest.mark.parametrize("status", [Status.ISSUED, Status.QUARANTINED])
def test_nothing_but_a_locked_document_is_ever_shown_or_handed_out(sofia: cast.Member, status: Status) -> None:
    document = factories.document(status=status)
    browser, page = center.client(member=sofia), center.page(document)
    assert '<img class="dc-sheet"' not in browser.get(page).content.decode()
    assert browser.get(f"{page}preview/").status_code in {409, 423}
    answer = browser.post(f"{page}download/")
    assert answer.status_code == 302
    assert b"%PDF" not in answer.content


@pytest.mark.parametrize(
    "failure",
    [
        errors.WormError(
            code="worm_unavailable", values={"cause": "system", "doing": "read", "error": "secret internals"}
        ),
        errors.Problem(code="document_quarantined"),
        calls.DependencyDown(dependency="vault"),
    ],
)
def test_a_vault_that_fails_is_said_in_words_and_shows_no_internals(
    sofia: cast.Member, document: Document, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(**_facts: object) -> distribution.Opened:
        raise failure

    monkeypatch.setattr(distribution, "open", fail)
    browser, page = center.client(member=sofia), center.page(document)
    answer = browser.post(f"{page}download/", follow=True)
    assert answer.status_code == 200
    assert "secret internals" not in answer.content.decode()
    assert browser.get(f"{page}preview/").status_code in {409, 423, 500, 503}


def test_changed_bytes_are_withheld_and_the_page_says_so(sofia: cast.Member, document: Document) -> None:
    def other_bytes(*_args: object, **_facts: object) -> bytes:
        return b"%PDF-1.7 not these"

    browser, page = center.client(member=sofia), center.page(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store.open_vault()), "read", other_bytes)
        answer = browser.post(f"{page}download/")
    assert b"not these" not in answer.content
    document.refresh_from_db()
    assert document.status == Status.QUARANTINED
    assert "No lo entregues" in browser.get(page).content.decode()


def test_sending_again_queues_one_mail_each_time_and_names_who_asked(sara: cast.Member, document: Document) -> None:
    for number in (1, 2):
        answer = center.client(member=sara).post(f"{center.page(document)}resend/", follow=True)
        assert "Enlace nuevo en camino" in answer.content.decode()
        assert document.deliveries.count() == number
    assert center.said("delivery.resent")[0].actor_id == f"usr_{sara.user.pk}"


def test_an_auditor_looks_and_never_acts(ivan: cast.Member, document: Document) -> None:
    held = center.link(document=document)
    browser = center.client(member=ivan)
    text = browser.get(center.page(document)).content.decode()
    assert "resend/" not in text
    assert "revoke/" not in text
    revoke = f"{center.ADMIN}documents/link/{held.public_id}/revoke/"
    for address in (revoke, *(f"{center.page(document)}{act}/" for act in ("resend", "retry", "release"))):
        assert browser.post(address, {"reason": REASON}).status_code == 403
    held.refresh_from_db()
    assert held.revoked_at is None
    assert not document.deliveries.exists()


def test_a_link_ends_only_with_a_reason_that_can_be_read_later(sara: cast.Member, document: Document) -> None:
    held = center.link(document=document)
    browser = center.client(member=sara)
    address = f"{center.ADMIN}documents/link/{held.public_id}/revoke/"
    assert f'href="{address}"' in browser.get(center.page(document)).content.decode()
    assert browser.post(address, {"reason": "x" * 9}).status_code == 400
    assert browser.post(address, {"reason": " " * 40}).status_code == 400
    assert not Link.objects.filter(pk=held.pk, revoked_at__isnull=False).exists()
    assert browser.post(address, {"reason": REASON}).status_code == 302
    held.refresh_from_db()
    assert held.revoked_at is not None
    assert held.revoked_reason == REASON
    again = browser.post(address, {"reason": REASON})
    assert (again.status_code, "ya estaba anulado" in again.content.decode()) == (409, True)
    assert len(center.said("link.revoked")) == 1


def test_the_link_of_a_foreign_document_cannot_be_ended(document: Document) -> None:
    foreign = center.link(document=document)
    member = center.staff(roles=["support"], countries=["MX"])
    answer = center.client(member=member).post(
        f"{center.ADMIN}documents/link/{foreign.public_id}/revoke/", {"reason": REASON}
    )
    assert answer.status_code == 403
    foreign.refresh_from_db()
    assert foreign.revoked_at is None


def test_only_finance_retries_and_the_retry_is_on_record(sara: cast.Member, sofia: cast.Member) -> None:
    document = factories.document(status=Status.ISSUED)
    address = f"{center.page(document)}retry/"
    assert center.client(member=sara).post(address).status_code == 403
    assert center.said("document.retried") == []
    assert center.client(member=sofia).post(address).status_code == 302
    assert center.said("document.retried")[0].actor_id == f"usr_{sofia.user.pk}"


def test_who_may_not_read_the_log_sees_a_documents_life_and_not_who_opened_it(
    sofia: cast.Member, ivan: cast.Member, document: Document
) -> None:
    center.client(member=sofia).get(f"{center.page(document)}preview/")
    assert "Página vista en pantalla" not in center.client(member=sofia).get(center.page(document)).content.decode()
    seen = center.client(member=ivan).get(center.page(document)).content.decode()
    assert "Página vista en pantalla" in seen
    assert "persona sofia" in seen
    assert "Documento resguardado en la bóveda" in seen


def test_hostile_text_of_an_event_or_a_name_is_shown_and_never_run(sofia: cast.Member) -> None:
    hostile = "<script>alert(1)</script>{{7*7}}"
    document = factories.document(owner=factories.party(platform_id="drv_x", legal_name=hostile))
    event = document.event
    with force.by_force():
        type(event).objects.filter(pk=event.pk).update(
            body=f'{{"a": "{hostile}"}}'.encode(), status=EventStatus.HELD, code="totals_mismatch",
            errors=[{"pointer": hostile, "code": hostile, "values": {"text": hostile}}],
        )  # fmt: skip
    browser = center.client(member=sofia)
    for address in (
        LIST,
        center.page(document),
        f"{center.ADMIN}documents/event/{event.public_id}/",
        f"{center.ADMIN}documents/party/",
    ):
        text = browser.get(address).content.decode()
        assert "<script>alert(1)" not in text, address
        assert "&lt;script&gt;alert(1)" in text, address


def test_an_alert_is_taken_once_by_name_and_only_by_post(sofia: cast.Member, document: Document) -> None:
    ids = center.one_of_each(document=document)
    browser, page = center.client(member=sofia), f"{center.ADMIN}documents/alert/{ids['documents/alert']}/"
    assert browser.get(f"{page}acknowledge/").status_code == 200
    assert center.said("alert.acknowledged") == []
    browser.post(f"{page}acknowledge/")
    again = browser.post(f"{page}acknowledge/")
    assert (again.status_code, "la había reconocido ya" in again.content.decode()) == (409, True)
    (said,) = center.said("alert.acknowledged")
    assert (said.actor_kind, said.actor_id) == ("user", f"usr_{sofia.user.pk}")
    assert (said.role, said.channel) == ("finance,support", "admin")
    assert said.request_id.startswith("req_")
    assert "sofia" in browser.get(page).content.decode()
