"""What may come in at the door, type by type: every limit, and every other spelling of the same fact."""

import copy
import datetime as dt
import json
import pathlib
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from documents import errors
from documents.events import envelope, schema_parts, schemas

SAMPLES = pathlib.Path(__file__).parent.parent / "samples"
NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
EVENTS = {
    event["id"]: event
    for name in ("es_ride", "mx_week", "co_food", "co_refund")
    for event in json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
}
Change = Callable[[dict[str, Any]], None]


def _event(name: str = "evt_es_pay_01") -> dict[str, Any]:
    return dict(copy.deepcopy(EVENTS[name]))


def _put(path: str, value: object) -> Change:
    """Return a change that puts a value at a JSON pointer."""

    def change(event: dict[str, Any]) -> None:
        target: Any = event
        *parents, last = path.strip("/").split("/")
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        target[int(last) if isinstance(target, list) else last] = value

    return change


def _drop(path: str) -> Change:
    """Return a change that takes a member away."""

    def change(event: dict[str, Any]) -> None:
        target: Any = event
        *parents, last = path.strip("/").split("/")
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        del target[last]

    return change


def _refused(event: object) -> list[errors.Fault]:
    with pytest.raises(errors.Problem) as caught:
        envelope.parse(payload=event, now=NOW)
    assert caught.value.code == "validation_error"
    json.dumps([fault.as_json() for fault in caught.value.errors]).encode()
    return list(caught.value.errors)


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_of_the_samples_is_read(name: str) -> None:
    message = envelope.parse(payload=_event(name), now=NOW)
    assert type(message) is envelope.SCHEMAS[message.type]


BAD: dict[str, tuple[Change, str]] = {
    "an amount that is a float": (_put("data/lines/0/amount", 22.0), "/data/lines/0/amount"),
    "an amount that is an integer": (_put("data/payment/amount", 24), "/data/payment/amount"),
    "an amount with an exponent": (_put("data/lines/0/amount", "2e1"), "/data/lines/0/amount"),
    "an amount with a plus": (_put("data/lines/0/amount", "+22.00"), "/data/lines/0/amount"),
    "an amount with a leading zero": (_put("data/lines/0/amount", "022.00"), "/data/lines/0/amount"),
    "an amount with a comma": (_put("data/lines/0/amount", "22,00"), "/data/lines/0/amount"),
    "an amount with a line break": (_put("data/lines/0/amount", "22.00\n"), "/data/lines/0/amount"),
    "an amount in other digits": (_put("data/lines/0/amount", "٢٢"), "/data/lines/0/amount"),
    "an amount with three decimals of a euro": (_put("data/lines/0/amount", "22.000"), "/data/lines/0/amount"),
    "an amount of sixteen digits": (_put("data/lines/0/amount", "1" * 16), "/data/lines/0/amount"),
    "an amount that is not a number": (_put("data/lines/0/amount", "NaN"), "/data/lines/0/amount"),
    "a payment below zero": (_put("data/payment/amount", "-24.20"), "/data/payment/amount"),
    "an unknown field": (_put("data/extra", "x"), "/data/extra"),
    "an unknown field with a slash and a tilde": (_put("data/order/~", "x"), "/data/order/~0"),
    "an unknown field of the envelope": (_put("version", "1"), "/version"),
    "a missing field": (_drop("data/payment/method"), "/data/payment/method"),
    "no currency": (_drop("data/currency"), "/data/currency"),
    "no lines at all": (_put("data/lines", []), "/data/lines"),
    "a null": (_put("data/customer/email", None), "/data/customer/email"),
    "a list for an object": (_put("data/order", []), "/data/order"),
    "text for the data": (_put("data", "x"), "/data"),
    "a truth value for text": (_put("data/order/service", True), "/data/order/service"),
    "an unknown kind of line": (_put("data/lines/0/kind", "GIFT"), "/data/lines/0/kind"),
    "a line of nobody's": (_put("data/lines/0/party", "driver"), "/data/lines/0/party"),
    "prices of neither kind": (_put("data/prices", "both"), "/data/prices"),
    "a colon in an id": (_put("data/order/id", "ord:1"), "/data/order/id"),
    "a NUL in an id": (_put("data/order/id", "ord\x001"), "/data/order/id"),
    "a line break after an id": (_put("data/order/id", "ord_1\n"), "/data/order/id"),
    "an accent in an id": (_put("data/order/id", "órd"), "/data/order/id"),
    "an id of 65 characters": (_put("data/order/id", "o" * 65), "/data/order/id"),
    "an empty id": (_put("id", ""), "/id"),
    "a country in small letters": (_put("country", "es"), "/country"),
    "a currency of four letters": (_put("data/currency", "EURO"), "/data/currency"),
    "a NUL in a text": (_put("data/order/city", "Mad\x00rid"), "/data/order/city"),
    "a tab in a text": (_put("data/order/city", "Mad\trid"), "/data/order/city"),
    "a C1 control in a text": (_put("data/order/city", "Mad\x85rid"), "/data/order/city"),
    "a bidi override in a text": (_put("data/order/city", "Mad\u202erid"), "/data/order/city"),
    "a bidi isolate in a text": (_put("data/order/city", "Mad\u2067rid"), "/data/order/city"),
    "an Arabic letter mark in a text": (_put("data/order/city", "Mad\u061crid"), "/data/order/city"),
    "a line separator in a text": (_put("data/order/city", "Mad\u2028rid"), "/data/order/city"),
    "half a surrogate pair in a text": (_put("data/order/city", "Mad\ud83drid"), "/data/order/city"),
    "100,000 combining marks": (
        _put("data/customer/legal_name", "e" + "\u0301" * 100_000),
        "/data/customer/legal_name",
    ),
    "nine combining marks in a row": (
        _put("data/customer/legal_name", "x" + "\u0338" * 9),
        "/data/customer/legal_name",
    ),
    "a text of 501 characters": (_put("data/order/city", "a" * 501), "/data/order/city"),
    "an empty text": (_put("data/order/city", ""), "/data/order/city"),
    "a text of blanks": (_put("data/order/city", " \u00a0 "), "/data/order/city"),
    "an e-mail with a line break": (_put("data/customer/email", "a@b.es\nBcc: c@d.es"), "/data/customer/email"),
    "an e-mail without domain": (_put("data/customer/email", "lucia@"), "/data/customer/email"),
    "two e-mails": (_put("data/customer/email", "a@b.es,c@d.es"), "/data/customer/email"),
    "a locale that is none": (_put("data/customer/locale", "es; DROP"), "/data/customer/locale"),
    "more than the last four digits": (_put("data/payment/last4", "4242424242424242"), "/data/payment/last4"),
    "a time without zone": (_put("data/payment/captured_at", "2026-02-21T08:40:09"), "/data/payment/captured_at"),
    "a time that is a number": (_put("occurred_at", 1771663211), "/occurred_at"),
    "the 30th of February": (_put("occurred_at", "2026-02-30T08:00:00Z"), "/occurred_at"),
    "the year one": (_put("occurred_at", "0001-01-01T00:00:00+14:00"), "/occurred_at"),
    "a time more than five minutes ahead": (_put("occurred_at", "2026-03-02T09:05:01Z"), "/occurred_at"),
    "a time zone that is no place": (_put("data/order/time_zone", "Mars/Olympus"), "/data/order/time_zone"),
    "a time zone that is a path": (_put("data/order/time_zone", "../../etc/passwd"), "/data/order/time_zone"),
}


@pytest.mark.parametrize("what", sorted(BAD))
def test_a_malformed_fact_is_refused_at_its_place(what: str) -> None:
    change, pointer = BAD[what]
    event = _event()
    change(event)
    assert pointer in [fault.pointer for fault in _refused(event)]


WITHHOLDING = {"name": "IRPF", "rate": "0.15", "base": "1", "amount": "1", "legal_ref": "RIRPF"}
BAD_PAYOUTS: dict[str, tuple[Change, str]] = {
    "neither orders nor settles": (_drop("data/orders"), "/data"),
    "both orders and settles": (_put("data/settles", [{"order": "ord_9F2K", "amount": "1.00"}]), "/data"),
    "the same order twice": (_put("data/orders", ["ord_1", "ord_1"]), "/data/orders"),
    "an account that nobody masked": (
        _put("data/payout/destination_masked", "ES9121000418450200051332"),
        "/data/payout/destination_masked",
    ),
    "a payout below zero": (_put("data/payout/amount", "-1.00"), "/data/payout/amount"),
    "a date with a time": (_put("data/period/from", "2026-02-16T00:00:00Z"), "/data/period/from"),
    "an unknown day": (_put("data/period/to", "2026-02-29"), "/data/period/to"),
    "a rate in per cent": (_put("data/withholdings", [WITHHOLDING | {"rate": "15 %"}]), "/data/withholdings/0/rate"),
    "a rate that is a float": (_put("data/withholdings", [WITHHOLDING | {"rate": 0.15}]), "/data/withholdings/0/rate"),
}


@pytest.mark.parametrize("what", sorted(BAD_PAYOUTS))
def test_a_malformed_payout_is_refused_at_its_place(what: str) -> None:
    change, pointer = BAD_PAYOUTS[what]
    event = _event("evt_es_po_01")
    change(event)
    assert pointer in [fault.pointer for fault in _refused(event)]


def test_what_a_settled_item_names_is_exactly_one_thing() -> None:
    event = _event("evt_es_po_01")
    del event["data"]["orders"]
    event["data"]["settles"] = [{"order": "ord_1", "adjustment": "adj_1", "amount": "1.00"}, {"amount": "1.00"}]
    assert [fault.pointer for fault in _refused(event)] == ["/data/settles/0", "/data/settles/1"]


def test_a_partners_lines_need_a_partner() -> None:
    event = _event("evt_ord_CO7")
    del event["data"]["partner"]
    assert [fault.pointer for fault in _refused(event)] == ["/data"]


def test_five_thousand_lines_are_refused() -> None:
    event = _event()
    event["data"]["lines"] = [event["data"]["lines"][0] | {"id": str(place)} for place in range(5000)]
    assert [fault.pointer for fault in _refused(event)] == ["/data/lines"]


def test_two_lines_with_one_id_are_refused() -> None:
    event = _event()
    event["data"]["lines"] *= 2
    assert [fault.pointer for fault in _refused(event)] == ["/data/lines"]


@pytest.mark.parametrize("payload", [None, [], "x", 1, {}])
def test_what_is_no_event_is_refused(payload: object) -> None:
    assert _refused(payload)


def test_a_thousand_faults_give_a_bounded_answer() -> None:
    event = _event()
    event["data"] |= {f"unknown_{place}": "x" for place in range(1000)}
    assert len(_refused(event)) == envelope.FAULTS_MAX


def test_a_fault_never_repeats_what_was_sent() -> None:
    event = _event()
    event["data"]["customer"]["email"] = "not-an-address-but-personal"
    event["data"]["\ud800\x00"] = "x"
    told = json.dumps([fault.as_json() for fault in _refused(event)], ensure_ascii=False)
    assert "personal" not in told
    assert "\x00" not in told
    told.encode()


@pytest.mark.parametrize(
    "name",
    [
        "Zoë 🚗 Peña",
        "山田太郎",
        "<b>Ana</b>",
        "file:///etc/passwd",
        "{{ 7*7 }}",
        "O'Brien; DROP TABLE",
        "e" + "\u0301" * 8,
    ],
)
def test_a_strange_but_printable_name_is_taken(name: str) -> None:
    event = _event()
    event["data"]["customer"]["legal_name"] = name
    data = envelope.parse(payload=event, now=NOW).data
    assert data.customer.legal_name == unicodedata.normalize("NFC", name)


def test_five_minutes_ahead_are_forgiven() -> None:
    event = _event()
    event["occurred_at"] = "2026-03-02T09:05:00Z"
    assert envelope.parse(payload=event, now=NOW)


def test_an_unknown_type_is_read_whatever_its_data_says() -> None:
    message = envelope.parse(payload=_event() | {"type": "RIDE_RATED", "data": {"stars": 4.5, "note": None}}, now=NOW)
    assert type(message) is envelope.Unknown


def test_a_currency_that_nobody_knows_is_not_the_schemas_business() -> None:
    event = _event()
    event["data"]["currency"] = "XQX"
    assert envelope.parse(payload=event, now=NOW)


def test_a_currency_without_decimals_takes_none() -> None:
    event = _event()
    event["data"]["currency"] = "CLP"
    assert "/data/payment/amount" in [fault.pointer for fault in _refused(event)]


SPELLINGS: dict[str, Change] = {
    "fewer decimals": _put("data/lines/0/amount", "22"),
    "one decimal": _put("data/payment/amount", "24.2"),
    "another zone for the same moment": _put("data/payment/captured_at", "2026-02-21T09:40:09+01:00"),
    "decomposed accents": _put("data/customer/legal_name", unicodedata.normalize("NFD", "Lucía Peña Ortiz")),
    "the default said aloud": _put("data/prices", "net"),
    "another mailbox": _put("data/customer/email", "otra@example.com"),
    "another language": _put("data/customer/locale", "en"),
    "an address": _put("data/customer/address", "Calle Mayor 1"),
    "another event": _put("id", "evt_other"),
    "a later envelope": _put("occurred_at", "2026-02-22T08:40:11Z"),
}


@pytest.mark.parametrize("what", sorted(SPELLINGS))
def test_another_spelling_of_a_fact_is_the_same_fact(what: str) -> None:
    event = _event()
    SPELLINGS[what](event)
    same = envelope.business_input(message=envelope.parse(payload=event, now=NOW))
    assert same == envelope.business_input(message=envelope.parse(payload=_event(), now=NOW))


@pytest.mark.parametrize(
    "change",
    [
        _put("data/lines/0/amount", "22.01"),
        _put("data/lines/0/description", "Otra cosa"),
        _put("data/customer/id", "cus_10"),
        _put("data/payment/captured_at", "2026-02-21T08:40:10Z"),
        _drop("data/totals"),
    ],
)
def test_another_fact_is_another_input(change: Change) -> None:
    event = _event()
    change(event)
    other = envelope.business_input(message=envelope.parse(payload=event, now=NOW))
    assert other != envelope.business_input(message=envelope.parse(payload=_event(), now=NOW))


def test_minus_zero_is_zero() -> None:
    event = _event("evt_es_po_01")
    event["data"]["cash_collected"] = "-0"
    assert envelope.parse(payload=event, now=NOW).data.cash_collected == "0.00"


def test_a_beneficiary_who_is_the_driver_is_the_same_as_none() -> None:
    event = _event("evt_es_ord_01")
    event["data"]["beneficiary"] = event["data"]["driver"]
    named = envelope.business_input(message=envelope.parse(payload=event, now=NOW))
    assert named == envelope.business_input(message=envelope.parse(payload=_event("evt_es_ord_01"), now=NOW))


def test_the_business_input_holds_no_contact_data() -> None:
    for name in EVENTS:
        told = json.dumps(envelope.business_input(message=envelope.parse(payload=_event(name), now=NOW)))
        assert not any(f'"{field}"' in told for field in envelope.CONTACT)


def test_a_closed_period_moves_nothing_and_has_no_destination() -> None:
    event = _event("evt_es_po_01") | {"type": "PAYOUT_PERIOD_CLOSED"}
    event["data"]["payout"] = {"id": "po_1", "amount": "0.00"}
    assert type(envelope.parse(payload=event, now=NOW).data) is schemas.PeriodClosedData
    event["data"]["payout"]["amount"] = "0.01"
    assert [fault.pointer for fault in _refused(event)] == ["/data"]


@pytest.mark.parametrize(
    ("name", "subject"),
    [("evt_es_pay_01", "payment:pay_01JM8"), ("evt_co_rf_1", "refund:rf_9A"), ("evt_mx_po_1_back", "payout:po_5TQ8")],
)
def test_a_fact_says_what_it_is_about(name: str, subject: str) -> None:
    assert envelope.subject(message=envelope.parse(payload=_event(name), now=NOW)) == subject


def test_the_longest_event_is_read_in_a_blink() -> None:
    event = _event()
    event["data"]["lines"] = [
        event["data"]["lines"][0] | {"id": str(place), "description": "Línea " + "ñ" * 494}
        for place in range(schema_parts.LINES_MAX)
    ]
    started = time.process_time()
    envelope.parse(payload=event, now=NOW)
    assert time.process_time() - started < 2  # seconds; it takes a tenth of that on a slow machine
