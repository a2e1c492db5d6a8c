"""A tax that a country charges is charged, beside another where the law says so, and what is not charged says why."""

import json
from decimal import Decimal
from typing import Any

import pytest

from audit import log
from documents import identifiers
from documents.models import Document, Event
from documents.rendering import render
from payouts.calculation import footing
from payouts.issuing.credit_notes import CreditedAmount
from payouts.review import corrections
from tests import cast
from tests.documents import pdf_reading
from tests.payouts import making, telling
from tests.payouts.making import EventJson

pytestmark = pytest.mark.django_db
PR = "PAYMENT_RECEIPT:payment:pay_1:customer"
OFS = "ORDER_FINAL_STATEMENT:order:ord_1:beneficiary"
CURRENCIES = {"ES": "EUR", "MX": "MXN", "CO": "COP", "AR": "ARS", "CL": "CLP", "PE": "PEN"}
SPIRITS = ["IVA19", "ILA315"]


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _in(country: str, event: EventJson) -> EventJson:
    event["data"]["currency"] = CURRENCIES[country]
    return event | {"country": country, "issuer": f"aventide-{country.lower()}"}


def _line(amount: str, *codes: str, name: str = "1", **more: str) -> EventJson:
    line: EventJson = making.line(amount, name=name, **more)
    return line | ({"tax": codes[0]} if len(codes) == 1 else {"taxes": list(codes)} if codes else {})


def _told(event: EventJson) -> dict[str, Any]:
    """Tell an event that is issued, check its page, and return its content."""
    answer = telling.tell(event)
    assert answer.status == 201, answer.body
    document = Document.objects.get(public_id=answer.body["documents"][0]["id"])  # type: ignore[index]  # JSON
    content: dict[str, Any] = json.loads(document.content)
    gaps = footing.gaps(
        kind=document.kind,
        content=content,
        total_minor=document.total_minor,
        digits=0 if document.country_id == "CL" else 2,
    )
    assert gaps == []
    return content


def _page(content: dict[str, Any]) -> str:
    """Print a content; every leaf of it is in the text."""
    said = pdf_reading.squashed(pdf_reading.text(render.render(content=content, issued_at=telling.NOW).pdf))
    assert pdf_reading.unprinted(content=content, said=said) == []
    return said


ZERO = [
    ("ES", "IVA0"),
    ("ES", "EXENTO"),
    ("ES", "IGIC0"),
    ("MX", "IVA0"),
    ("MX", "EXENTO"),
    ("CO", "IVA0"),
    ("CO", "EXCLUIDO"),
    ("AR", "EXENTO"),
    ("AR", "NO_GRAVADO"),
    ("CL", "EXENTO"),
    ("PE", "EXONERADO"),
    ("PE", "INAFECTO"),
]


@pytest.mark.parametrize(("country", "code"), ZERO)
def test_what_pays_no_tax_says_by_which_law(country: str, code: str) -> None:
    content = _told(_in(country, making.payment("pay_1", "100", [_line("100", code)])))
    (group,) = content["tax_groups"]
    assert (group["code"], group["rate"], group["tax"].strip("0.")) == (code, "0", "")
    assert Decimal(content["totals"]["gross"]) == 100
    assert group["legal_reason"]["es"]
    assert group["legal_reason"]["en"]


def test_the_reason_is_printed_on_the_page_and_on_that_of_its_credit() -> None:
    paid = _told(_in("MX", making.payment("pay_1", "100.00", [_line("100.00", "IVA0")])))
    assert "Tasa0%:LIVA,art.2-AZerorate:VATAct,section2-A" in _page(paid)
    given = _told(_in("MX", making.refund("rf_1", "pay_1", [_line("40.00", "IVA0", kind="REFUND_ITEM")])))
    assert given["tax_groups"][0]["legal_reason"] == paid["tax_groups"][0]["legal_reason"]
    _page(given)


@pytest.mark.parametrize(
    ("code", "tax"),
    [
        ("IGIC3", "0.60"),
        ("IGIC7", "1.40"),
        ("IGIC95", "1.90"),
        ("IGIC15", "3.00"),
        ("IPSI05", "0.10"),
        ("IPSI10", "2.00"),
    ],
)
def test_the_islands_and_the_cities_in_africa_have_their_own_tax(code: str, tax: str) -> None:
    gross = str(Decimal(20) + Decimal(tax))
    content = _told(making.payment("pay_1", gross, [_line("20.00", code)]))
    assert content["totals"] == {"net": "20.00", "tax": tax, "gross": gross}
    assert "legal_reason" not in content["tax_groups"][0]


def test_no_page_calls_another_tax_iva() -> None:
    islands = _told(making.payment("pay_1", "20.60", [_line("20.00", "IGIC3")]))
    said = _page(islands)
    assert "Impuesto0,60EUR" in said
    assert "IVA0,60EUR" not in said
    mainland = _told(making.payment("pay_2", "22.00", [_line("20.00", "IVA10")]))
    assert "IVA2,00EUR" in _page(mainland)


def test_spirits_pay_two_taxes_on_one_base() -> None:
    event = _in("CL", making.payment("pay_1", "1505", [_line("1000", *SPIRITS)]))
    event["data"]["totals"] = {"net": "1000", "tax": "505", "gross": "1505"}
    content = _told(event)
    assert content["totals"] == {"net": "1000", "tax": "505", "gross": "1505"}
    assert content["lines"][0]["taxes"] == SPIRITS
    assert [(row["code"], row["base"], row["tax"]) for row in content["tax_groups"]] == [
        ("ILA315", "1000", "315"),
        ("IVA19", "1000", "190"),
    ]
    said = _page(content)
    assert "IVA19+ILA315" in said
    assert "ILA315conIVA19" in said
    assert "Impuesto505CLP" in said, "the additional tax is no IVA"


def test_prices_with_two_taxes_inside_keep_their_total() -> None:
    lines = [_line("1505", *SPIRITS), _line("1190", "IVA19", name="2")]
    content = _told(_in("CL", making.payment("pay_1", "2695", lines, prices="gross")))
    assert content["totals"] == {"net": "2000", "tax": "695", "gross": "2695"}


def test_a_refund_of_two_taxes_gives_both_back_in_any_pieces() -> None:
    lines = [_line("1003", "IVA19"), _line("503", *SPIRITS, name="2")]
    sold = _told(_in("CL", making.payment("pay_1", "1950", lines)))
    given = []
    for place, (amount, codes) in enumerate(
        [("201", SPIRITS), ("500", ["IVA19"]), ("302", SPIRITS[::-1]), ("503", ["IVA19"])]
    ):
        piece = _line(amount, *codes, kind="REFUND_ITEM")
        given.append(_told(_in("CL", making.refund(f"rf_{place}", "pay_1", [piece]))))
    for word in ("net", "tax", "gross"):
        assert sum(int(note["totals"][word]) for note in given) == int(sold["totals"][word])
    assert telling.tell(_in("CL", making.refund("rf_9", "pay_1", [_line("1", *SPIRITS)]))).body["code"] == (
        "credit_exceeds_remaining"
    )
    _page(given[0])


def test_finance_credits_two_taxes_as_one_group() -> None:
    _told(_in("CL", making.payment("pay_1", "1505", [_line("1000", *SPIRITS)])))
    receipt = telling.document(PR)
    (group,) = corrections.remaining_creditable(document=receipt)
    assert (group.tax, group.amount_minor, group.gross_minor) == ("ILA315+IVA19", 1000, 1505)
    who = cast.staff(name="sofia", roles=["finance"], countries=["CL"]).user
    note = corrections.correct(
        document=receipt,
        correction_id=identifiers.new(prefix="cor"),
        parts=[CreditedAmount(tax=group.tax, amount_minor=400)],
        reason="Faltó una botella de tres",
        user=who,
        now=telling.NOW,
        actor=log.Actor(kind="user", id=f"usr_{who.pk}", role="finance", channel="web"),
    )
    content = json.loads(note.document.content)
    assert content["totals"] == {"net": "400", "tax": "202", "gross": "602"}
    assert content["lines"][0]["taxes"] == ["ILA315", "IVA19"]
    assert content["lines"][0]["description"] == "Abono: conceptos con ILA315 + IVA19"


def test_an_order_explains_each_of_its_taxes_and_a_payout_pays_them() -> None:
    order = _in(
        "CL",
        making.order(
            "ord_1",
            lines=[_line("1000", *SPIRITS), _line("500", "EXENTO", name="2"), _line("10", name="3", kind="TIP")],
        ),
    )
    content = _told(order)
    assert content["totals"]["payable"] == "2015"
    assert [(row["tax"], row["rate"], row["amount"]) for row in content["explanation"] if row["rule"] == "tax"] == [
        ("ILA315", "0.315", "315"),
        ("IVA19", "0.19", "190"),
        ("EXENTO", "0", "0"),
    ]
    said = _page(content)
    assert "ILA31531,5%+IVA1919%" in said
    assert "315+190" in said
    bonus = _line("100", *SPIRITS, kind="BONUS")
    paid = _told(
        _in(
            "CL",
            making.payout(
                "po_1", "2166", orders=["ord_1"], adjustments=[bonus], cash_collected="0", opening="0", closing="0"
            ),
        )
    )
    assert paid["totals"]["adjustments"] == "151"  # 100 + 19 + 31.5 rounded up
    assert "ILA31531,5%315+IVA1919%190" in _page(paid)


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        (making.line("10.00", tax="IVA10") | {"taxes": ["IVA21"]}, "/data/lines/0"),
        (making.line("10.00") | {"taxes": []}, "/data/lines/0/taxes"),
        (making.line("10.00") | {"taxes": ["IVA10", "IVA10"]}, "/data/lines/0/taxes"),
        (making.line("10.00") | {"taxes": "IVA10"}, "/data/lines/0/taxes"),
        (making.line("10.00") | {"taxes": [f"T{place}" for place in range(11)]}, "/data/lines/0/taxes"),
    ],
)
def test_taxes_that_cannot_be_read_are_refused(line: EventJson, pointer: str) -> None:
    answer = telling.tell(making.payment("pay_1", "11.00", [line]))
    assert answer.status == 400
    assert answer.problem
    assert [fault.pointer for fault in answer.problem.errors] == [pointer]


def test_the_one_code_of_several_that_nobody_knows_is_named() -> None:
    telling.tell(
        _in("CL", making.payment("pay_1", "1505", [_line("500", "IVA19", name="2"), _line("1000", "IVA19", "ILA99")]))
    )
    (event,) = Event.objects.all()
    assert (event.code, event.errors[0]["pointer"]) == ("tax_code_unknown", "/data/lines/1/taxes/1")


def test_a_line_of_one_tax_in_a_list_is_taxed_as_any_other() -> None:
    content = _told(making.order("ord_1", lines=[making.line("22.00") | {"taxes": ["IVA10"]}]))
    assert content["totals"]["payable"] == "24.20"
    assert "with_codes" not in content["tax_groups"][0]
    _page(content)
