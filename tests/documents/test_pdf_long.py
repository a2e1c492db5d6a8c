"""A payout of 1,500 orders is read like one of three: heads on each page, sums carried over, no order torn apart."""

import datetime as dt
import itertools
import re

import pypdfium2
import pytest

from config import env
from documents.rendering import render
from tests.documents import pdf_contents, pdf_reading

ISSUED_AT = dt.datetime(2026, 2, 24, 9, 30, tzinfo=dt.UTC)
ORDERS = 1500


@pytest.fixture(scope="module")
def pages() -> list[str]:
    """The text of each page of the longest payout."""
    found = render.render(content=pdf_contents.payout(rows=ORDERS), issued_at=ISSUED_AT)
    document = pypdfium2.PdfDocument(found.pdf)
    try:
        return [leaf.get_textpage().get_text_range() for leaf in document]
    finally:
        document.close()


def _carried(page: str, word: str) -> list[str]:
    return re.findall(rf"{word} ([0-9.,]+) MXN", page)


def test_each_page_begins_with_the_sum_that_the_page_before_ended_with(pages: list[str]) -> None:
    whole = [page for page in pages[:-1] if "Suma y sigue" in page]
    assert len(whole) > 40
    for before, after in itertools.pairwise(whole):
        assert _carried(before, "Suma y sigue") == _carried(after, "Suma anterior") != []
    assert _carried(pages[0], "Suma anterior") == []


def test_no_sum_is_carried_out_of_a_table_that_has_ended(pages: list[str]) -> None:
    ended = next(number for number, page in enumerate(pages) if "Total del periodo" in page)
    assert _carried(pages[ended], "Suma y sigue") == []
    assert all(_carried(page, "Suma y sigue") == _carried(page, "Suma anterior") == [] for page in pages[ended + 1 :])


def test_each_page_repeats_the_head_and_begins_with_an_order_and_not_with_what_is_left_of_one(pages: list[str]) -> None:
    for page in pages[1:40]:
        lines = [line.strip() for line in page.splitlines()]
        head = next(number for number, line in enumerate(lines) if line.startswith("Pedido"))
        assert re.match("ord_[0-9A-F]{10}", lines[head + 1]), lines[head : head + 3]


def test_every_order_is_there_once_with_where_its_cents_come_from(pages: list[str]) -> None:
    text = pdf_reading.squashed("".join(pages))
    content = pdf_contents.payout(rows=ORDERS)
    for item in content["settles"]:
        assert text.count(item["number"]) >= 1
    fares = [row for row in content["explanation"] if row.get("kind") == "FARE"]
    assert len(fares) == ORDERS
    for row in fares:
        assert pdf_reading.squashed(f"1 Tarifa {pdf_reading.printed(('amount',), row['amount'], content)}") in text


def test_the_plain_template_prints_a_long_payout_too() -> None:
    rows = ORDERS if env.text(name="HYPOTHESIS_PROFILE") == "long" else ORDERS // 4
    found = render.render(content=pdf_contents.payout(rows=rows), issued_at=ISSUED_AT, plain=True)
    assert (found.template, found.pages > rows // 30) == (render.PLAIN, True)
