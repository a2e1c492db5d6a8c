"""What the lines of an order, and of an adjustment, leave each audience, compared with the totals that are stated."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from payouts.calculation import amounts, totals
from payouts.issuing.terms import IssuingTerms

# TABLE: a total that an event may state -> the audience whose payable it is.
PAYABLE: Mapping[str, str] = MappingProxyType({"payable": "beneficiary", "partner_payable": "partner"})


def of_order(
    *,
    stated: Mapping[str, Any],
    audiences: Iterable[str],
    withholdings: Sequence[amounts.WithheldTax],
    date: dt.date,
    terms: IssuingTerms,
) -> dict[str, amounts.Computed]:
    """Return {audience: the sums of its lines}; what is withheld is the beneficiary's. `stated` is the order's data.

    :raises errors.Problem: the codes of `IssuingTerms.rates`, `totals_mismatch`
    """
    computed = _computed(stated=stated, audiences=audiences, withholdings=withholdings, date=date, terms=terms)
    payable = {total: computed[who].totals["payable"] for total, who in PAYABLE.items() if who in computed}
    amounts.check_totals(stated=stated.get("totals"), computed=payable, digits=terms.digits)
    return computed


def of_adjustment(
    *, stated: Mapping[str, Any], audiences: Sequence[str], date: dt.date, terms: IssuingTerms
) -> dict[str, amounts.Computed]:
    """Return the same of an adjustment, which withholds nothing.

    It has one total: the beneficiary's, or the partner's where every line is the partner's.

    :raises errors.Problem: the codes of `IssuingTerms.rates`, `totals_mismatch`
    """
    computed = _computed(stated=stated, audiences=audiences, withholdings=(), date=date, terms=terms)
    payable = computed[audiences[0]].totals["payable"]
    amounts.check_totals(stated=stated.get("totals"), computed={"payable": payable}, digits=terms.digits)
    return computed


def _computed(
    *,
    stated: Mapping[str, Any],
    audiences: Iterable[str],
    withholdings: Sequence[amounts.WithheldTax],
    date: dt.date,
    terms: IssuingTerms,
) -> dict[str, amounts.Computed]:
    lines = stated["lines"]
    rates = terms.rates(lines=lines, date=date)
    return {
        audience: totals.order_statement(
            lines=amounts.read_lines(lines=lines, digits=terms.digits, party=audience),
            rates=rates,
            prices=stated["prices"],
            withholdings=withholdings if audience == "beneficiary" else (),
        )
        for audience in audiences
    }
