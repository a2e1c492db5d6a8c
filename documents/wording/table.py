"""TABLE: (kind, outcome) -> what the PDF, the mail, the page of a link, the page of a code and the Document Center say.

Every pair that `outcomes` can give has a cell, and each cell has words for every place, or NOTHING on purpose. Pure.
"""

from collections.abc import Mapping
from types import MappingProxyType

from documents.countries.sources import Words
from documents.wording import of_customers, of_orders, of_payouts, outcomes
from documents.wording.cells import NOTHING, Cell
from documents.wording.outcomes import Fate, FrozenContent

_OF_KIND: Mapping[str, Mapping[Fate, Cell]] = {
    "PAYMENT_RECEIPT": of_customers.RECEIPT,
    "ORDER_FINAL_STATEMENT": of_orders.STATEMENT,
    "PAYOUT_STATEMENT": of_payouts.STATEMENT,
    "PAYOUT_REVERSAL_NOTICE": of_payouts.NOTICE,
    "CREDIT_NOTE": of_customers.NOTE,
}
TABLE: Mapping[tuple[str, Fate], Cell] = MappingProxyType(
    {(kind, outcome): cell for kind, cells in _OF_KIND.items() for outcome, cell in cells.items()}
)


def printed(*, content: FrozenContent) -> dict[str, object]:
    """Return what a document's PDF says: the name of its amount, its sentences, and the debt that they name.

    `{debt}` is left in: the renderer writes it as the country does.
    """
    kind = content["kind"]
    cells = [TABLE[kind, outcome] for outcome in outcomes.as_issued(content=content)]
    figure = next(cell.figure for cell in cells if cell.figure != NOTHING)
    return {
        "figure": _pair(figure),
        "sentences": [_pair(cell.printed) | {"tone": cell.tone} for cell in cells if cell.printed != NOTHING],
        "debt": outcomes.debt(content=content),
        "base": str(outcomes.as_issued(content=content)[0]),
    }


def _pair(text: Words) -> dict[str, str]:
    return {"es": text.es, "en": text.en}
