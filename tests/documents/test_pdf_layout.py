"""Where things stand on the page: nothing collides, no amount is broken, no name or total is alone on its page."""

import datetime as dt
import re
from collections.abc import Iterator

import pypdfium2
import pytest

from documents.rendering import pool as renderer_pool
from documents.rendering import render
from tests.documents import pdf_contents

ISSUED_AT = dt.datetime(2026, 2, 24, 9, 30, tzinfo=dt.UTC)
GROUPS = [{"code": f"IVA{place}", "rate": "0.1", "base": "-5.00", "tax": "-0.50"} for place in range(1, 9)]
TOLL = {"id": "2", "kind": "TOLL", "description": "Peaje", "amount": "2.40"}
WELCOME = {"id": "3", "kind": "PROMOTION", "description": "Bienvenida", "amount": "-2.00", "tax": "IVA10"}


@pytest.fixture(scope="module")
def pool() -> Iterator[renderer_pool.Pool]:
    """One child for the module."""
    found = renderer_pool.Pool(size=1)
    yield found
    found.close()


def pages(pool: renderer_pool.Pool, content: pdf_contents.ContentJson) -> list[list[str]]:
    """The lines of each page, as they stand."""
    document = pypdfium2.PdfDocument(render.render(content=content, issued_at=ISSUED_AT, pool=pool).pdf)
    try:
        texts = [leaf.get_textpage().get_text_range() for leaf in document]
    finally:
        document.close()
    return [[line.strip() for line in text.splitlines() if line.strip()] for text in texts]


def begins(lines: list[str], word: str) -> bool:
    return any(line.startswith(word) for line in lines)


@pytest.mark.parametrize("count", range(2, 9))
def test_what_follows_the_taxes_stands_below_them_however_many_they_are(pool: renderer_pool.Pool, count: int) -> None:
    content = pdf_contents.receipt() | {"tax_groups": GROUPS[:count]}
    document = pypdfium2.PdfDocument(render.render(content=content, issued_at=ISSUED_AT, pool=pool).pdf)
    try:
        text = document[0].get_textpage()
        first, last = (text.search(word, match_case=True).get_next() for word in ("Pago Payment", f"IVA{count}"))
        assert first
        assert last
        heading, row = text.get_charbox(first[0]), text.get_charbox(last[0])
    finally:
        document.close()
    assert abs(heading[0] - row[0]) < 3, "at the left margin"
    assert heading[3] < row[1], "below the last tax"


@pytest.mark.parametrize("cents", ["1000000.00", "-12345678.90", "-123456789.55"])
def test_no_amount_of_a_tax_is_broken_over_two_lines(pool: renderer_pool.Pool, cents: str) -> None:
    content = pdf_contents.partner()
    content["tax_groups"] = [{"code": "IVA19", "rate": "0.105", "base": cents, "tax": cents}]
    said = f"{float(cents):,.2f}".translate(str.maketrans(",.", ".,"))
    if cents.endswith("00"):  # no centavos in the whole document: none is printed
        said = said[:-3]
    (page,) = pages(pool, content)
    assert f"IVA19 10,5 % {said} {said}" in page


@pytest.mark.parametrize("rows", range(42, 48))
def test_a_tables_total_is_never_without_its_last_order_and_the_sum_it_goes_on_from(
    pool: renderer_pool.Pool, rows: int
) -> None:
    content = pdf_contents.payout(rows=rows)
    for key in ("adjustment", "order_date"):
        del content["settles"][-1][key]
    found = pages(pool, content)
    number = next(place for place, lines in enumerate(found) if begins(lines, "Total del periodo"))
    total = next(place for place, line in enumerate(found[number]) if line.startswith("Total del periodo"))
    assert "Tarifa" in found[number][total - 1]
    assert re.search("ord_", found[number][total - 2])
    before, after = "\n".join(found[number - 1]), "\n".join(found[number])
    (carried,) = re.findall("Suma y sigue ([0-9.,]+) MXN", before)
    assert f"Suma anterior {carried} MXN" in after


@pytest.mark.parametrize("rows", range(24, 30))
def test_the_totals_of_a_payout_stay_on_one_page(pool: renderer_pool.Pool, rows: int) -> None:
    content = pdf_contents.payout(rows=rows)
    content["concepts"] = [{"concept": "FARE", "amount": "1300.00"}] * 9
    where = [
        {place for place, lines in enumerate(pages(pool, content)) if any(re.match(word, line) for line in lines)}
        for word in ("Liquidaciones por concepto", "IVA VAT", "Liquidaciones incluidas", "Importe del pago .+MXN")
    ]
    assert where == [where[0]] * 4
    assert len(where[0]) == 1


@pytest.mark.parametrize("fares", range(22, 32))
def test_no_sections_name_is_the_last_thing_on_a_page(pool: renderer_pool.Pool, fares: int) -> None:
    content = pdf_contents.order()
    fare, *others = content["lines"]
    content["lines"] = [fare | {"id": f"f{place}", "description": "Tarifa"} for place in range(fares)] + others
    del content["explanation"]
    for lines in pages(pool, content):
        body = [line for line in lines if not line.startswith(("Página", content["number"]))]
        assert not re.match("Propinas|Comisiones|Servicio S|Detalle|Nº|IVA VAT|Pedido Order", body[-1])


def test_a_customer_reads_of_items_and_discounts_and_of_a_total_with_an_untaxed_toll_in_it(
    pool: renderer_pool.Pool,
) -> None:
    content = pdf_contents.receipt()
    content["lines"] += [TOLL, WELCOME]
    (page,) = pages(pool, content)
    assert {"Conceptos Items", "Descuentos Discounts", "Total sin impuestos 22,00 EUR"} <= set(page)
    assert not begins(page, "Ingresos")
    assert not begins(page, "Base imponible")


def test_what_this_payout_leaves_of_a_document_is_not_called_paid(pool: renderer_pool.Pool) -> None:
    content = pdf_contents.payout()
    first = content["settles"][0]
    content["explanation"] += [{"order": first["order"], "number": first["number"], "rule": "part", "amount": "-1.00"}]
    text = "\n".join("\n".join(lines) for lines in pages(pool, content))
    assert "Fuera de este pago -1.00" in text
