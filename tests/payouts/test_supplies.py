"""A discount lowers the base of what it reduces; what the platform renders is a supply of its own. Published figures."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import pytest

from audit import log
from documents import identifiers
from documents.models import Document
from documents.rendering import render
from payouts.calculation import amounts, footing, taxes
from payouts.calculation.amounts import AmountLine, Group
from payouts.issuing import credit_notes
from payouts.issuing.credit_notes import CreditedAmount
from payouts.review import corrections
from tests import cast
from tests.documents import pdf_reading
from tests.payouts import making, telling
from tests.payouts.making import EventJson

PR = "PAYMENT_RECEIPT:payment:pay_1:customer"
OFS = "ORDER_FINAL_STATEMENT:order:ord_1:beneficiary"
TaxRow = tuple[str, str, str]  # code, base, tax


@pytest.fixture
def issuers(db: None) -> None:
    telling.issuers()


def _line(amount: str, tax: str = "IVA10", kind: str = "FARE", **more: str) -> EventJson:
    return making.line(amount, name=identifiers.new(prefix="l"), kind=kind, tax=tax or None, **more)


def _issued(event: EventJson) -> Document:
    """Tell an event that is issued and whose page adds up."""
    answer = telling.tell(event)
    assert answer.status == 201, answer.body
    document = Document.objects.get(public_id=answer.body["documents"][0]["id"])  # type: ignore[index]  # JSON
    content = json.loads(document.content)
    digits = 0 if document.currency == "CLP" else 2
    assert footing.gaps(kind=document.kind, content=content, total_minor=document.total_minor, digits=digits) == []
    return document


def _content(document: Document) -> EventJson:
    content: EventJson = json.loads(document.content)
    return content


def _rows(document: Document) -> list[tuple[str, ...]]:
    """The tax rows: code, base, tax, and the supply where it is stated."""
    return [
        (row["code"], row["base"], row["tax"], *([row["supply"]] if "supply" in row else []))
        for row in _content(document)["tax_groups"]
    ]


# -- published figures --


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize(
    ("lines", "prices", "gross", "rows"),
    [
        ([("10.04", "IVA10"), ("-1.05", "IVA10")], "net", "9.89", [("IVA10", "8.99", "0.90")]),
        ([("11.05", "IVA10"), ("-1.05", "IVA10")], "gross", "10.00", [("IVA10", "9.09", "0.91")]),
        ([("10.00", "IVA21"), ("-10.00", "IVA21")], "net", "0.00", [("IVA21", "0.00", "0.00")]),
        # SAT, CFDI 4.0: the base of a tax is the amount less its discount; two taxes have each their own.
        (
            [("193.00", "IVA21"), ("-13.73", "IVA21"), ("5.80", "IVA21"), ("64.46", "IVA10"), ("-1.00", "IVA10")],
            "net",
            "293.74",
            [("IVA21", "185.07", "38.86"), ("IVA10", "63.46", "6.35")],
        ),
    ],
)
def test_a_receipt_has_one_base_for_each_tax(
    lines: list[tuple[str, str]], prices: str, gross: str, rows: list[TaxRow]
) -> None:
    kinds = ["PROMOTION" if amount.startswith("-") else "FARE" for amount, _tax in lines]
    stated = [_line(amount, tax, kind) for (amount, tax), kind in zip(lines, kinds, strict=True)]
    document = _issued(making.payment("pay_1", gross, stated, prices=prices))
    assert _rows(document) == rows
    assert _content(document)["totals"]["gross"] == gross


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize(
    ("country", "currency", "lines", "gross", "rows"),
    [
        # SUNAT, guide to UBL invoices, F001-4355: a global discount of 5 % over what is taxed and what is exempt.
        (
            "PE",
            "PEN",
            [("366525.42", "IGV18"), ("-18326.27", "IGV18"), ("13000.00", "EXONERADO"), ("-650.00", "EXONERADO")],
            "423225.00",
            [("IGV18", "348199.15", "62675.85"), ("EXONERADO", "12350.00", "0.00")],
        ),
        # SII, sample of an electronic invoice (F60T33).
        (
            "CL",
            "CLP",
            [("90000", "IVA19"), ("5800", "IVA19"), ("4200", "IVA19")],
            "119000",
            [("IVA19", "100000", "19000")],
        ),
    ],
)
def test_the_tax_offices_own_samples_come_out(
    country: str, currency: str, lines: list[tuple[str, str]], gross: str, rows: list[TaxRow]
) -> None:
    stated = [_line(amount, tax, "PROMOTION" if amount.startswith("-") else "ITEM") for amount, tax in lines]
    event = making.payment("pay_1", gross, stated)
    event["data"]["currency"] = currency
    assert _rows(_issued(event | {"country": country, "issuer": f"aventide-{country.lower()}"})) == rows


def _of(amount: int, tax: str, kind: str = "FARE") -> AmountLine:
    return AmountLine(
        id=str(amount), amount_minor=amount, tax=tax, supply="platform" if kind == "PLATFORM_FEE" else "service"
    )


@pytest.mark.parametrize(
    ("lines", "rates", "rows"),
    [
        # EN 16931 (Peppol BIS Billing 3, base-example): 7 x 400, -3 x 500 and freight at 25 %.
        ([(280000, "S25"), (-150000, "S25"), (2500, "S25")], {"S25": "0.25"}, [(132500, 33125)]),
        # ZUGFeRD 2, "EN16931_Einfach": 20 x 9.90 at 19 %, 50 x 5.50 at 7 %.
        ([(19800, "S19"), (27500, "S7")], {"S19": "0.19", "S7": "0.07"}, [(19800, 3762), (27500, 1925)]),
    ],
)
def test_the_european_samples_come_out(
    lines: list[tuple[int, str]], rates: dict[str, str], rows: list[tuple[int, int]]
) -> None:
    exact = {code: Fraction(rate) for code, rate in rates.items()}
    groups = taxes.groups(lines=[_of(amount, tax) for amount, tax in lines], rates=exact)
    assert [(group.base_minor, group.tax_minor) for group in groups] == rows


# -- supplies --


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize("prices", ["net", "gross"])
def test_an_orders_fee_is_a_row_of_its_own_and_says_so_on_the_page(prices: str) -> None:
    lines = [_line("20.04", "IVA21"), _line("-1.05", "IVA21", "PROMOTION"), _line("-4.03", "IVA21", "PLATFORM_FEE")]
    document = _issued(making.order("ord_1", lines=lines, prices=prices))
    content, rows = _content(document), _rows(document)
    bases = {"net": ("18.99", "-4.03"), "gross": ("15.69", "-3.33")}[prices]
    assert [(row[1], row[3:]) for row in rows] == [(bases[0], ()), (bases[1], ("platform",))]
    assert (content["totals"]["earnings"], content["totals"]["deductions"]) == bases
    said = pdf_reading.squashed(pdf_reading.text(render.render(content=content, issued_at=telling.NOW).pdf))
    assert "IVA21Plataforma21%" in said
    assert pdf_reading.unprinted(content=content, said=said) == []


@pytest.mark.usefixtures("issuers")
def test_earnings_and_deductions_have_whatever_sign_they_come_to() -> None:
    lines = [_line("1.00"), _line("-3.00", kind="PROMOTION"), _line("5.00", "IVA21", "PLATFORM_FEE")]
    document = _issued(making.order("ord_1", lines=lines))
    totals = _content(document)["totals"]
    assert (totals["earnings"], totals["deductions"], totals["payable"]) == ("-2.00", "5.00", "3.85")


@pytest.mark.usefixtures("issuers")
def test_a_refund_of_a_fee_says_so_and_each_supply_gives_back_its_own() -> None:
    fee = _line("5.00", "IVA21", "PLATFORM_FEE")
    _issued(making.payment("pay_1", "18.15", [_line("10.00", "IVA21"), fee]))
    of_fee = _line("5.00", "IVA21", "REFUND_ITEM", supply="platform")
    assert _rows(_issued(making.refund("rf_1", "pay_1", [of_fee]))) == [("IVA21", "5.00", "1.05", "platform")]
    more = making.refund("rf_2", "pay_1", [_line("0.01", "IVA21", "REFUND_ITEM", supply="platform")])
    assert telling.tell(more).body["code"] == "credit_exceeds_remaining"
    rest = _issued(making.refund("rf_3", "pay_1", [_line("10.00", "IVA21", "REFUND_ITEM")]))
    assert _rows(rest) == [("IVA21", "10.00", "2.10")]


@pytest.mark.usefixtures("issuers")
def test_a_refund_need_not_name_the_only_supply_of_its_tax() -> None:
    _issued(making.payment("pay_1", "17.05", [_line("10.00"), _line("5.00", "IVA21", "PLATFORM_FEE")]))
    note = _issued(making.refund("rf_1", "pay_1", [_line("2.00", "IVA21", "REFUND_ITEM")]))
    assert _rows(note) == [("IVA21", "2.00", "0.42", "platform")]
    rest = [_line("3.00", "IVA21", "REFUND_ITEM", supply="platform"), _line("10.00", "IVA10", "REFUND_ITEM")]
    assert _issued(making.refund("rf_2", "pay_1", rest)).total_minor == 1463


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize(
    ("kind", "supply", "status"),
    [
        ("FARE", "platform", 400),
        ("PROMOTION", "platform", 400),
        ("PLATFORM_FEE", "service", 400),
        ("REFUND_ITEM", "other", 400),
        ("PLATFORM_FEE", "platform", 201),
        ("FARE", "service", 201),
        ("REFUND_ITEM", "platform", 201),
    ],
)
def test_only_a_refund_may_be_of_either_supply(kind: str, supply: str, status: int) -> None:
    stated = making.payment("pay_1", "11.00", [_line("10.00", kind=kind, supply=supply)])
    assert telling.tell(stated).status == status
    if status == 201 and kind != "REFUND_ITEM":  # said or not, it is the same fact
        del stated["data"]["lines"][0]["supply"]
        assert telling.tell(stated | {"id": "evt_again"}).body["documents"][0]["id"]  # type: ignore[index]  # JSON
        assert not Document.objects.exclude(document_key_id=PR).exists()


# -- content frozen before supplies --


@contextlib.contextmanager
def _before() -> Iterator[None]:
    """Freeze tax rows as they were before: of one sign, and none states a supply."""
    groups, rows = taxes.groups, amounts.group_rows

    def of_one_sign(*, lines: Sequence[AmountLine], **more: Any) -> tuple[Group, ...]:
        plain = [dataclasses.replace(line, supply="service") for line in lines]
        sides = ([line for line in plain if (line.amount_minor < 0) is side] for side in (False, True))
        return tuple(group for side in sides for group in groups(lines=side, **more))

    def unsaid(**more: Any) -> list[dict[str, str]]:
        return [{key: value for key, value in row.items() if key != "supply"} for row in rows(**more)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taxes, "groups", of_one_sign)
        patch.setattr(amounts, "group_rows", unsaid)
        yield


@contextlib.contextmanager
def _notes_before() -> Iterator[None]:
    """Freeze credit notes as they were before: neither their lines nor their tax rows state a supply."""
    printed = credit_notes.printed_amounts

    def unsaid(**more: Any) -> dict[str, Any]:
        frozen = printed(**more)
        for row in (*frozen["lines"], *frozen["tax_groups"]):
            row.pop("supply", None)
        return frozen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credit_notes, "printed_amounts", unsaid)
        yield


def _corrected(document: Document, parts: list[CreditedAmount] | None = None) -> Document:
    who = cast.staff(name=f"u{identifiers.new(prefix='u')[-8:]}", roles=["finance"], countries=["ES"]).user
    return corrections.correct(
        document=document,
        correction_id=identifiers.new(prefix="cor"),
        parts=parts,
        reason="Promoción mal aplicada",
        user=who,
        now=telling.NOW,
        actor=log.Actor(kind="user", id=f"usr_{who.pk}", role="finance", channel="web"),
    ).document


def _remaining(document: Document) -> list[tuple[str, int, int]]:
    return [
        (group.supply, group.amount_minor, group.gross_minor)
        for group in corrections.remaining_creditable(document=document)
    ]


@pytest.mark.usefixtures("issuers")
def test_rows_of_one_supply_that_were_frozen_apart_are_credited_as_one() -> None:
    with _before():
        receipt = _issued(making.payment("pay_1", "9.88", [_line("10.04"), _line("-1.05", kind="PROMOTION")]))
    assert _rows(receipt) == [("IVA10", "10.04", "1.00"), ("IVA10", "-1.05", "-0.11")]
    assert _remaining(receipt) == [("service", 899, 988)]
    first = _issued(making.refund("rf_1", "pay_1", [_line("5.00", kind="REFUND_ITEM")]))
    assert (_rows(first), first.total_minor) == ([("IVA10", "5.00", "0.50")], 550)
    more = making.refund("rf_2", "pay_1", [_line("4.00", kind="REFUND_ITEM")])
    assert telling.tell(more).body["code"] == "credit_exceeds_remaining"
    rest = _issued(making.refund("rf_3", "pay_1", [_line("3.99", kind="REFUND_ITEM")]))
    assert _rows(rest) == [("IVA10", "3.99", "0.39")], "what is left of the tax, as it was frozen"
    assert _remaining(receipt) == []


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize(
    ("lines", "remaining"),
    [
        ([("20.00", "FARE"), ("-4.00", "PLATFORM_FEE")], [("service", 2000, 2420), ("platform", -400, -484)]),
        ([("20.00", "FARE"), ("-1.00", "PROMOTION"), ("-4.00", "PLATFORM_FEE")], [("service", 1500, 1815)]),
        ([("20.00", "FARE"), ("-1.00", "PROMOTION")], [("service", 1900, 2299)]),
    ],
)
def test_a_statement_frozen_before_is_credited_to_the_last_cent(
    lines: list[tuple[str, str]], remaining: list[tuple[str, int, int]]
) -> None:
    with _before():
        statement = _issued(making.order("ord_1", lines=[_line(amount, "IVA21", kind) for amount, kind in lines]))
    assert _remaining(statement) == remaining
    assert _corrected(statement).total_minor == statement.total_minor
    assert _remaining(statement) == []


@pytest.mark.usefixtures("issuers")
def test_a_credit_frozen_before_is_taken_from_the_supply_that_it_was_of() -> None:
    lines = [_line("20.00", "IVA21"), _line("-4.00", "IVA21", "PLATFORM_FEE"), _line("-1.00", "", "PLATFORM_FEE")]
    with _before():
        statement = _issued(making.order("ord_1", lines=[*lines, _line("3.00", "", "TIP")]))
    parts = [
        CreditedAmount(tax="IVA21", amount_minor=500),
        CreditedAmount(tax="IVA21", amount_minor=-100, supply="platform"),
        CreditedAmount(tax="", amount_minor=100),
        CreditedAmount(tax="", amount_minor=-50, supply="platform"),
    ]
    with _notes_before():
        note = _corrected(statement, parts)
    assert not any("supply" in row for word in ("lines", "tax_groups") for row in _content(note)[word])
    assert _remaining(statement) == [
        ("service", 1500, 1815),
        ("platform", -300, -363),
        ("platform", -50, -50),
        ("service", 200, 200),
    ]
    assert _corrected(statement).total_minor == 1815 - 363 - 50 + 200
    assert _remaining(statement) == []


@pytest.mark.usefixtures("issuers")
def test_finance_credits_a_fee_as_the_platforms_and_the_page_says_so() -> None:
    statement = _issued(making.order("ord_1", lines=[_line("20.00", "IVA21"), _line("-4.00", "IVA21", "PLATFORM_FEE")]))
    note = _content(_corrected(statement))
    assert [(line["amount"], line.get("supply"), line["description"]) for line in note["lines"]] == [
        ("20.00", None, "Descuento: conceptos con IVA21"),
        ("-4.00", "platform", "Descuento: comisiones con IVA21"),
    ]
    said = pdf_reading.squashed(pdf_reading.text(render.render(content=note, issued_at=telling.NOW).pdf))
    assert pdf_reading.unprinted(content=note, said=said) == []
