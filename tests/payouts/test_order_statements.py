"""What an order leaves each of its people: never a wrong amount, never on the wrong paper."""

import json
from typing import Any

import pytest

from documents.models import Document, Event, EventStatus, Party, Series
from tests.payouts import arrival, making, telling

pytestmark = pytest.mark.django_db
OFS = "ORDER_FINAL_STATEMENT:order"


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _held(event: dict[str, Any]) -> dict[str, Any]:
    """Tell an event that must be held, and make sure that nothing came of it."""
    before = Document.objects.count(), Series.objects.count(), Party.objects.count()
    answer = telling.tell(event)
    assert (answer.status, answer.body["status"], answer.body["documents"]) == (202, "held", [])
    assert (Document.objects.count(), Series.objects.count(), Party.objects.count()) == before
    return answer.body


def _content(key: str) -> dict[str, Any]:
    return dict(json.loads(telling.document(key).content))


HELD: dict[str, tuple[str, dict[str, Any], str]] = {
    "a country without pack": ("country_unsupported", {"country": "FR"}, "/country"),
    "an issuer that nobody added": ("issuer_unknown", {"issuer": "nobody"}, "/issuer"),
    "an issuer of another country": ("issuer_unknown", {"issuer": "aventide-mx"}, "/issuer"),
    "another country's currency": ("currency_unsupported", {"currency": "MXN"}, "/data/currency"),
    "a currency of nobody": ("currency_unsupported", {"currency": "XQX"}, "/data/currency"),
    "a tax id with a wrong letter": (
        "tax_id_invalid",
        {"driver": {"id": "drv_1", "legal_name": "Ana", "tax_id": "12345678A"}},
        "/data/driver/tax_id",
    ),
    "a tax id of another type": (
        "tax_id_invalid",
        {"beneficiary": {"id": "flt", "legal_name": "Flota", "tax_id": "B12345675", "tax_id_type": "CIF"}},
        "/data/beneficiary/tax_id",
    ),
    "a tax code of another country": (
        "tax_code_unknown",
        {"lines": [making.line("1.00", tax="IGV18")]},
        "/data/lines/0/tax",
    ),
    "a total off by one cent": ("totals_mismatch", {"totals": {"payable": "10.01"}}, "/data/totals/payable"),
}


@pytest.mark.parametrize("what", sorted(HELD))
def test_an_order_that_cannot_be_issued_is_held_and_takes_no_number(what: str) -> None:
    code, change, pointer = HELD[what]
    event = making.order("ord_1")
    for name, value in change.items():
        (event if name in {"country", "issuer"} else event["data"])[name] = value
    body = _held(event)
    assert body["code"] == code
    assert body["errors"][0]["pointer"] == pointer


def test_a_rate_is_chosen_by_the_operations_local_day_and_not_by_today() -> None:
    old = making.order("ord_1", at="2012-08-31T21:59:59Z", lines=[making.line("10.00", tax="IVA21")])
    assert _held(old)["code"] == "tax_rate_not_in_force"
    # Two hours east it is the first of September already, and IVA at 21 % is in force.
    new = making.order("ord_2", at="2012-08-31T22:00:00Z", lines=[making.line("10.00", tax="IVA21")])
    assert telling.told([new]) == ["processed"]
    assert _content(f"{OFS}:ord_2:beneficiary")["operation_date"] == "2012-09-01"


def test_an_orders_own_time_zone_decides_its_legal_day() -> None:
    event = making.order("ord_1", at="2026-02-17T23:30:00Z")
    event["data"]["order"]["time_zone"] = "Atlantic/Canary"
    telling.told([event])
    content = _content(f"{OFS}:ord_1:beneficiary")
    assert (content["operation_date"], content["time_zone"]) == ("2026-02-17", "Atlantic/Canary")


def test_a_corrected_event_settles_the_held_one() -> None:
    wrong = making.order("ord_1", totals={"payable": "10.01"})
    _held(wrong)
    right = making.order("ord_1", totals={"payable": "10.00"}) | {"id": "evt_mended"}
    assert telling.told([right]) == ["processed"]
    assert Event.objects.get(event_id="evt_ord_1").superseded_by == Event.objects.get(event_id="evt_mended")


def test_a_driver_never_finds_the_partners_lines_on_his_statement() -> None:
    telling.told(telling.sample("co_food"))
    driver, partner = _content(f"{OFS}:ord_CO7:beneficiary"), _content(f"{OFS}:ord_CO7:partner")
    assert [line["id"] for line in driver["lines"]] == ["1", "2"]
    assert [line["id"] for line in partner["lines"]] == ["3", "4"]
    assert "Bandeja" not in json.dumps(driver, ensure_ascii=False)
    assert "Andes" not in json.dumps(driver, ensure_ascii=False)
    assert "Jhon" not in json.dumps(partner, ensure_ascii=False)
    assert telling.document(f"{OFS}:ord_CO7:partner").owner.platform_id == "ptn_andes"


def test_a_fleets_driver_does_not_own_the_fleets_money() -> None:
    fleet = {"id": "flt_1", "legal_name": "Flota Sur, S.L.", "tax_id": "B12345674"}
    telling.told([making.order("ord_1", beneficiary=fleet)])
    content = _content(f"{OFS}:ord_1:beneficiary")
    assert telling.document(f"{OFS}:ord_1:beneficiary").owner.platform_id == "flt_1"
    assert content["driver"] == {"id": "drv_1", "legal_name": "Conductora drv_1"}


def test_the_content_holds_no_contact_data() -> None:
    telling.told([event for name in ("es_ride", "mx_week", "co_food", "co_refund") for event in telling.sample(name)])
    for text in Document.objects.values_list("content", flat=True):
        assert "example.com" not in text
        assert "locale" not in text


def test_a_withholding_that_does_not_add_up_is_printed_as_declared_and_flagged() -> None:
    withholding = {"name": "IRPF", "rate": "0.15", "base": "10.00", "amount": "1.52", "legal_ref": "RIRPF art. 95"}
    telling.told([making.order("ord_1", withholdings=[withholding], totals={"payable": "8.48"})])
    document = telling.document(f"{OFS}:ord_1:beneficiary")
    assert document.flags == ["withholding_declared"]
    assert json.loads(document.content)["withholdings"][0]["status"] == "declared"


def test_a_mexican_tax_id_with_a_wrong_check_digit_warns_and_holds_nobodys_money() -> None:
    event = telling.sample("mx_week")[0]
    event["data"]["driver"]["tax_id"] = "CACX7605101P9"
    assert telling.told([event]) == ["processed"]
    assert telling.document(f"{OFS}:ord_MXA:beneficiary").flags == ["tax_id_warning"]


def test_gross_prices_keep_their_total() -> None:
    telling.told([making.order("ord_1", prices="gross", lines=[making.line("10.00", tax="IVA21")])])
    totals = _content(f"{OFS}:ord_1:beneficiary")["totals"]
    assert totals == {"earnings": "8.26", "deductions": "0.00", "tax": "1.74", "withheld": "0.00", "payable": "10.00"}


def test_a_divergent_repeat_changes_nothing_and_is_on_record() -> None:
    telling.told([making.order("ord_1")])
    before = telling.document(f"{OFS}:ord_1:beneficiary").content
    answer = telling.tell(making.order("ord_1", "11.00", driver="drv_2") | {"id": "evt_other"})
    assert (answer.status, answer.body["replayed"]) == (200, True)
    document = telling.document(f"{OFS}:ord_1:beneficiary")
    assert (document.content, document.owner.platform_id) == (before, "drv_1")
    assert [row.code for row in document.discrepancies.all()] == ["divergent_repeat"]


def test_an_adjustment_supplements_the_first_statement_and_names_it() -> None:
    telling.told([making.order("ord_1"), making.adjustment("adj_1", "ord_1", totals={"payable": "2.00"})])
    first = telling.document(f"{OFS}:ord_1:beneficiary")
    supplement = telling.document(f"{OFS}:ord_1:beneficiary:adj_1")
    content = json.loads(supplement.content)
    assert content["adjustment"] == {"id": "adj_1", "reason": "Propina tardía", "corrects": first.number}
    assert (supplement.total_minor, supplement.owner_id, supplement.corrects_id) == (200, first.owner_id, first.pk)
    assert first.total_minor == 1000


def test_an_adjustment_waits_for_its_order() -> None:
    answer = telling.tell(making.adjustment("adj_1", "ord_1"))
    assert (answer.status, answer.body["status"], answer.body["missing"]) == (202, "parked", ["order:ord_1"])
    telling.told([making.order("ord_1")])
    assert telling.document(f"{OFS}:ord_1:beneficiary:adj_1")
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


def test_an_adjustment_downwards_takes_away() -> None:
    telling.told([making.order("ord_1"), making.adjustment("adj_1", "ord_1", "-3.00")])
    assert telling.document(f"{OFS}:ord_1:beneficiary:adj_1").total_minor == -300


def test_an_adjustment_of_the_partners_lines_is_the_partners_alone() -> None:
    partner = {"id": "ptn_1", "legal_name": "Bar Sur"}
    lines = [making.line("10.00"), making.line("5.00", name="2", kind="ITEM", party="partner")]
    late = making.adjustment("adj_1", "ord_1", lines=[making.line("-1.00", kind="ITEM", party="partner")])
    telling.told([making.order("ord_1", lines=lines, partner=partner), late])
    supplement = Document.objects.get(document_key_id=f"{OFS}:ord_1:partner:adj_1")
    assert (supplement.owner.platform_id, supplement.total_minor) == ("ptn_1", -100)
    assert not Document.objects.filter(document_key_id=f"{OFS}:ord_1:beneficiary:adj_1").exists()


def test_an_adjustment_for_a_partner_whom_the_order_never_named_is_held() -> None:
    telling.told([making.order("ord_1")])
    late = making.adjustment("adj_1", "ord_1", lines=[making.line("-1.00", kind="ITEM", party="partner")])
    assert _held(late)["code"] == "party_unknown"


def test_an_adjustment_by_another_issuer_is_held() -> None:
    telling.told([making.order("ord_1")])
    event = making.adjustment("adj_1", "ord_1")
    event |= {"country": "CO", "issuer": "aventide-co"}
    event["data"]["currency"] = "COP"
    assert _held(event)["code"] == "country_unsupported"


def test_a_partner_without_lines_still_gets_the_statement_that_the_order_names_him_for() -> None:
    telling.told([making.order("ord_1", partner={"id": "ptn_1", "legal_name": "Bar Sur"})])
    assert telling.document(f"{OFS}:ord_1:partner").total_minor == 0


@pytest.mark.parametrize("order", arrival.orders(range(3)))
def test_contact_data_is_the_newest_whatever_came_first(order: tuple[int, ...]) -> None:
    told = making.order("ord_1")
    told["data"]["driver"] |= {"email": "first@example.com", "locale": "es-ES"}
    events = [
        told,
        making.contact("drv_1", at="2026-02-18T10:00:00Z", email="second@example.com", locale="ca"),
        making.contact("drv_1", at="2026-02-19T10:00:00Z", email="third@example.com"),
    ]
    telling.told([events[place] for place in order])
    party = Party.objects.get(platform_id="drv_1")
    assert (party.email, party.locale) == ("third@example.com", "ca")
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


def test_a_later_order_does_not_move_somebodys_mail() -> None:
    first, second = making.order("ord_1"), making.order("ord_2", at="2026-02-18T10:00:00Z")
    first["data"]["driver"]["email"] = "own@example.com"
    second["data"]["driver"]["email"] = "thief@example.com"
    telling.told([first, second])
    assert Party.objects.get(platform_id="drv_1").email == "own@example.com"


def test_a_withholding_on_more_than_the_order_earned_is_declared_however_right_its_arithmetic() -> None:
    for order, base, amount in (("ord_1", "10.00", "1.50"), ("ord_2", "10.01", "1.50")):
        withholding = {"name": "IRPF", "rate": "0.15", "base": base, "amount": amount, "legal_ref": "RIRPF art. 95"}
        telling.told([making.order(order, withholdings=[withholding])])
    assert [
        (document.flags, json.loads(document.content)["withholdings"][0]["status"])
        for document in (telling.document(f"{OFS}:{order}:beneficiary") for order in ("ord_1", "ord_2"))
    ] == [([], "checked"), (["withholding_declared"], "declared")]
