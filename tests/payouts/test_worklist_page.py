"""The work list "Por conciliar": whatever waits for a person is on it, and only finance acts, with a reason."""

import datetime as dt
import json
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import log
from audit.models import Event as LogEvent
from documents.models import Alert, Discrepancy, Dismissal, Document, Event, EventStatus
from payouts.models import DifferenceApproval
from payouts.reconciliation import run
from payouts.review import worklist
from tests import cast
from tests.documents import center
from tests.payouts import making, telling
from tests.services import force

pytestmark = pytest.mark.django_db
HOME = f"{center.ADMIN}payouts/conciliar/"
REASON = "Comprobado con el banco el 3 de marzo"


@pytest.fixture(autouse=True)
def _house() -> None:
    cache.clear()  # the sidebar's counts are kept for a minute
    telling.issuers()


@pytest.fixture
def fina() -> cast.Member:
    return center.staff(roles=["finance"], countries=["ES"], name="fina")


@pytest.fixture
def fede() -> cast.Member:
    return center.staff(roles=["finance"], countries=["ES"], name="fede")


def _held() -> Event:
    """A payout that lacks exactly the cash of its order."""
    telling.told([
        making.order("ord_1", cash_collected="4.00"),
        making.payout("po_1", "6.00", orders=["ord_1"]),
    ])  # fmt: skip
    return Event.objects.get(event_id="evt_po_1", status=EventStatus.HELD)


def _twice() -> Discrepancy:
    telling.told([making.order("ord_2", "7.00")])
    for name in ("po_2", "po_3"):
        telling.told([making.payout(name, "7.00", orders=["ord_2"], at=f"2026-02-2{name[-1]}T07:00:00Z")])
    return Discrepancy.objects.get(code="paid_twice")


def _late() -> Event:
    waits = making.payout("po_4", "12.00", orders=["ord_4"], opening="2.00", payee="drv_4")
    telling.told([making.order("ord_4", driver="drv_4"), waits])
    with force.by_force():
        Event.objects.filter(event_id="evt_po_4").update(received_at=timezone.now() - dt.timedelta(days=4))
    return Event.objects.get(event_id="evt_po_4", status=EventStatus.PARKED)


def _text(browser: Client, address: str = HOME) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_everything_that_waits_for_a_person_is_there_with_amounts_and_a_diagnosis(fina: cast.Member) -> None:
    _held()
    _twice()
    _late()
    telling.told([making.order("ord_5"), making.order("ord_5", "11.00") | {"id": "evt_other"}])
    telling.tell(making.payment("pay_1", "9.99", [making.line("10.00")]))
    text = _text(center.client(member=fina))
    for words in (
        "El pago no cuadra al céntimo",
        "la diferencia es exactamente el efectivo de ord_1 (se descontó sin declararlo)",
        "-4,00 EUR",
        "Pagado dos veces",
        "+7,00 EUR",
        "po_2, po_3",
        "Espera desde hace demasiado",
        "no consta ningún pago anterior",
        "Repetido con otros datos",
        "/lines/0/amount",
        "Los totales no cuadran",
        "-0,01 EUR",
        "drv_1",
        "cus_1",
        "hace 4 días",
    ):
        assert words in text, words
    for kind, count in {"held": 2, "parked": 1, "divergent": 1, "paid_twice": 1, "other": 0}.items():
        shown = _text(center.client(member=fina), f"{HOME}?kind={kind}")
        assert shown.count("<tr>") == (count + 1 if count else 0), kind
    assert re.search(r'href="/admin/payouts/conciliar/"[^§]{0,600}?\b5\b', text)


def test_another_telling_of_an_order_shows_what_its_lines_come_to_though_it_states_no_total(fina: cast.Member) -> None:
    lines = [making.line("10.00", tax="IVA10"), making.line("-2.00", name="2", kind="PLATFORM_FEE", tax="IVA21")]
    other = [making.line("11.00", tax="IVA10"), *lines[1:]]
    telling.told([making.order("ord_1", lines=lines), making.order("ord_1", lines=other) | {"id": "evt_other"}])
    (item,) = worklist.items(countries=["ES"], now=telling.NOW, kind="divergent")
    amounts = item.amounts
    assert (amounts.expected_minor, amounts.actual_minor, amounts.difference_minor) == (858, 968, 110)
    assert "+1,10 EUR" in _text(center.client(member=fina))


def test_who_took_the_alert_stands_beside_the_item(fina: cast.Member) -> None:
    event = _held()
    browser = center.client(member=fina)
    assert "Sin asignar" in _text(browser)
    alert = Alert.objects.get(dedup_key=f"event:{event.public_id}")
    assert browser.post(f"/admin/documents/alert/{alert.public_id}/acknowledge/").status_code == 302
    text = _text(browser)
    assert "A cargo de fina" in text
    assert "Sin asignar" not in text


def test_what_belongs_to_somebody_else_is_named(fina: cast.Member) -> None:
    telling.told([making.order("ord_1"), making.order("ord_2", driver="drv_2"), making.order("ord_3", driver="drv_3")])
    telling.told([making.payout("po_1", "30.00", orders=["ord_1", "ord_2", "ord_3"])])
    assert "Es de otro beneficiario: ord_2 y ord_3." in _text(center.client(member=fina))


def test_a_diagnosis_is_told_once_and_in_the_readers_language_on_the_events_page(fina: cast.Member) -> None:
    event = _held()
    page = f"{center.ADMIN}documents/event/{event.public_id}/"
    browser = center.client(member=fina)
    text = _text(browser, page)
    assert (text.count("efectivo de ord_1"), text.count("the cash of ord_1")) == (1, 0)
    telling.told([making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_mended"}])
    text = _text(browser, page)  # settled: nothing to do any more, and why it was held can still be read
    assert (text.count("efectivo de ord_1"), text.count("the cash of ord_1")) == (1, 0)
    browser.cookies["django_language"] = "en"
    text = _text(browser, page)
    assert (text.count("efectivo de ord_1"), text.count("the cash of ord_1")) == (0, 1)


def test_a_young_wait_and_what_is_settled_are_not_work(fina: cast.Member) -> None:
    telling.tell(making.payout("po_9", "1.00", orders=["ord_9"]), now=timezone.now())
    _held()
    mended = making.payout("po_1", "6.00", orders=["ord_1"], cash_collected="4.00")
    telling.told([mended | {"id": "evt_mended"}])
    assert "Nada por conciliar" in _text(center.client(member=fina))


def test_what_a_payout_lacks_is_named_and_a_missing_order_too(fina: cast.Member) -> None:
    telling.told([making.order("ord_1"), making.order("ord_2", "3.00")])
    telling.told([making.payout("po_1", "13.00", orders=["ord_1"])])
    telling.told([making.payout("po_9", "1.00", orders=["ord_9"])])
    with force.by_force():
        Event.objects.filter(event_id="evt_po_9").update(received_at=timezone.now() - dt.timedelta(days=4))
    text = _text(center.client(member=fina))
    assert "falta ord_2, cuyo neto es exactamente la diferencia" in text
    assert "Falta ord_9." in text
    assert text.count("Proponer emisión") == 1  # who waits for an order cannot be issued by a decision


def test_a_long_list_of_what_is_missing_is_cut_so_that_it_can_be_read(fina: cast.Member) -> None:
    telling.told([making.order("ord_met")])  # else its payee is missing too
    for name, count in (("po_1", 1500), ("po_2", 2), ("po_3", 3)):
        telling.told([making.payout(name, "1.00", orders=[f"ord_{place:04}" for place in range(count)])])
    with force.by_force():
        Event.objects.update(received_at=timezone.now() - dt.timedelta(days=4))
    browser = center.client(member=fina)
    text = _text(browser)
    for words in ("Falta ord_0000, ord_0001 y 1.498 más.", "Falta ord_0000 y ord_0001.", "ord_0001 y 1 más."):
        assert words in text, words
    assert len(text) < 100_000
    page = _text(browser, f"{center.ADMIN}documents/event/{Event.objects.get(event_id='evt_po_1').public_id}/")
    assert "Se muestran 50 de 1500." in page
    assert "order:ord_1499" not in page.partition("dc-code")[0]
    browser.cookies["django_language"] = "en"
    assert "Missing: ord_0000, ord_0001 and 1,498 more." in _text(browser)


def test_an_amount_stands_in_the_list_as_its_country_writes_it() -> None:
    telling.told([making.order("ord_1")])
    held = making.payout("po_1", "1234.56", orders=["ord_1"])
    held["data"]["currency"] = "MXN"
    held |= {"country": "MX", "issuer": "aventide-mx"}
    order = making.order("ord_2", driver="drv_2") | {"country": "MX", "issuer": "aventide-mx"}
    order["data"]["currency"] = "MXN"
    held["data"] |= {"orders": ["ord_2"], "payee": {"id": "drv_2"}}
    telling.told([order, held])
    text = _text(center.client(member=center.staff(roles=["finance"], countries=["MX"], name="mexico")))
    assert text.count("1,224.56 MXN") == 2  # in the words and in its column
    assert "Sobran 1,224.56 MXN en la transferencia" in text


def test_a_payout_within_its_limit_says_from_when_it_may_be_issued_and_offers_nothing_yet(fina: cast.Member) -> None:
    event = _held()
    with force.by_force():
        Event.objects.filter(pk=event.pk).update(received_at=dt.datetime(2126, 11, 25, 10, 0, tzinfo=dt.UTC))
    browser = center.client(member=fina)
    page = f"{center.ADMIN}documents/event/{event.public_id}/"
    said = "Se podrá emitir con diferencia desde el 28/11/2126 10:00; antes puede llegar la corrección."
    for text in (_text(browser), _text(browser, page)):
        assert said in text
        assert "la diferencia es exactamente el efectivo de ord_1" in text
        assert "Proponer emisión" not in text
    assert browser.post(f"{HOME}event/{event.public_id}/request/", {"reason": REASON}).status_code == 409
    browser.cookies["django_language"] = "en"
    assert "from 28 Nov 2126 10:00" in _text(browser)
    with force.by_force():
        Event.objects.filter(pk=event.pk).update(received_at=timezone.now() - dt.timedelta(days=4))
    browser = center.client(member=fina)
    for text in (_text(browser), _text(browser, page)):
        assert "Se podrá emitir" not in text
        assert "Proponer emisión" in text


def test_it_is_said_in_english_to_who_reads_english(fina: cast.Member) -> None:
    _held()
    _twice()
    browser = center.client(member=fina)
    browser.cookies["django_language"] = "en"
    text = _text(browser)
    for words in (
        "To reconcile",
        "the difference is exactly the cash of ord_1",
        "Paid twice",
        "Expected",
        "Request issue",
    ):
        assert words in text, words
    for words in ("efectivo", "Esperado", "Proponer"):
        assert words not in text, words


@pytest.mark.parametrize(
    ("role", "sees", "acts"),
    [
        ("finance", True, True),
        ("compliance", True, False),
        ("auditor", True, False),
        ("support", False, False),
        ("admin", False, False),
    ],
)
def test_only_finance_acts_compliance_and_audit_look_and_each_refusal_is_on_record(
    role: str,
    sees: bool,
    acts: bool,
) -> None:
    event, gap = _held(), _twice()
    telling.told([making.payment("pay_1", "1.00", [making.line("1.00")])])
    receipt = Document.objects.get(kind="PAYMENT_RECEIPT")
    browser = center.client(member=center.staff(roles=[role], countries=["ES"]))
    answer = browser.get(HOME)
    assert answer.status_code == (200 if sees else 403)
    if sees:
        assert ("Proponer emisión" in answer.content.decode()) is acts
    before = len(center.denials())
    for place in (
        f"event/{event.public_id}/request/",
        f"event/{event.public_id}/dismiss/",
        f"event/{event.public_id}/retry/",
        f"discrepancy/{gap.public_id}/resolve/",
        f"document/{receipt.public_id}/correct/",
    ):
        assert browser.get(HOME + place).status_code == (200 if acts else 403)
        if not acts:
            assert browser.post(HOME + place, {"reason": REASON}).status_code == 403
    assert len(center.denials()) - before == (0 if acts else 10)
    assert ("/admin/payouts/conciliar/" in browser.get(center.ADMIN).content.decode()) is sees
    assert not DifferenceApproval.objects.exists()
    assert not Dismissal.objects.exists()


def test_nothing_of_another_country_is_listed_or_can_be_touched() -> None:
    event, gap = _held(), _twice()
    browser = center.client(member=center.staff(roles=["finance"], countries=["MX"], name="mexico"))
    assert "Nada por conciliar" in _text(browser)
    acts = (
        f"event/{event.public_id}/request/",
        f"event/{event.public_id}/dismiss/",
        f"discrepancy/{gap.public_id}/resolve/",
    )
    for place in acts:
        assert browser.post(HOME + place, {"reason": REASON}).status_code == 403
        assert center.denials()[0].code == "country_out_of_scope"
    assert not Dismissal.objects.exists()
    assert Discrepancy.objects.get(pk=gap.pk).resolved_at is None


def test_two_people_settle_a_held_payout_from_the_list(fina: cast.Member, fede: cast.Member) -> None:
    event = _held()
    first, second = center.client(member=fina), center.client(member=fede)
    ask, approve = (f"{HOME}event/{event.public_id}/{act}/" for act in ("request", "approve"))
    assert "efectivo de ord_1" in _text(first, ask)
    assert not DifferenceApproval.objects.exists()  # asking is not acting
    assert first.post(ask, {"reason": "corto"}).status_code == 400
    assert first.post(ask, {"reason": REASON})["Location"] == HOME
    assert "espera a otra persona" in _text(first)
    assert "Aprobar" in _text(second)
    own = first.post(approve, {"reason": REASON})
    assert own.status_code == 403
    assert "Tiene que aprobarlo otra persona" in own.content.decode()
    assert center.denials()[0].code == "second_person_required"
    assert REASON in _text(second, approve)
    assert second.post(approve, {"reason": "Aprobado con tesorería"})["Location"] == HOME
    statement = Document.objects.get(kind="PAYOUT_STATEMENT")
    assert statement.flags == ["cash_differs", "reconciliation_difference"]
    text = _text(second)
    assert "Diferencia en conciliación" in text
    assert second.post(approve, {"reason": REASON}).status_code == 409
    said = LogEvent.objects.filter(object_id=event.public_id, action__startswith="event.difference_").order_by("pk")
    assert [one.actor_id for one in said] == [f"usr_{fina.user.pk}", f"usr_{fede.user.pk}"]


def test_what_nothing_will_supersede_is_dismissed_from_the_list_and_its_page_says_by_whom_and_why(
    fina: cast.Member,
) -> None:
    event = _held()
    statement = Document.objects.get(kind="ORDER_FINAL_STATEMENT")
    browser = center.client(member=fina)
    place, page = f"{HOME}event/{event.public_id}/dismiss/", f"{center.ADMIN}documents/event/{event.public_id}/"
    for address in (HOME, page):
        assert place in _text(browser, address)
    asked = _text(browser, place)
    assert "efectivo de ord_1" in asked
    assert "Documento que lo resuelve" in asked
    assert browser.post(place, {"reason": "corto"}).status_code == 400
    wrong = browser.post(place, {"reason": REASON, "document": "AES-OFS-1999-0000001"})
    assert wrong.status_code == 400
    assert "No hay ningún documento con ese número en tus países." in wrong.content.decode()
    assert not Dismissal.objects.exists()  # asking is not acting, and nothing half
    assert browser.delete(place).status_code == 405
    assert browser.post(place, {"reason": REASON, "document": f" {statement.number.lower()} "})["Location"] == HOME
    assert "Nada por conciliar" in _text(browser)
    assert not re.search(r'href="/admin/payouts/conciliar/"[^§]{0,600}?\b1\b', _text(browser))  # nor in the sidebar
    shown = _text(browser, page)
    for words in ("Cerrado sin emitir", REASON, "fina", statement.number, "El pago no cuadra al céntimo"):
        assert words in shown, words
    assert place not in shown
    assert "Cerrado sin emitir" in _text(browser, f"{center.ADMIN}documents/event/?status__exact=held")
    assert event.event_id not in _text(browser, f"{center.ADMIN}documents/event/?work=held")
    assert 'Eventos retenidos</span><span class="dc-tile-value">0<' in _text(browser, center.ADMIN)
    again = browser.post(place, {"reason": REASON})
    assert again.status_code == 409
    browser.cookies["django_language"] = "en"
    assert "Dismissed without issuing" in _text(browser, page)


def test_a_document_of_another_country_is_as_unknown_as_none(fina: cast.Member) -> None:
    event = _held()
    order = making.order("ord_2", driver="drv_2") | {"country": "MX", "issuer": "aventide-mx"}
    order["data"]["currency"] = "MXN"
    telling.told([order])
    foreign = Document.objects.get(country="MX")
    answer = center.client(member=fina).post(
        f"{HOME}event/{event.public_id}/dismiss/", {"reason": REASON, "document": foreign.number}
    )
    assert answer.status_code == 400
    assert not Dismissal.objects.exists()


def test_a_discrepancy_is_resolved_with_a_reason_and_stays_resolved(fina: cast.Member) -> None:
    gap = _twice()
    browser = center.client(member=fina)
    place = f"{HOME}discrepancy/{gap.public_id}/resolve/"
    assert browser.get(place).status_code == 200
    assert browser.post(place, {"reason": ""}).status_code == 400
    gap.refresh_from_db()
    assert gap.resolved_at is None
    assert browser.post(place, {"reason": REASON})["Location"] == HOME
    gap.refresh_from_db()
    assert (gap.resolution, gap.resolved_at is None) == (REASON, False)
    entry = center.said("discrepancy.resolved")[0]
    assert (entry.actor_id, entry.detail.details["resolution"]) == (f"usr_{fina.user.pk}", REASON)
    assert browser.post(place, {"reason": REASON}).status_code == 409
    run.run(walk=run.key_ranges(), now=telling.NOW, actor=log.SYSTEM)
    assert not Discrepancy.objects.filter(resolved_at=None).exists()


def test_a_credit_note_is_asked_for_confirmed_and_seen_on_the_receipt(fina: cast.Member) -> None:
    lines = [making.line("10.00", tax="IVA21"), making.line("10.00", name="2", tax="IVA10")]
    telling.told([making.payment("pay_1", "23.10", lines)])
    receipt = Document.objects.get(kind="PAYMENT_RECEIPT")
    browser = center.client(member=fina)
    place = f"{HOME}document/{receipt.public_id}/correct/"
    assert place in _text(browser, center.page(receipt))
    asked = _text(browser, place)
    assert "Quedan 10,00 EUR" in asked
    name = re.search(r'name="correction" value="(cor_\w+)"', asked)
    assert name is not None
    form = {"correction": name[1], "extent": "part", "amount_0": "2,50", "reason": REASON}
    assert browser.post(place, form | {"amount_0": "2.500,00"}).status_code == 400
    assert browser.post(place, form | {"amount_0": ""}).status_code == 400
    assert browser.post(place, form | {"extent": "all"}).status_code == 400
    assert browser.post(place, form | {"amount_0": "10,01"}).status_code == 422
    gross = {"correction": name[1], "extent": "gross", "gross": "5,00", "reason": REASON}
    assert browser.post(place, form | {"gross": "5,00"}).status_code == 400
    assert browser.post(place, gross | {"amount_0": "2,50"}).status_code == 400
    assert browser.post(place, gross | {"gross": ""}).status_code == 400
    assert browser.post(place, gross | {"gross": "23,11"}).status_code == 422
    assert not Document.objects.filter(kind="CREDIT_NOTE").exists()
    for _ in range(2):  # sent twice, credited once
        assert browser.post(place, form)["Location"] == center.page(receipt)
    note = Document.objects.get(kind="CREDIT_NOTE")
    assert note.total_minor == 303
    shown = _text(browser, center.page(receipt))
    assert note.number in shown
    assert "corregido por" in shown
    rest = re.search(r'name="correction" value="(cor_\w+)"', _text(browser, place))
    assert rest is not None
    browser.post(place, gross | {"correction": rest[1]})
    assert json.loads(Document.objects.filter(kind="CREDIT_NOTE").latest("pk").content)["totals"]["gross"] == "5.00"
    rest = re.search(r'name="correction" value="(cor_\w+)"', _text(browser, place))
    assert rest is not None
    browser.post(place, {"correction": rest[1], "extent": "all", "reason": REASON})
    assert sum(Document.objects.filter(kind="CREDIT_NOTE").values_list("total_minor", flat=True)) == 2310
    assert browser.get(place)["Location"] == center.page(receipt)


def test_a_form_without_its_token_settles_nothing(fina: cast.Member) -> None:
    event = _held()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(fina.user, backend="django.contrib.auth.backends.ModelBackend")
    for act in ("request", "dismiss", "retry"):
        assert browser.post(f"{HOME}event/{event.public_id}/{act}/", {"reason": REASON}).status_code == 403
    assert not DifferenceApproval.objects.exists()
    assert not Dismissal.objects.exists()


def test_a_long_list_is_paged_and_costs_no_query_for_each_line(fina: cast.Member) -> None:
    telling.told([making.order("ord_1")])
    telling.told([making.payout(f"po_{place}", f"{20 + place}.00", orders=["ord_1"]) for place in range(60)])
    browser = center.client(member=fina)
    browser.get(HOME)
    with CaptureQueriesContext(connection) as asked:
        text = _text(browser)
    assert len(asked) <= 25
    assert text.count("Proponer emisión") == 50
    assert _text(browser, f"{HOME}?p=2").count("Proponer emisión") == 10
    for page in ("0", "-1", "9999", "x", "²", "99999999"):
        assert browser.get(HOME, {"p": page}).status_code == 200
    assert len(worklist.items(countries=["ES"], now=timezone.now())) == 60


def test_an_id_used_for_two_facts_is_seen_in_its_country_with_what_both_say(fina: cast.Member) -> None:
    fare = [making.line("10.00")]
    first, other = making.payment("pay_1", "10.00", fare), making.payment("pay_2", "12.50", [making.line("12.50")])
    telling.told([first, other | {"id": first["id"]}])
    gap = Discrepancy.objects.get(code="event_id_reused")
    assert (gap.document, gap.country_id) == (None, "ES")
    text = _text(center.client(member=fina), f"{HOME}?kind=other")
    for words in ("Id de evento reutilizado", "10,00 EUR", "12,50 EUR", "+2,50 EUR", "payment:pay_1"):
        assert words in text, words
    place = f"{HOME}discrepancy/{gap.public_id}/resolve/"
    assert center.client(member=fina).post(place, {"reason": REASON})["Location"] == HOME
    mexico = center.client(member=center.staff(roles=["finance"], countries=["MX"], name="mexico"))
    assert "Nada por conciliar" in _text(mexico)


def test_an_id_used_for_facts_that_cannot_be_compared_shows_no_amounts(fina: cast.Member) -> None:
    first = making.order("ord_1")
    telling.told([first, making.payment("pay_1", "10.00", [making.line("10.00")]) | {"id": first["id"]}])
    stranger = making.order("ord_2") | {"country": "FR"}
    telling.told([stranger, making.order("ord_3") | {"country": "FR", "id": stranger["id"]}])
    gaps = Discrepancy.objects.filter(code="event_id_reused").order_by("pk")
    assert [gap.country_id for gap in gaps] == ["ES", None]  # no such country: seen by who sees them all
    text = _text(center.client(member=fina), f"{HOME}?kind=other")
    assert text.count("Id de evento reutilizado") == 1
    assert not re.search(r"\d\s*(EUR|€)", text)  # "EUR" alone may stand in a random id


def test_a_stripped_or_broken_body_does_not_hide_the_event(fina: cast.Member) -> None:
    event = _held()
    for body in (None, b"[]", b"not json", b'{"data": []}', b'{"data": {"payout": 1, "currency": 7}}'):
        with force.by_force():
            Event.objects.filter(pk=event.pk).update(body=body)
        assert "payout:po_1" in _text(center.client(member=fina))
