"""Intake over HTTP, against the running product: the table "No fact is lost", row by row, and bad input of every kind."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from config.simulation import sender
from tests.services import objects
from tests.services.live import Live, live, order, payment, payout, unlike

__all__ = ["live"]


def test_an_unsigned_fact_is_not_taken_in_and_its_refusal_is_on_record(live: Live) -> None:
    before, denied = _events(live), _denials(live)
    answer = live.post(payment(), headers={"webhook-signature": "v1,AAAA"})
    assert (answer.status, answer.body["code"]) == (401, "webhook_signature_invalid")
    assert (_events(live), _denials(live)) == (before, denied + 1)


def test_a_fact_signed_with_another_secret_is_not_taken_in(live: Live) -> None:
    answer = live.post(payment(), secret="whsec_" + "QUFB" * 11)
    assert (answer.status, answer.body["code"]) == (401, "webhook_signature_invalid")


@pytest.mark.parametrize("shift_s", [-3600, 3600])
def test_a_stale_or_early_signature_opens_no_door(live: Live, shift_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before, denied, now = _events(live), _denials(live), time.time()
    monkeypatch.setattr(sender.time, "time", lambda: now + shift_s)
    answer = live.post(payment())
    assert (answer.status, answer.body["code"]) == (401, "webhook_stale")
    assert (_events(live), _denials(live)) == (before, denied + 1)


def test_a_tampered_body_opens_no_door(live: Live) -> None:
    event = payment()
    headers = sender.headers(body=json.dumps(event).encode(), secret=_secret("payments"))
    answer = live.post(raw=json.dumps(unlike(event, "/data/payment/amount", "0.01")).encode(), headers=headers)
    assert answer.status == 401


def test_a_service_cannot_send_what_is_another_ones_to_send(live: Live) -> None:
    before, denied = _events(live), _denials(live)
    answer = live.post(payment(), service="orders")
    assert (answer.status, answer.body["code"]) == (403, "event_type_not_allowed")
    assert (_events(live), _denials(live)) == (before, denied + 1)


def test_a_body_that_is_too_big_is_not_read(live: Live) -> None:
    before, denied = _events(live), _denials(live)
    answer = live.post(raw=b" " * (1024 * 1024 + 1))
    assert (answer.status, answer.body["code"]) == (413, "payload_too_large")
    assert (_events(live), _denials(live)) == (before, denied + 1)


def test_an_issued_fact_answers_201_and_its_repeat_200_with_the_same_document(live: Live) -> None:
    event = payment()
    first, again = live.post(event), live.post(event)
    assert (first.status, first.body["status"], first.body["replayed"]) == (201, "processed", False)
    assert (again.status, again.body["status"], again.body["replayed"]) == (200, "processed", True)
    assert _ids(first) == _ids(again)
    assert set(first.body) == {"object", "event_id", "type", "status", "replayed", "documents"}
    assert live.one("SELECT repeats FROM documents_event WHERE event_id = %s", [event["id"]]) == 1


def test_the_same_fact_under_another_event_id_finds_its_document(live: Live) -> None:
    event = payment()
    first, again = live.post(event), live.post(event | {"id": event["id"] + "_b"})
    assert (first.status, again.status, again.body["replayed"]) == (201, 200, True)
    assert _ids(first) == _ids(again)


def test_the_same_fact_in_another_spelling_is_the_same_fact(live: Live) -> None:
    event = payment(net="22.00")
    first = live.post(event)
    spelled = unlike(
        unlike(event, "/data/lines/0/amount", "22"), "/data/payment/captured_at", "2026-02-21T09:40:09+01:00"
    )
    spelled["data"]["customer"]["legal_name"] = "Luci\u0301a Pen\u0303a Ortiz"
    again = live.post(spelled | {"id": event["id"] + "_b"})
    assert (again.status, _ids(again)) == (200, _ids(first))
    assert not _discrepancies(live, "divergent_repeat", f"pay_{event['id'].removeprefix('evt_')}")


def test_another_amount_for_the_same_payment_changes_nothing_and_is_a_discrepancy(live: Live) -> None:
    event = payment()
    first = live.post(event)
    other = payment(name=event["id"].removeprefix("evt_"), net="30.00", gross="33.00", id=event["id"] + "_c")
    before = live.numbered()
    answer = live.post(other)
    assert (answer.status, answer.body["replayed"], _ids(answer)) == (200, True, _ids(first))
    assert live.numbered() == before
    assert len(_discrepancies(live, "divergent_repeat", event["data"]["payment"]["id"])) == 1
    assert (
        live.one(
            "SELECT count(*) FROM documents_alert WHERE code = 'divergent_repeat' AND dedup_key LIKE %s",
            [f"%{event['data']['payment']['id']}%"],
        )
        == 1
    )
    live.post(other)
    assert len(_discrepancies(live, "divergent_repeat", event["data"]["payment"]["id"])) == 1


def test_another_owner_for_the_same_payment_is_a_divergence_and_no_second_document(live: Live) -> None:
    event = payment()
    first = live.post(event)
    other = unlike(event | {"id": event["id"] + "_d"}, "/data/customer/id", "cus_somebody_else")
    answer = live.post(other)
    assert (answer.status, _ids(answer)) == (200, _ids(first))
    assert len(_discrepancies(live, "divergent_repeat", event["data"]["payment"]["id"])) == 1


def test_an_event_id_with_another_body_keeps_the_first_and_is_a_discrepancy(live: Live) -> None:
    event = payment()
    first = live.post(event)
    other = payment(name=event["id"].removeprefix("evt_"), net="30.00", gross="33.00")
    for _ in range(2):
        answer = live.post(other)
        assert (answer.status, answer.body["replayed"], _ids(answer)) == (200, True, _ids(first))
    assert len(_discrepancies(live, "event_id_reused", event["id"])) == 1
    query = "SELECT body, repeats FROM documents_event WHERE code = 'event_id_reused' AND status = 'refused'"
    (kept,) = [row for row in live.rows(query, []) if json.loads(bytes(row["body"])) == other]  # raw, once
    assert kept["repeats"] == 1


def test_a_refused_event_burns_nothing(live: Live) -> None:
    event = payment()
    refused = live.post(unlike(event, "/data/payment/amount", 24.20))
    assert (refused.status, refused.body["errors"][0]["pointer"]) == (400, "/data/payment/amount")
    assert live.post(event).status == 201


def test_a_type_nobody_knows_is_kept_and_ignored_whoever_sends_it(live: Live) -> None:
    event: dict[str, Any] = {
        "id": f"evt_{time.monotonic_ns()}",
        "type": "DRIVER_WAVED",
        "occurred_at": "2026-02-21T08:40:11Z",
        "country": "ES",
    }
    event |= {"issuer": "aventide-es", "data": {"anything": ["at", {"all": True}]}}
    answer = live.post(event, service="parties")
    assert (answer.status, answer.body["status"], answer.body["documents"]) == (202, "ignored", [])
    assert live.one("SELECT status FROM documents_event WHERE event_id = %s", [event["id"]]) == "ignored"


def test_what_came_too_early_is_parked_and_goes_on_by_itself(live: Live) -> None:
    ride = order()
    name, driver = ride["data"]["order"]["id"], ride["data"]["driver"]["id"]
    early = payout(name=name, orders=[name], payee=driver)
    parked = live.post(early)
    assert (parked.status, parked.body["status"]) == (202, "parked")
    assert f"order:{name}" in parked.body["missing"]
    assert live.post(ride).status == 201
    key = f"PAYOUT_STATEMENT:payout:po_{name}:payee"
    live.await_locked(keys=[key])
    again = live.post(early)
    assert (again.status, again.body["status"], again.body["documents"][0]["document_key"]) == (200, "processed", key)


CANNOT_BE_ISSUED: dict[str, Callable[[], dict[str, Any]]] = {
    "totals_mismatch": lambda: unlike(order(), "/data/totals/payable", "21.89"),
    "tax_id_invalid": lambda: order(tax_id="12345678A"),
    "tax_code_unknown": lambda: unlike(payment(), "/data/lines/0/tax", "IVA99"),
    "tax_rate_not_in_force": lambda: unlike(payment(), "/data/payment/captured_at", "2011-01-01T00:00:00Z"),
    "time_implausible": lambda: unlike(payment(), "/data/payment/captured_at", "1975-01-01T00:00:00Z"),
    "issuer_unknown": lambda: payment(issuer="nobody-es"),
    "country_unsupported": lambda: payment(country="FR"),
    "currency_unsupported": lambda: unlike(payment(), "/data/currency", "USD"),
}


@pytest.mark.parametrize("code", CANNOT_BE_ISSUED)
def test_a_fact_that_cannot_be_issued_is_held_and_takes_no_number(live: Live, code: str) -> None:
    event, before = CANNOT_BE_ISSUED[code](), live.numbered()
    answer = live.post(event)
    assert (answer.status, answer.body["status"], answer.body["code"]) == (202, "held", code)
    assert answer.body["errors"][0]["pointer"].startswith("/")
    assert (answer.body["documents"], live.numbered()) == ([], before)
    public_id = live.one("SELECT public_id FROM documents_event WHERE event_id = %s", [event["id"]])
    assert live.one("SELECT severity FROM documents_alert WHERE dedup_key = %s", [f"event:{public_id}"]) == "P2"


def test_a_payout_that_does_not_close_is_held_until_a_corrected_one_settles_it(live: Live) -> None:
    ride = order()
    name, driver = ride["data"]["order"]["id"], ride["data"]["driver"]["id"]
    live.post(ride)
    wrong = payout(name=name, orders=[name], payee=driver, amount="21.00")
    held = live.post(wrong)
    assert (held.status, held.body["code"]) == (202, "payout_does_not_close")
    right = payout(name=name, orders=[name], payee=driver, id=f"evt_mended_{name}")
    assert live.post(right).status == 201
    again = live.post(wrong)
    assert (again.status, again.body["status"], len(again.body["documents"])) == (200, "processed", 1)


def test_a_payout_to_somebody_else_or_with_an_inverted_period_is_held(live: Live) -> None:
    mine, other = order(), order()
    live.post(mine)
    live.post(other)
    name = mine["data"]["order"]["id"]
    stolen = payout(name=f"x{name}", orders=[name], payee=other["data"]["driver"]["id"])
    assert live.post(stolen).body["code"] == "payee_mismatch"
    inverted = payout(name=f"y{name}", orders=[name], payee=mine["data"]["driver"]["id"])
    assert live.post(unlike(inverted, "/data/period/from", "2026-03-01")).body["code"] == "period_invalid"


def test_a_refund_beyond_what_remains_is_held(live: Live) -> None:
    event = payment()
    live.post(event)
    refund = {
        "currency": "EUR",
        "refund": {"id": f"rf_{event['id']}", "payment_id": event["data"]["payment"]["id"], "reason": "TOO_MUCH"},
        "lines": [{"id": "1", "kind": "REFUND_ITEM", "description": "Todo y más", "amount": "22.01", "tax": "IVA10"}],
    }
    answer = live.post(event | {"id": f"{event['id']}_rf", "type": "REFUND_ISSUED", "data": refund})
    assert (answer.status, answer.body["code"]) == (202, "credit_exceeds_remaining")


DEEP = b'{"a":' * 40 + b"1" + b"}" * 40
MALFORMED: dict[str, bytes] = {
    "not JSON": b"{",
    "nothing": b"",
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "a member twice": b'{"id": "a", "id": "b"}',
    "NaN": b'{"id": NaN}',
    "infinity": b'{"id": -Infinity}',
    "too deep": DEEP,
    "deep enough to break a parser": b"[" * 500_000,
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "a huge number": b'{"id": ' + b"9" * 5000 + b"}",
    "a lone surrogate": b'{"id": "\\ud800"}',
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_event_is_refused_kept_once_and_takes_no_number(live: Live, what: str) -> None:
    before = live.numbered()
    first, again = live.post(raw=MALFORMED[what]), live.post(raw=MALFORMED[what])
    assert first.status == again.status == 400
    assert first.headers["content-type"].startswith("application/problem+json")
    assert first.body["code"] in {"malformed_json", "validation_error"}
    assert live.numbered() == before
    kept = live.rows("SELECT status, repeats, code FROM documents_event WHERE body = %s", [MALFORMED[what]])
    assert kept == [{"status": "refused", "repeats": 1, "code": first.body["code"]}]


HOSTILE: dict[str, tuple[str, object]] = {
    "an amount that is a number": ("/data/lines/0/amount", 22.0),
    "an amount that is a whole number": ("/data/lines/0/amount", 22),
    "an exponent": ("/data/lines/0/amount", "2.2e1"),
    "a plus sign": ("/data/lines/0/amount", "+22.00"),
    "too many digits": ("/data/lines/0/amount", "22.001"),
    "an amount of a million digits": ("/data/lines/0/amount", "9" * 100_000),
    "arabic digits": ("/data/lines/0/amount", "\u0662\u0662.\u0660\u0660"),
    "a null": ("/data/order/city", None),
    "an unknown field": ("/data/surprise", "x"),
    "a missing field": ("/data/lines", []),
    "a wrong type": ("/data/customer", []),
    "a control character": ("/data/customer/legal_name", "Ana\u0007"),
    "a NUL": ("/data/customer/legal_name", "Ana\u0000"),
    "a bidi override": ("/data/customer/legal_name", "Ana\u202eoiluJ"),
    "100,000 combining marks": ("/data/customer/legal_name", "a" + "\u0301" * 100_000),
    "nine combining marks": ("/data/customer/legal_name", "q" + "\u0323" * 9),
    "a colon in an id": ("/data/payment/id", "pay:1"),
    "a NUL in an id": ("/data/payment/id", "pay\u0000"),
    "a line break in an e-mail": ("/data/customer/email", "a@example.com\nBcc: b@example.com"),
    "a name of 501 characters": ("/data/customer/legal_name", "x" * 501),
    "5,000 lines": (
        "/data/lines",
        [{"id": str(n), "kind": "FARE", "description": "x", "amount": "0.01"} for n in range(5000)],
    ),
    "a line id twice": ("/data/lines", [{"id": "1", "kind": "FARE", "description": "x", "amount": "0.01"}] * 2),
    "a date that never was": ("/data/payment/captured_at", "2026-02-30T00:00:00Z"),
    "a date without a zone": ("/data/payment/captured_at", "2026-02-21T08:40:09"),
    "the future": ("/occurred_at", "2199-01-01T00:00:00Z"),
    "an event id with a blank": ("/id", "evt 1"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_field_is_refused_with_its_pointer_and_takes_no_number(live: Live, what: str) -> None:
    pointer, value = HOSTILE[what]
    before = live.numbered()
    answer = live.post(unlike(payment(), pointer, value))
    assert (answer.status, answer.body["code"]) == (400, "validation_error")
    assert any(fault["pointer"].startswith(pointer) for fault in answer.body["errors"]), answer.body["errors"]
    assert live.numbered() == before


MARKUP = "<script>alert(1)</script><img src='file:///etc/passwd'>{{ 7*7 }}{% include 'x' %}"


def test_markup_in_every_text_is_printed_as_text_and_opens_nothing(live: Live, s3_objects: objects.Objects) -> None:
    event = payment()
    for pointer in ("/data/payment/method", "/data/payment/brand", "/data/order/service", "/data/order/city"):
        event = unlike(event, pointer, MARKUP)
    for pointer in ("/data/customer/legal_name", "/data/customer/address", "/data/lines/0/description"):
        event = unlike(event, pointer, MARKUP + "<a href='http://127.0.0.1:1/'>x</a>")
    answer = live.post(event)
    assert answer.status == 201
    (row,) = live.await_locked(keys=[answer.body["documents"][0]["document_key"]])
    assert MARKUP in json.loads(row["content"])["owner"]["legal_name"]
    body = s3_objects.read(url=live.vault_url, key=row["vault_key"], version=row["vault_version"])
    assert b"root:x:0" not in body


@pytest.mark.parametrize("name", ["Ana 🚕 Ruiz", "王小明", "Ана", "a\u0323\u0301", "O'Brien & Hijos <S.L.>"])
def test_a_name_in_any_script_stops_no_document(live: Live, name: str) -> None:
    answer = live.post(unlike(payment(), "/data/customer/legal_name", name))
    assert answer.status == 201
    (row,) = live.await_locked(keys=[answer.body["documents"][0]["document_key"]])
    assert row["template"].endswith("payment_receipt/v1.html")
    assert ("glyph_substituted" in row["flags"]) == any(word in name for word in ("🚕", "王"))


def test_nothing_that_this_module_sent_left_the_books_in_disorder(live: Live) -> None:
    live.await_quiet()
    findings = [one for one in live.check() if not one.startswith("event ")]
    assert findings == []


def _secret(service: str) -> str:
    from django.conf import settings

    return str(settings.WEBHOOK_SECRETS[service][0])


def _events(live: Live) -> int:
    return int(live.one("SELECT count(*) FROM documents_event"))


def _denials(live: Live) -> int:
    return int(live.one("SELECT coalesce(sum(count), 0) FROM audit_event WHERE action = 'event.denied'"))


def _discrepancies(live: Live, code: str, word: str) -> list[dict[str, Any]]:
    return live.rows("SELECT * FROM documents_discrepancy WHERE code = %s AND dedup_key LIKE %s", [code, f"%{word}%"])


def _ids(answer: Any) -> list[str]:
    return [document["id"] for document in answer.body["documents"]]
