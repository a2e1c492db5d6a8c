"""What a document says of its fact on paper: only what was so when it was issued, and a debt with one sign."""

import re
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from documents.models import Kind
from documents.rendering import pool as renderer_pool
from documents.rendering import render
from documents.wording import outcomes, table
from documents.wording.cells import NOTHING
from documents.wording.outcomes import Fate
from tests import factories
from tests.documents import pdf_contents, pdf_reading
from tests.documents.pdf_contents import ContentJson

PRINTED = sorted(set(table.TABLE) - outcomes.SINCE, key=str)
TO_COME = ("Neto a recibir", "recibirás", "Pago pendiente", "Payout pending")
ARRIVED = ("transferido", "Transferencia Transfer", "Fecha del pago", "Conceptos de este pago")


def order(*, payable: str = "21.88", **more: object) -> ContentJson:
    """Return an order's statement with a net."""
    content = pdf_contents.order()
    return content | {"totals": content["totals"] | {"payable": payable}, **more}


def payout(*, amount: str = "1562.82", closing: str = "3.11", **more: object) -> ContentJson:
    """Return a payout's statement without anything that it replaces."""
    content = pdf_contents.payout()
    del content["replaces"]
    totals = content["totals"] | {"amount": amount, "closing_carry_over": closing}
    return content | {"totals": totals, **more}


def notice(outcome: str) -> ContentJson:
    """Return the notice of a payout whose money its payee does not have."""
    content = pdf_contents.reversal()
    return content | {"outcome": outcome, "document_key": f"PAYOUT_REVERSAL_NOTICE:payout:po_5TQ8:payee:{outcome}"}


def note(about: str, *, of: str = "PAYMENT_RECEIPT:payment:pay_CO1:customer", sign: str = "") -> ContentJson:
    """Return a credit note."""
    content = pdf_contents.credit()
    totals = {name: f"{sign}{amount}" for name, amount in content["totals"].items()}
    original = content["original"] | {"document_key": of}
    return content | {"document_key": f"CREDIT_NOTE:{about}", "original": original, "totals": totals}


STATEMENT = "ORDER_FINAL_STATEMENT:order:ord_1:beneficiary"
CONTENTS: Mapping[tuple[str, Fate], Callable[[], ContentJson]] = {
    (Kind.PAYMENT_RECEIPT, Fate.PAID_BY_CUSTOMER): pdf_contents.receipt,
    (Kind.ORDER_FINAL_STATEMENT, Fate.PENDING): order,
    (Kind.ORDER_FINAL_STATEMENT, Fate.PAID): lambda: order(payout_status="SENT"),
    (Kind.ORDER_FINAL_STATEMENT, Fate.ZERO): lambda: order(payable="0.00"),
    (Kind.ORDER_FINAL_STATEMENT, Fate.NEGATIVE): lambda: order(payable="-5.32"),
    (Kind.ORDER_FINAL_STATEMENT, Fate.DEDUCTED): lambda: order(payable="-5.32", payout_status="SENT"),
    (Kind.ORDER_FINAL_STATEMENT, Fate.COMPLETES): pdf_contents.adjustment,
    (Kind.ORDER_FINAL_STATEMENT, Fate.TAKES_OVER): lambda: order(
        reassignment={"id": "rea_1", "reason": "WRONG_DRIVER", "replaces": "AES-OFS-2026-0000009"}
    ),
    (Kind.PAYOUT_STATEMENT, Fate.SENT): payout,
    (Kind.PAYOUT_STATEMENT, Fate.CLOSED): lambda: payout(amount="0.00"),
    (Kind.PAYOUT_STATEMENT, Fate.OWING): lambda: payout(amount="0.00", closing="-5.32"),
    (Kind.PAYOUT_STATEMENT, Fate.REPLACES): pdf_contents.payout,
    (Kind.PAYOUT_REVERSAL_NOTICE, Fate.FAILED): lambda: notice("failed"),
    (Kind.PAYOUT_REVERSAL_NOTICE, Fate.RETURNED): lambda: notice("returned"),
    (Kind.PAYOUT_REVERSAL_NOTICE, Fate.CANCELED): lambda: notice("canceled"),
    (Kind.CREDIT_NOTE, Fate.REFUNDED): pdf_contents.credit,
    (Kind.CREDIT_NOTE, Fate.DISPUTED): lambda: note("dispute:dsp_1:customer"),
    (Kind.CREDIT_NOTE, Fate.PAYMENT_CANCELED): lambda: note("payment:pay_CO1:customer:canceled"),
    (Kind.CREDIT_NOTE, Fate.CORRECTED): lambda: note("correction:cor_1:customer"),
    (Kind.CREDIT_NOTE, Fate.ORDER_CANCELED): lambda: note("order:ord_1:beneficiary:canceled", of=STATEMENT),
    (Kind.CREDIT_NOTE, Fate.REASSIGNED): lambda: note("reassignment:rea_1:beneficiary", of=STATEMENT),
    (Kind.CREDIT_NOTE, Fate.TAKEN): lambda: note("correction:cor_1:beneficiary", of=STATEMENT),
    (Kind.CREDIT_NOTE, Fate.RELEASED): lambda: note("order:ord_1:beneficiary:canceled", of=STATEMENT, sign="-"),
}
# TABLE: what would be false on paper, of an outcome.
FALSE: Mapping[tuple[str, Fate], tuple[str, ...]] = {
    **dict.fromkeys(
        [(Kind.ORDER_FINAL_STATEMENT, outcome) for outcome in (Fate.ZERO, Fate.NEGATIVE, Fate.DEDUCTED)],
        TO_COME,
    ),
    (Kind.ORDER_FINAL_STATEMENT, Fate.PAID): ("recibirás", "Pago pendiente"),
    (Kind.PAYOUT_STATEMENT, Fate.SENT): ("transferido",),
    (Kind.PAYOUT_STATEMENT, Fate.CLOSED): ARRIVED,
    (Kind.PAYOUT_STATEMENT, Fate.OWING): ARRIVED,
    (Kind.PAYOUT_REVERSAL_NOTICE, Fate.FAILED): ("devolvió", "Importe devuelto"),
    (Kind.PAYOUT_REVERSAL_NOTICE, Fate.RETURNED): ("no pudo enviarse", "Importe no enviado"),
    (Kind.PAYOUT_REVERSAL_NOTICE, Fate.CANCELED): ("devolvió", "Importe devuelto", "no pudo enviarse"),
    (Kind.CREDIT_NOTE, Fate.ORDER_CANCELED): ("Total abonado",),
    (Kind.CREDIT_NOTE, Fate.REASSIGNED): ("Total abonado",),
    (Kind.CREDIT_NOTE, Fate.TAKEN): ("Total abonado",),
    (Kind.CREDIT_NOTE, Fate.RELEASED): ("Total abonado", "Total descontado"),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[renderer_pool.Pool]:
    """One process that prints, for all tests of this module."""
    made = renderer_pool.Pool(size=1)
    yield made
    made.close()


def paper(pool: renderer_pool.Pool, content: ContentJson) -> str:
    """Return what a document's PDF says, in one line."""
    pdf = render.render(content=content, issued_at=factories.NOW, pool=pool).pdf
    return re.sub(r"\s+", " ", pdf_reading.text(pdf).replace("￾", ""))


def pieces(text: str) -> list[str]:
    """Return what stands around the values of a sentence."""
    return [literal.strip() for literal, *_ in string.Formatter().parse(text) if literal.strip(" .,:")]


def test_every_outcome_that_can_be_printed_is_printed_here() -> None:
    assert set(CONTENTS) == set(PRINTED)
    assert set(FALSE) <= set(CONTENTS)


@pytest.mark.parametrize(("kind", "outcome"), PRINTED)
def test_a_pdf_says_what_was_so_when_it_was_issued(pool: renderer_pool.Pool, kind: str, outcome: Fate) -> None:
    content, cell = CONTENTS[kind, outcome](), table.TABLE[kind, outcome]
    assert outcome in outcomes.as_issued(content=content)
    text = paper(pool, content)
    for words in (cell.figure, cell.printed):
        for piece in (*pieces(words.es), *(pieces(words.en) if words is cell.printed else ())):
            assert pdf_reading.squashed(piece) in pdf_reading.squashed(text)
    for false in FALSE.get((kind, outcome), ()):
        assert false not in text


def owing() -> ContentJson:
    """Return the statement of a period that ends with a debt of 5.32, on which nothing was withheld or collected."""
    totals = {
        "included": "-5.32", "adjustments": "0.00", "withheld": "0.00", "cash_collected": "0.00",
        "opening_carry_over": "0.00", "closing_carry_over": "-5.32", "amount": "0.00",
    }  # fmt: skip
    content = payout(
        withholdings=[], adjustments=[], tax_groups=[], concepts=[{"concept": "withholding", "amount": "-105.15"}]
    )
    del content["difference"], content["payout"]["method"], content["payout"]["destination_masked"]
    explanation: list[dict[str, Any]] = [{"rule": "closing_carry_over", "amount": "5.32"}]
    return content | {"totals": totals, "explanation": explanation}


def test_a_debt_has_one_sign_and_a_sentence(pool: renderer_pool.Pool) -> None:
    text = paper(pool, owing())
    assert "Debes 5.32 MXN: se descuentan de tu próximo pago." in text
    assert "You owe 5.32 MXN: it is taken from your next payout." in text
    signs = set(
        re.findall(r"(?<![0-9.])(-?)5\.32(?! MXN:)", text.replace("owe 5.32 MXN:", "").replace("Debes 5.32 MXN:", ""))
    )
    assert signs == {"-"}
    assert "Resultado -5.32 MXN Saldo que pasa al siguiente -5.32 MXN Sin transferencia 0.00 MXN" in text


def test_no_withholding_of_zero_stands_beside_what_was_withheld_of_the_orders(pool: renderer_pool.Pool) -> None:
    text = paper(pool, owing())
    assert "-105.15" in text
    assert "Retención fiscal" not in text
    of_its_own = paper(pool, payout())
    assert "Retención fiscal de este pago -80.80 MXN" in of_its_own


def test_a_credit_that_is_carried_over_is_taken_off_in_the_column_that_adds_up(pool: renderer_pool.Pool) -> None:
    text = paper(pool, payout())
    assert "Saldo que pasa al siguiente -3.11 MXN" in text
    assert "Resultado" not in text


def test_nothing_is_printed_that_became_so_later() -> None:
    for kind, outcome in outcomes.SINCE:
        assert table.TABLE[kind, outcome].printed == NOTHING
