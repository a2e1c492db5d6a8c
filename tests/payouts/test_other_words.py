"""The same fact in other words is the same fact, whoever is paid has a document that is taken, and clocks are not believed."""

import json

import pytest
from django.utils import translation

from documents.admin import cells
from documents.emission import document_keys
from documents.models import Discrepancy, Document, Event, Party
from payouts.admin import rows
from payouts.review import worklist
from tests.payouts import making, telling
from tests.payouts.making import EventJson

pytestmark = pytest.mark.django_db
OFS, PR = "ORDER_FINAL_STATEMENT:order:ord_1:beneficiary", "PAYMENT_RECEIPT:payment:pay_1:customer"
LINES = [
    making.line("22.00", tax="IVA10"),
    making.line("3.00", name="2", kind="TIP"),
    making.line("-4.40", name="3", kind="PLATFORM_FEE", tax="IVA21"),
]
WITHHELD = [
    {"name": "IRPF", "rate": "0.01", "base": "22.00", "amount": "0.22", "legal_ref": "RIRPF art. 95.6"},
    {"name": "Otra", "rate": "0.01", "base": "22.00", "amount": "0.22", "legal_ref": "Ley"},
]


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _abroad(event: EventJson, country: str, **person: str) -> EventJson:
    """Return the event in another country, whose driver has that document."""
    currency = {"CO": "COP", "MX": "MXN", "PE": "PEN", "CL": "CLP", "AR": "ARS", "ES": "EUR"}[country]
    event["data"] |= {"currency": currency}
    event["data"]["driver"] |= person
    if country == "CL":
        event["data"]["lines"] = [making.line("10")]
    return event | {"country": country, "issuer": f"aventide-{country.lower()}"}


def _order(**person: str) -> EventJson:
    return _abroad(making.order("ord_1", lines=LINES, withholdings=WITHHELD), "ES", **person)


# -- the documents that people have --


@pytest.mark.parametrize(
    ("country", "tax_id", "declared", "printed", "flags"),
    [
        ("CO", "1.234.567", "PPT", ("PPT", "1234567"), ["tax_id_unverified"]),
        ("CO", "123456", "ce", ("CE", "123456"), ["tax_id_unverified"]),
        ("CO", "222222222222", None, ("NIT", "222222222222"), []),
        ("PE", "a1234567", "PASAPORTE", ("Pasaporte", "A1234567"), ["tax_id_unverified"]),
        ("MX", "CACX760510MDFSHC05", "CURP", ("CURP", "CACX760510MDFSHC05"), []),
        ("MX", "CACX760510", "RFC", ("RFC", "CACX760510"), ["tax_id_unverified"]),
        ("MX", "CACX7605101P9", None, ("RFC", "CACX7605101P9"), ["tax_id_warning"]),
        ("AR", "25-20304050-7", "CUIL", ("CUIL", "25203040507"), []),
        ("CL", "12.345.678-5", "run", ("RUN", "12345678-5"), []),
        ("ES", "X-1234567-L", "DNI", ("NIE", "X1234567L"), []),
        ("ES", "900-11", "Permiso " * 20, (("Permiso " * 20).strip(), "90011"), ["tax_id_unverified"]),
    ],
)
def test_who_works_with_the_document_that_he_has_is_paid(
    country: str, tax_id: str, declared: str | None, printed: tuple[str, str], flags: list[str]
) -> None:
    person = {"tax_id": tax_id} | ({"tax_id_type": declared} if declared else {})
    assert telling.told([_abroad(making.order("ord_1"), country, **person)]) == ["processed"]
    document = telling.document(OFS)
    owner = json.loads(document.content)["owner"]
    assert (owner["tax_id_name"], owner["tax_id"]) == printed
    assert document.flags == flags
    assert Party.objects.get(platform_id="drv_1").tax_id == printed[1]


def test_a_payout_without_orders_names_the_document_of_its_payee_as_it_came() -> None:
    telling.told([_order(tax_id="AB 123", tax_id_type="Cédula rara"), making.payout("po_1", "0.00", orders=[])])
    owner = json.loads(telling.document("PAYOUT_STATEMENT:payout:po_1:payee").content)["owner"]
    assert (owner["tax_id_name"], owner["tax_id"]) == ("Cédula rara", "AB123")


@pytest.mark.parametrize(
    ("person", "words", "english"),
    [
        (
            {"tax_id": "12345678A"},
            "El dígito de control del NIF de drv_1 no corresponde: corrige el número (/data/driver/tax_id). Si es otro "
            "documento, indica su tipo en /data/driver/tax_id_type: DNI, NIE, CIF, VAT, PASSPORT.",
            "The check digit of the NIF of drv_1 does not match",
        ),
        (
            {"tax_id": "12345678"},
            "El NIF de drv_1 tiene otra longitud u otros caracteres",
            "The NIF of drv_1 has another length",
        ),
        (
            {"tax_id": "9" * 40, "tax_id_type": "PASSPORT"},
            "La identificación de drv_1 es demasiado larga",
            "The identity document of drv_1 is too long",
        ),
    ],
)
def test_what_to_change_in_a_wrong_tax_id_is_said(person: EventJson, words: str, english: str) -> None:
    assert telling.told([_order(**person)]) == ["held"]
    (item,) = worklist.items(countries=["ES"], now=telling.NOW)
    assert rows.sentences(item=item)[0].startswith(words)
    with translation.override("en"):
        assert rows.sentences(item=item)[0].startswith(english)


def test_staff_read_what_a_flag_means_in_their_language() -> None:
    assert cells.flags(["tax_id_unverified"]) == "identificación sin verificar: su tipo no tiene dígito de control"
    with translation.override("en"):
        assert cells.flags(["tax_id_unverified", "of_tomorrow"]) == (
            "identity document not verified: its type has no check digit; of_tomorrow"
        )


# -- the same fact in other words --


def _person(**more: str) -> EventJson:
    return {"driver": {"id": "drv_1", "legal_name": "Conductora drv_1", **more}}


SAME: dict[str, tuple[EventJson, EventJson]] = {
    "the tax id with separators": (_person(tax_id="12345678Z"), _person(tax_id="12.345.678-z")),
    "the tax id with its country": (_person(tax_id="12345678Z"), _person(tax_id="ES12345678Z")),
    "the tax id with its type": (_person(tax_id="X1234567L"), _person(tax_id="x1234567l", tax_id_type="NIE")),
    "a passport in other letters": (
        _person(tax_id="PAB123456", tax_id_type="PASSPORT"),
        _person(tax_id="pab-123456", tax_id_type="Pasaporte"),
    ),
    "a type of no tax id": (_person(), _person(tax_id_type="NIF")),
    "blanks in a name": (
        {"driver": {"id": "drv_1", "legal_name": "Ana Ruiz"}},
        {"driver": {"id": "drv_1", "legal_name": " Ana  Ruiz"}},
    ),
    "lines in another order": ({"lines": LINES}, {"lines": LINES[::-1]}),
    "withholdings in another order": ({"withholdings": WITHHELD}, {"withholdings": WITHHELD[::-1]}),
    "no cash": ({}, {"cash_collected": "0.00"}),
    "totals that are computed": ({}, {"totals": {"payable": "21.44"}}),
    "one tax in a list": ({"lines": LINES}, {"lines": [{**LINES[0], "taxes": ["IVA10"]}, *LINES[1:]]}),
    "the driver as beneficiary": (
        _person(tax_id="12345678Z"),
        _person(tax_id="12345678Z") | {"beneficiary": {**_person()["driver"], "tax_id": "12345678-z"}},
    ),
}
del SAME["one tax in a list"][1]["lines"][0]["tax"]


def _tell_both(first: EventJson, second: EventJson) -> None:
    one, two = (making.order("ord_1", lines=LINES, withholdings=WITHHELD) for _ in range(2))
    one["data"] |= first
    two["data"] |= second
    two["id"] = "evt_again"
    assert telling.tell(one).status == 201
    answer = telling.tell(two)
    assert (answer.status, answer.body["replayed"]) == (200, True)
    assert Document.objects.count() == 1


@pytest.mark.parametrize("turned", [False, True], ids=["told so first", "told so again"])
@pytest.mark.parametrize("what", SAME)
def test_a_fact_in_other_words_never_diverges_from_itself(what: str, turned: bool) -> None:
    first, second = SAME[what][::-1] if turned else SAME[what]
    _tell_both(first, second)
    assert not Discrepancy.objects.exists()


def test_a_fact_that_an_earlier_version_issued_is_still_known_when_it_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Earlier versions stored the fingerprint of the data as it came: tax id, lines and totals as they were stated."""
    event = _order(tax_id="12.345.678-z")
    event["data"]["totals"] = {"payable": "21.44"}
    with monkeypatch.context() as earlier:
        earlier.setattr(document_keys, "_normal_members", lambda **facts: dict(facts["members"]))
        telling.told([event])
    assert telling.tell(event | {"id": "evt_again"}).status == 200
    assert not Discrepancy.objects.exists()
    event["data"]["driver"]["legal_name"] = "Otra"
    telling.tell(event | {"id": "evt_other"})
    assert [gap.code for gap in Discrepancy.objects.all()] == ["divergent_repeat"]


OTHER: dict[str, tuple[EventJson, EventJson]] = {
    "another tax id": (_person(tax_id="12345678Z"), _person(tax_id="87654321X")),
    "another document of the same number": (
        _person(tax_id="A123456", tax_id_type="PASSPORT"),
        _person(tax_id="A123456", tax_id_type="Cédula"),
    ),
    "no tax id": (_person(tax_id="12345678Z"), _person()),
    "another name": (_person(), {"driver": {"id": "drv_1", "legal_name": "Otra"}}),
    "cash": ({}, {"cash_collected": "0.01"}),
    "another tax": ({"lines": LINES}, {"lines": [{**LINES[0], "tax": "IVA4"}, *LINES[1:]]}),
}


@pytest.mark.parametrize("what", OTHER)
def test_another_fact_is_never_taken_for_a_repeat(what: str) -> None:
    _tell_both(*OTHER[what])
    assert [gap.code for gap in Discrepancy.objects.all()] == ["divergent_repeat"]


def test_a_payout_that_lists_its_orders_otherwise_is_the_same_payout() -> None:
    telling.told([making.order("ord_1"), making.order("ord_2", "5.00")])
    assert telling.tell(making.payout("po_1", "15.00", orders=["ord_1", "ord_2"])).status == 201
    again = making.payout("po_1", "15.00", orders=["ord_2", "ord_1"], adjustments=[]) | {"id": "evt_again"}
    assert telling.tell(again).status == 200
    settles = [{"order": "ord_3", "amount": "1.00"}, {"order": "ord_4", "amount": "2.00"}]
    telling.told([making.order("ord_3", "1.00"), making.order("ord_4", "2.00")])
    assert telling.tell(making.payout("po_2", "3.00", settles=settles)).status == 201
    turned = making.payout("po_2", "3.00", settles=settles[::-1]) | {"id": "evt_turned"}
    assert telling.tell(turned).status == 200
    assert not Discrepancy.objects.exists()


# -- clocks --

NOT_YET = "2026-03-02T09:05:01Z"
AHEAD = {
    "/data/payment/captured_at": making.payment("pay_1", "10.00", [making.line("10.00")]),
    "/data/order/completed_at": making.order("ord_1", at=NOT_YET) | {"occurred_at": "2026-03-02T09:00:00Z"},
    "/data/adjustment/made_at": making.adjustment("adj_1", "ord_1", at=NOT_YET)
    | {"occurred_at": "2026-03-02T09:00:00Z"},
    "/data/payout/sent_at": making.payout("po_1", "1.00", at=NOT_YET) | {"occurred_at": "2026-03-02T09:00:00Z"},
}
AHEAD["/data/payment/captured_at"]["data"]["payment"]["captured_at"] = NOT_YET


@pytest.mark.parametrize("pointer", AHEAD)
def test_a_fact_of_tomorrow_is_refused_at_its_date(pointer: str) -> None:
    answer = telling.tell(AHEAD[pointer])
    assert answer.status == 400
    assert answer.problem
    assert [(fault.pointer, fault.code) for fault in answer.problem.errors] == [(pointer, "ahead")]


def test_a_stored_fact_is_read_again_whatever_the_clock_says() -> None:
    event = making.payout("po_1", "10.00", orders=["ord_1"], at="2026-03-02T09:05:00Z")
    telling.told([event, making.order("ord_1", at="2026-03-02T09:00:00Z")])
    assert telling.document("PAYOUT_STATEMENT:payout:po_1:payee").total_minor == 1000


def _held(event: EventJson) -> list[tuple[str, str]]:
    answer = telling.tell(event)
    telling.catch_up()
    row = Event.objects.get(event_id=event["id"])
    assert (row.status, row.code) == ("held", "time_implausible"), answer.body
    return [(fault["pointer"], fault["code"]) for fault in row.errors]


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "2009-12-31T22:59:59Z"])
def test_a_fact_of_before_there_was_a_service_is_held_until_somebody_dates_it(at: str) -> None:
    code = "time_implausible"
    assert _held(making.order("ord_1", at=at)) == [("/occurred_at", code), ("/data/order/completed_at", code)]
    assert _held(making.contact("drv_1", at=at, email="a@example.com")) == [("/occurred_at", code)]
    period = {"from": "1970-01-01", "to": "2026-02-22"}
    assert _held(making.payout("po_1", "0.00", orders=[], period=period)) == [("/data/period/from", code)]
    assert not Document.objects.exists()


@pytest.mark.parametrize("at", ["2009-12-31T23:00:00Z", "2015-01-01T00:00:00Z"])
def test_a_fact_of_the_first_day_is_issued_by_the_local_clock(at: str) -> None:
    assert telling.told([making.order("ord_1", at=at)]) == ["processed"]


@pytest.mark.parametrize("refund_first", [False, True])
@pytest.mark.parametrize("at", ["2026-02-16T22:00:00Z", "2026-02-17T08:59:59Z"])
def test_nothing_is_given_back_before_it_was_taken(at: str, refund_first: bool) -> None:
    payment = making.payment("pay_1", "10.00", [making.line("10.00")])
    refund = making.refund("rf_1", "pay_1", [making.line("1.00", kind="REFUND_ITEM")]) | {"occurred_at": at}
    if refund_first:
        telling.tell(refund)
        telling.told([payment])
        row = Event.objects.get(event_id="evt_rf_1")
        assert (row.status, row.code) == ("held", "time_implausible")
    else:
        telling.told([payment])
        assert _held(refund) == [("/occurred_at", "time_implausible")]
    again = refund | {"id": "evt_mended", "occurred_at": "2026-02-17T09:00:00Z"}
    assert telling.told([again]) == ["processed"]


def test_a_payout_never_comes_back_before_it_was_sent() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    early = making.reversal("po_1", "10.00", at="2026-02-23T06:59:59Z")
    assert _held(early) == [("/occurred_at", "time_implausible")]
    assert telling.told([making.reversal("po_1", "10.00", at="2026-02-23T07:00:00Z") | {"id": "evt_2"}]) == [
        "processed"
    ]


def test_a_payout_that_was_sent_before_its_order_completed_stays_an_advance() -> None:
    advance = making.payout("po_1", "10.00", orders=["ord_1"], at="2026-02-16T07:00:00Z")
    telling.told([advance, making.order("ord_1"), making.adjustment("adj_1", "ord_1", at="2026-02-16T10:00:00Z")])
    assert not Event.objects.exclude(status="processed").exists()
    assert telling.document(OFS).payout_status_at_issue == "SENT"


def test_what_is_wrong_with_a_date_is_said() -> None:
    telling.told([making.order("ord_1", at="1970-01-01T00:00:00Z")])
    (item,) = worklist.items(countries=["ES"], now=telling.NOW)
    assert rows.sentences(item=item)[0] == (
        "1970-01-01 (/occurred_at) es anterior a que hubiera servicio en ES, el 2010-01-01: corrige la fecha."
    )


# -- accounts --


@pytest.mark.parametrize(
    "mask",
    [
        "ES91 2100 **** **** **** 1332",
        "ES** **** 6789",
        "CLABE ****6789",
        "•••• 6789",
        "XXXX-XXXX-XXXX-1234",
        "######1234",
        "300*******12",
        "Bizum",
        "Monedero electrónico",
    ],
)
def test_the_masks_that_banks_write_are_taken(mask: str) -> None:
    telling.told([making.order("ord_1")])
    event = making.payout("po_1", "10.00", orders=["ord_1"])
    event["data"]["payout"]["destination_masked"] = mask
    assert telling.told([event]) == ["processed"]


@pytest.mark.parametrize(
    "account",
    [
        "CuentaRUT 12345678",
        "12345678",
        "1234",
        "ES91 2100 0418 **** **** **** 1332",  # ten at the start
        "ES91 2100 **** **** ***4 51332",  # five at the end
        "ES91 **** 0418 **** **** 1332",  # four in the middle
        "*** 6789",  # hides less than it shows
        "123456******7890",
        "**********1234********",
        "Exento 1234 x",
        "****\N{FULLWIDTH DIGIT ONE}2345",
    ],
)
def test_an_account_that_can_be_read_is_refused(account: str) -> None:
    event = making.payout("po_1", "10.00", orders=["ord_1"])
    event["data"]["payout"]["destination_masked"] = account
    answer = telling.tell(event)
    assert answer.status == 400
    assert answer.problem
    assert [fault.pointer for fault in answer.problem.errors] == ["/data/payout/destination_masked"]
    assert account not in str(answer.problem.errors)
