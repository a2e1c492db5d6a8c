"""Check that a frozen document adds up: its lines, groups and totals against each other and against its row. Pure.

To foot a page is to add every column again. Nothing here uses the rules of the computation, so that a mistake in them
is noticed; what is checked is what the reader of the PDF could check.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from documents import money


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Two figures of one document that should be the same and are not, in minor units."""

    law: str
    stated_minor: int
    found_minor: int


def gaps(*, kind: str, content: Mapping[str, Any], total_minor: int, digits: int) -> list[Gap]:
    """Return the laws that a document of a kind breaks, with both figures: none of one that adds up.

    :raises KeyError: a kind without laws, or a content without its figures
    :raises errors.Problem: `validation_error`, a text that is no amount
    """
    page = _Page(content=content, digits=digits)
    laws = [("row_total", total_minor, page.total(TOTALS[kind])), *LAWS[kind](page)]
    return [Gap(law=law, stated_minor=stated, found_minor=summed) for law, stated, summed in laws if stated != summed]


Law = tuple[str, int, int]  # its code, the figure that is stated, the one that comes of adding up


@dataclass(frozen=True, kw_only=True)
class _Page:
    """A content's figures as minor units."""

    content: Mapping[str, Any]
    digits: int

    def minor(self, text: str) -> int:
        return money.minor(text, self.digits)

    def total(self, word: str) -> int:
        return self.minor(self.content["totals"][word])

    def column(self, rows: str, word: str = "amount") -> int:
        """Add one column of one table; a table that is not there adds up to zero."""
        return sum(self.minor(row[word]) for row in self.content.get(rows) or ())

    @property
    def gross_prices(self) -> bool:
        return bool(self.content.get("prices") == "gross")


def _receipt(page: _Page) -> Iterable[Law]:
    yield "net_and_tax", page.total("gross"), page.total("net") + page.total("tax")
    yield "tax_of_groups", page.total("tax"), page.column("tax_groups", "tax")
    yield "lines_total", page.total("gross" if page.gross_prices else "net"), page.column("lines")


def _statement(page: _Page) -> Iterable[Law]:
    without_tax, tax = page.total("earnings") + page.total("deductions"), page.total("tax")
    yield (
        "owed_total",
        page.total("payable"),
        without_tax + tax - page.total("withheld"),
    )
    yield "tax_of_groups", tax, page.column("tax_groups", "tax")
    yield "withheld_total", page.total("withheld"), page.column("withholdings")
    yield "lines_total", without_tax + (tax if page.gross_prices else 0), page.column("lines")
    yield from _explained(page, "payable")


def _payout(page: _Page) -> Iterable[Law]:
    owed = page.total("included") + page.total("adjustments") - page.total("withheld") - page.total("cash_collected")
    owed += page.total("opening_carry_over") - page.total("closing_carry_over")
    printed = page.minor(page.content.get("difference", "0"))
    yield "closes_to_the_cent", page.total("amount"), owed + printed
    yield "settled_total", page.total("included"), page.column("settles")
    yield "withheld_total", page.total("withheld"), page.column("withholdings")
    added = page.column("adjustments") + page.column("tax_groups", "tax")
    yield "adjustments_total", page.total("adjustments"), added
    yield from _explained(page, "amount")
    if "concepts" in page.content:
        yield "concepts_total", page.total("included"), page.column("concepts")


def _explained(page: _Page, word: str) -> Iterable[Law]:
    """Add up the rows of the explanation; documents from before it have none."""
    if "explanation" in page.content:
        yield "explained_net", page.total(word), page.column("explanation")


def _notice(page: _Page) -> Iterable[Law]:
    payout = page.content["payout"]
    parts = sum(page.minor(payout[word]) for word in ("amount", "fee", "missing") if word in payout)
    yield "returned_total", page.total("amount"), parts


# TABLE: kind -> which total its row carries, and the laws of its figures.
TOTALS: Mapping[str, str] = {
    "PAYMENT_RECEIPT": "gross",
    "CREDIT_NOTE": "gross",
    "ORDER_FINAL_STATEMENT": "payable",
    "PAYOUT_STATEMENT": "amount",
    "PAYOUT_REVERSAL_NOTICE": "amount",
}
LAWS: Mapping[str, Callable[[_Page], Iterable[Law]]] = {
    "PAYMENT_RECEIPT": _receipt,
    "CREDIT_NOTE": _receipt,
    "ORDER_FINAL_STATEMENT": _statement,
    "PAYOUT_STATEMENT": _payout,
    "PAYOUT_REVERSAL_NOTICE": _notice,
}
