"""How a party is called and reached follows from when its events occurred, never from the order in which they came."""

import concurrent.futures
import json
from typing import Any

import pytest
from django.db import connections, transaction

from documents.models import Document, Notice, Party
from payouts.issuing import parties
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling

pytestmark = pytest.mark.django_db
OLD = {"id": "drv_1", "legal_name": "Nombre Viejo", "tax_id": "X1234567L"}
NEW = {"id": "drv_1", "legal_name": "Nombre Nuevo", "tax_id": "12345678Z"}
BONUS: dict[str, Any] = {"adjustments": [making.line("50.00", kind="BONUS")]}


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _order(name: str, day: int, driver: dict[str, str], **more: Any) -> dict[str, Any]:
    return making.order(name, at=f"2026-02-{day:02}T10:00:00Z", driver=driver["id"]) | {
        "data": making.order(name, at=f"2026-02-{day:02}T10:00:00Z")["data"] | {"driver": driver} | more
    }


def _owner(key: str) -> tuple[str, str | None]:
    owner = json.loads(telling.document(key).content)["owner"]
    return owner["legal_name"], owner.get("tax_id")


def _party() -> tuple[str, str, str, str]:
    row = Party.objects.get(platform_id="drv_1")
    return row.legal_name, row.tax_id, row.email, row.locale


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_documents_that_name_nobody_print_the_name_of_their_own_day(order: tuple[int, ...]) -> None:
    named = [_order("ord_1", 10, OLD), _order("ord_2", 12, NEW), _order("ord_3", 20, OLD)]
    telling.told([named[place] for place in order])
    sent = [making.payout(f"po_{day}", "50.00", at=f"2026-02-{day}T07:00:00Z", **BONUS) for day in (11, 13, 23)] + [
        making.payout("po_9", "50.00", at="2026-02-09T07:00:00Z", **BONUS)
    ]
    assert set(telling.told(sent)) == {"processed"}
    old, new = ("Nombre Viejo", "X1234567L"), ("Nombre Nuevo", "12345678Z")
    assert [_owner(f"PAYOUT_STATEMENT:payout:po_{day}:payee") for day in (9, 11, 13, 23)] == [old, old, new, old]
    assert _party()[:2] == old
    assert run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings == {}


def test_notices_adjustments_and_credits_print_it_too() -> None:
    customers = [
        making.payment(name, "10.00", [making.line("10.00")], customer={"id": "cus_1", "legal_name": legal_name})
        for name, legal_name in (("pay_1", "Cliente Viejo"), ("pay_2", "Cliente Nuevo"))
    ]
    customers[1]["occurred_at"] = customers[1]["data"]["payment"]["captured_at"] = "2026-02-19T09:00:00Z"
    events = [
        _order("ord_1", 10, OLD),
        making.payout("po_1", "10.00", orders=["ord_1"], at="2026-02-11T07:00:00Z"),
        _order("ord_2", 12, NEW),
        making.adjustment("adj_1", "ord_1"),
        making.reversal("po_1", "10.00", at="2026-02-14T07:00:00Z"),
        making.reversal("po_2", "5.00", kind="PAYOUT_FAILED", at="2026-02-11T09:00:00Z"),
        *customers,
        making.refund("rf_1", "pay_1", [making.line("1.00", kind="REFUND_ITEM")]),
    ]
    assert set(telling.told(events)) == {"processed"}
    old, new = ("Nombre Viejo", "X1234567L"), ("Nombre Nuevo", "12345678Z")
    assert _owner("PAYOUT_STATEMENT:payout:po_1:payee") == old
    assert _owner("PAYOUT_REVERSAL_NOTICE:payout:po_2:payee:failed") == old
    assert _owner("PAYOUT_REVERSAL_NOTICE:payout:po_1:payee:returned") == new
    assert _owner("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary:adj_1") == new
    assert _owner("CREDIT_NOTE:refund:rf_1:customer") == ("Cliente Nuevo", None)
    assert run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings == {}


def test_what_takes_a_statement_back_prints_it_too() -> None:
    events = [
        _order("ord_1", 10, OLD),
        _order("ord_2", 12, OLD),
        making.payment("pay_1", "10.00", [making.line("10.00")], customer={"id": "cus_1", "legal_name": "Cliente"}),
        _order("ord_3", 14, NEW),
        making.order_canceled("ord_1", at="2026-02-16T10:00:00Z"),
        making.reassignment("ra_1", "ord_2", at="2026-02-17T10:00:00Z"),
        making.cancellation("pay_1", at="2026-02-18T10:00:00Z"),
    ]
    assert set(telling.told(events)) == {"processed"}
    new = ("Nombre Nuevo", "12345678Z")
    assert _owner("CREDIT_NOTE:order:ord_1:beneficiary:canceled") == new
    assert _owner("CREDIT_NOTE:reassignment:ra_1:beneficiary") == new
    assert _owner("CREDIT_NOTE:payment:pay_1:customer:canceled") == ("Cliente", None)


def test_a_name_of_another_country_is_not_printed() -> None:
    there = _order("ord_mx", 12, OLD | {"legal_name": "Nombre Mexicano", "tax_id": "GODE561231GR8"})
    there |= {"country": "MX", "issuer": "aventide-mx"}
    there["data"] |= {"currency": "MXN"}
    sent = making.payout("po_1", "50.00", **BONUS)
    assert telling.told([_order("ord_1", 10, NEW), there, sent]) == ["processed"] * 3
    assert _owner("PAYOUT_STATEMENT:payout:po_1:payee") == ("Nombre Nuevo", "12345678Z")


@pytest.mark.parametrize("order", arrival.orders(range(4)))
def test_the_first_address_that_an_event_carries_counts(order: tuple[int, ...]) -> None:
    events = [
        _order("ord_1", 10, OLD),
        _order("ord_2", 11, OLD | {"email": "uno@example.com", "locale": "es-MX"}),
        _order("ord_3", 12, OLD | {"email": "dos@example.com", "locale": "en"}),
        _order("ord_4", 13, OLD | {"email": "uno@example.com"}),
    ]
    telling.told([events[place] for place in order])
    assert _party()[2:] == ("uno@example.com", "es-MX")


def test_after_a_change_of_contact_no_event_moves_the_address() -> None:
    telling.told(
        [
            _order("ord_2", 12, OLD),
            making.contact("drv_1", at="2026-02-13T10:00:00Z", email="tres@example.com"),
            _order("ord_1", 10, OLD | {"email": "uno@example.com"}),
        ]
    )
    assert _party()[2] == "tres@example.com"


def test_a_late_address_of_an_earlier_event_ends_the_links_of_the_other_and_tells_it() -> None:
    fleet = {"id": "flt_1", "legal_name": "Flota Ficticia"}
    later, earlier = ("dos@example.com", "cuatro@example.com"), ("uno@example.com", "tres@example.com")
    for name, day, (driver, owner) in (("ord_2", 12, later), ("ord_1", 10, earlier)):
        event = _order(name, day, OLD | {"email": driver}, beneficiary=fleet | {"email": owner})
        assert telling.told([event]) == ["processed"]
    assert sorted(Notice.objects.values_list("address", flat=True)) == sorted(later)
    assert sorted(Party.objects.values_list("email", flat=True)) == sorted(earlier)


def test_a_payout_is_mailed_to_the_address_that_came_with_the_second_event() -> None:
    telling.told([_order("ord_1", 10, OLD), _order("ord_2", 12, OLD | {"email": "tarde@example.com"})])
    telling.told([making.payout("po_1", "10.00", orders=["ord_2"])])
    assert telling.document("PAYOUT_STATEMENT:payout:po_1:payee").owner.email == "tarde@example.com"


def test_a_divergent_repeat_moves_no_name() -> None:
    telling.told([_order("ord_1", 10, OLD), _order("ord_1", 12, NEW) | {"id": "evt_other"}])
    assert _party()[:2] == ("Nombre Viejo", "X1234567L")


@pytest.mark.django_db(transaction=True)
def test_a_name_that_changes_while_the_payee_is_paid_waits_for_that() -> None:
    telling.told([_order("ord_1", 10, OLD)])

    def tell() -> str:
        try:
            return str(telling.tell(_order("ord_2", 12, NEW)).body["status"])
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as other:
        with transaction.atomic():
            parties.lock_party(platform_id="drv_1")
            answer = other.submit(tell)
            with pytest.raises(concurrent.futures.TimeoutError):
                answer.result(timeout=1)
        assert answer.result(timeout=10) == "processed"
    telling.catch_up()
    assert _party()[:2] == ("Nombre Nuevo", "12345678Z")
    assert Document.objects.count() == len({row.number for row in Document.objects.all()}) == 2
