"""Money goes back in round amounts: any gross up to what remains is credited exactly, whatever the tax inside."""

import itertools
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents import errors, money
from documents.models import Document, Event, EventStatus
from documents.rendering import render
from payouts.calculation import amounts, crediting, totals
from payouts.calculation.amounts import AmountLine, Group
from tests.documents import pdf_reading
from tests.payouts import making, telling

PR = "PAYMENT_RECEIPT:payment"
RATES = {"IVA4": Fraction("0.04"), "IVA10": Fraction("0.1"), "IVA21": Fraction("0.21"), "ILA315": Fraction("0.315")}
CODES = ["", "IVA4", "IVA10", "IVA21", "ILA315+IVA21"]


class Rest:
    """The test's own account of what remains of each group: nothing but subtraction."""

    def __init__(self, groups: tuple[Group, ...]) -> None:
        self.left = {group.key: (group.base_minor, group.tax_minor) for group in groups}

    def take(self, done: amounts.Credited, lines: list[AmountLine]) -> None:
        given_back = [(group.key, group.base_minor, group.tax_minor) for group in done.groups]
        given_back += [((line.tax, line.supply), line.amount_minor, 0) for line in lines if not line.tax]
        for key, base, tax in given_back:
            before = self.left[key]
            sign = -1 if sum(before) < 0 else 1
            assert 0 <= base * sign <= before[0] * sign
            assert 0 <= tax * sign <= before[1] * sign
            self.left[key] = (before[0] - base, before[1] - tax)
            assert self.left[key][0] or not self.left[key][1]  # no tax is left beside no base

    @property
    def gross(self) -> int:
        return sum(base + tax for base, tax in self.left.values())


def _by_amount(
    original: tuple[Group, ...], credited: list[Group], gross: int
) -> tuple[amounts.Credited, list[AmountLine]]:
    remaining = totals.credit(original=original, credited=credited, lines=()).remaining
    parts = crediting.spread(gross_minor=gross, remaining=remaining)
    lines = [
        AmountLine(id=str(place), amount_minor=part, tax=group.code, supply=group.supply)
        for place, (group, part) in enumerate(zip(remaining, parts, strict=True))
        if part
    ]
    return totals.credit(original=original, credited=credited, lines=lines, prices="gross"), lines


ITEMS = st.lists(
    st.builds(
        AmountLine,
        id=st.just("1"),
        amount_minor=st.one_of(st.integers(1, 60), st.integers(1, 10**6)),
        tax=st.sampled_from(CODES),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda line: line.tax,
)


@settings(max_examples=150, deadline=None)
@given(lines=ITEMS, cut=st.integers(0, 50), prices=st.sampled_from(["net", "gross"]), data=st.data())
def test_any_gross_is_credited_and_any_sequence_leaves_nothing_in_any_group(
    lines: list[AmountLine], cut: int, prices: money.Prices, data: st.DataObject
) -> None:
    """A fee taken off the whole (another supply, below zero) is given back in proportion, and never too much of it."""
    if sum(line.amount_minor for line in lines) > 2 * cut > 0:
        lines = [*lines, AmountLine(id="cut", amount_minor=-cut, supply="platform")]
    paid = totals.receipt(lines=lines, rates=RATES, prices=prices)
    original = totals.creditable(lines=lines, groups=paid.groups)
    rest, credited = Rest(original), list[Group]()
    for _ in range(6):
        if rest.gross == 0:
            break
        gross = data.draw(st.one_of(st.integers(1, min(rest.gross, 9)), st.integers(1, rest.gross)))
        done, given_back = _by_amount(original, credited, gross)
        assert done.totals["gross"] == gross
        rest.take(done, given_back)
        credited += totals.creditable(lines=given_back, groups=done.groups)
        open_groups = [group for group in done.remaining if group.base_minor > 0]
        if open_groups and not cut:  # and some of it line by line, in either way of pricing
            group = data.draw(st.sampled_from(open_groups))
            way: money.Prices = data.draw(st.sampled_from(["net", "gross"]))
            most = group.base_minor if way == "net" else group.gross_minor
            piece = [AmountLine(id="1", amount_minor=data.draw(st.integers(1, most)), tax=group.code)]
            done = totals.credit(original=original, credited=credited, lines=piece, prices=way)
            assert way == "net" or done.totals["gross"] == piece[0].amount_minor
            rest.take(done, piece)
            credited += totals.creditable(lines=piece, groups=done.groups)
    if rest.gross:
        done, given_back = _by_amount(original, credited, rest.gross)
        rest.take(done, given_back)
    assert set(rest.left.values()) == {(0, 0)}


def test_every_cent_of_a_small_receipt_can_be_given_back() -> None:
    lines = [
        AmountLine(id="1", amount_minor=amount, tax=tax) for amount, tax in zip((15, 7, 1, 3), CODES, strict=False)
    ]
    paid = totals.receipt(lines=lines, rates=RATES)
    original = totals.creditable(lines=lines, groups=paid.groups)
    for gross in range(1, paid.totals["gross"] + 1):
        done, _lines = _by_amount(original, [], gross)
        assert done.totals["gross"] == gross
    with pytest.raises(errors.Problem, match="'total'"):
        _by_amount(original, [], paid.totals["gross"] + 1)


# -- as events --


@pytest.fixture
def issuers(db: None) -> None:
    telling.issuers()


def _credited(name: str) -> dict[str, str]:
    return dict(json.loads(telling.document(f"CREDIT_NOTE:refund:{name}:customer").content)["totals"])


def _amount(name: str, amount: str, **more: Any) -> dict[str, Any]:
    event = making.refund(name, "pay_1", more.pop("lines", []), **more)
    event["data"]["refund"]["amount"] = amount
    if not event["data"]["lines"]:
        del event["data"]["lines"]
    return event


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize(
    ("tax", "paid", "back", "expected"),
    [
        ("IVA10", "24.20", "5.00", {"net": "4.55", "tax": "0.45", "gross": "5.00"}),
        ("IVA21", "26.62", "10.00", {"net": "8.26", "tax": "1.74", "gross": "10.00"}),
    ],
)
@pytest.mark.parametrize("how", ["prices", "amount", "both"])
def test_a_round_amount_goes_back_of_a_receipt_with_net_prices(
    tax: str, paid: str, back: str, expected: dict[str, str], how: str
) -> None:
    lines = [making.line(back, kind="REFUND_ITEM", tax=tax)]
    by_lines = making.refund("rf_1", "pay_1", lines, prices="gross", totals=expected)
    told = {
        "prices": by_lines,
        "amount": _amount("rf_1", back),
        "both": _amount("rf_1", back, lines=lines, prices="gross"),
    }[how]
    assert telling.told([making.payment("pay_1", paid, [making.line("22.00", tax=tax)]), told]) == ["processed"] * 2
    assert _credited("rf_1") == expected
    note = telling.document("CREDIT_NOTE:refund:rf_1:customer")
    text = pdf_reading.squashed(
        pdf_reading.text(render.render(content=json.loads(note.content), issued_at=note.issued_at).pdf)
    )
    assert pdf_reading.squashed(back.replace(".", ",")) in text


@pytest.mark.usefixtures("issuers")
def test_amounts_are_spread_over_what_remains_and_end_at_nothing() -> None:
    lines = [
        making.line("10.05", tax="IVA21"),
        making.line("10.05", name="2", tax="IVA10"),
        making.line("1.00", name="3"),
    ]
    telling.told([making.payment("pay_1", "24.22", lines), making.refund("rf_0", "pay_1", lines[1:2])])
    parts = ["0.01", "5.00", "3.33", "4.82"]  # 24.22 - 11.06
    assert telling.told([_amount(f"rf_{part}", part) for part in parts]) == ["processed"] * 4
    notes = Document.objects.filter(kind="CREDIT_NOTE")
    assert sum(note.total_minor for note in notes) == 2422
    by_code: dict[str, int] = {}
    for note in notes:
        for row in json.loads(note.content)["tax_groups"]:
            by_code[row["code"]] = by_code.get(row["code"], 0) + round(float(row["tax"]) * 100)
    assert by_code == {"IVA10": 101, "IVA21": 211}
    held = telling.tell(_amount("rf_9", "0.01")).body
    assert (held["status"], held["code"]) == ("held", "credit_exceeds_remaining")


@pytest.mark.usefixtures("issuers")
def test_lines_and_amount_of_a_refund_agree_or_it_is_held() -> None:
    lines = [making.line("2.00", kind="REFUND_ITEM", tax="IVA10")]
    telling.told([making.payment("pay_1", "24.20", [making.line("22.00", tax="IVA10")])])
    wrong = telling.tell(_amount("rf_1", "2.21", lines=lines)).body
    assert (wrong["status"], wrong["code"]) == ("held", "totals_mismatch")
    assert Event.objects.get(event_id="evt_rf_1").errors[0]["pointer"] == "/data/refund/amount"
    assert telling.told([_amount("rf_1", "2.20", lines=lines) | {"id": "evt_right"}]) == ["processed"]


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize("amount", [None, "0.00"])
def test_a_refund_of_nothing_is_refused(amount: str | None) -> None:
    event = _amount("rf_1", amount or "1.00")
    if amount is None:
        del event["data"]["refund"]["amount"]
    answer = telling.tell(event)
    assert answer.problem is not None
    assert (answer.status, [fault.code for fault in answer.problem.errors]) == (400, ["lines_or_amount"])


@pytest.mark.usefixtures("issuers")
def test_prices_that_are_the_receipts_own_are_no_other_refund() -> None:
    plain = making.refund("rf_1", "pay_1", [making.line("2.00", kind="REFUND_ITEM", tax="IVA10")])
    telling.told([making.payment("pay_1", "24.20", [making.line("22.00", tax="IVA10")]), plain])
    again = json.loads(json.dumps(plain)) | {"id": "evt_again"}
    again["data"]["prices"] = "net"
    body = telling.tell(again).body
    assert (body["status"], body["replayed"], body.get("code")) == ("processed", True, None)


# -- totals that somebody else has rounded --


THREE = [making.line("4.05", name=str(n), kind="ITEM", tax="IVA10") for n in (1, 2, 3)]  # 12.15, tax 1.215


def _part(name: str, tax: str = "", **more: Any) -> dict[str, Any]:
    """Give 4.05 back of 12.15: its own tax is 0.405."""
    if tax:
        more["totals"] = {"net": "4.05", "tax": tax, "gross": f"{4.05 + float(tax):.2f}"}
    return making.refund(name, "pay_1", [making.line("4.05", kind="REFUND_ITEM", tax="IVA10")], **more)


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize("order", list(itertools.permutations(["0.40", "0.41", "0.41"]))[::2])
def test_stated_tax_within_a_cent_is_taken_in_any_order(order: tuple[str, ...]) -> None:
    parts = [_part(f"rf_{place}", tax) for place, tax in enumerate(order)]
    assert telling.told([making.payment("pay_1", "13.37", THREE), *parts]) == ["processed"] * 4
    assert [_credited(f"rf_{place}")["tax"] for place in range(3)] == list(order)
    assert not any(telling.document(f"CREDIT_NOTE:refund:rf_{place}:customer").flags for place in range(3))


@pytest.mark.usefixtures("issuers")
def test_without_totals_a_credit_is_of_its_own_lines_and_the_last_takes_what_is_left() -> None:
    telling.told([making.payment("pay_1", "13.37", THREE), *(_part(f"rf_{place}") for place in range(3))])
    assert [_credited(f"rf_{place}")["gross"] for place in range(3)] == ["4.46", "4.46", "4.45"]


@pytest.mark.usefixtures("issuers")
def test_the_last_credit_takes_the_tax_that_is_left_and_says_that_it_differs() -> None:
    parts = [_part("rf_1", "0.41"), _part("rf_2", "0.41"), _part("rf_3", "0.41")]
    assert telling.told([making.payment("pay_1", "13.37", THREE), *parts]) == ["processed"] * 4
    assert _credited("rf_3") == {"net": "4.05", "tax": "0.40", "gross": "4.45"}
    assert telling.document("CREDIT_NOTE:refund:rf_3:customer").flags == ["rounded_at_close"]


@pytest.mark.usefixtures("issuers")
@pytest.mark.parametrize(
    ("first", "last"),
    [("0.43", None), ("0.39", None), ("0.40", "0.40")],  # two cents off: at once, or by what is left for the last
)
def test_by_more_than_a_cent_it_is_held(first: str, last: str | None) -> None:
    told = [_part("rf_1", first)] if last is None else [_part("rf_1", first), _part("rf_2", first), _part("rf_3", last)]
    answers = telling.told([making.payment("pay_1", "13.37", THREE), *told])
    assert answers == ["processed"] * len(told) + ["held"]
    assert Event.objects.get(status=EventStatus.HELD).code == "totals_mismatch"


@pytest.mark.usefixtures("issuers")
def test_of_two_tax_groups_each_may_be_a_cent_off() -> None:
    lines = [making.line("10.05", tax="IVA10"), making.line("10.05", name="2", tax="IVA21")]  # 1.005 and 2.1105
    parts = [
        making.line("5.05", kind="REFUND_ITEM", tax="IVA10"),
        making.line("5.05", name="2", kind="REFUND_ITEM", tax="IVA21"),
    ]
    totals_stated = {"net": "10.10", "tax": "1.55", "gross": "11.65"}  # computed: 0.51 + 1.06
    refund = making.refund("rf_1", "pay_1", parts, totals=totals_stated)
    assert telling.told([making.payment("pay_1", "23.22", lines), refund]) == ["processed"] * 2
    assert _credited("rf_1") == totals_stated
    rest = _amount("rf_2", "11.57")
    assert telling.told([rest]) == ["processed"]
    assert _credited("rf_2") == {"net": "10.00", "tax": "1.57", "gross": "11.57"}


@pytest.mark.usefixtures("issuers")
def test_a_held_credit_is_looked_at_again_when_another_of_its_payment_comes() -> None:
    """What its amount is spread over is what remains, and that is what its sender meant only after the other."""
    lines = [making.line("10.00", tax="IVA10"), making.line("10.00", name="2", tax="IVA21")]
    telling.told([making.payment("pay_1", "23.10", lines)])
    early = _amount("rf_2", "12.10", totals={"net": "10.00", "tax": "2.10", "gross": "12.10"})
    assert telling.told([early]) == ["held"]
    first = making.refund("rf_1", "pay_1", [making.line("10.00", kind="REFUND_ITEM", tax="IVA10")])
    assert telling.told([first]) == ["processed"]
    assert Event.objects.get(event_id="evt_rf_2").status == EventStatus.PROCESSED
    assert _credited("rf_2") == {"net": "10.00", "tax": "2.10", "gross": "12.10"}


@settings(max_examples=100, deadline=None)
@given(lines=ITEMS, prices=st.sampled_from(["net", "gross"]), data=st.data())
def test_no_stated_tax_takes_more_than_remains_of_a_group(
    lines: list[AmountLine], prices: money.Prices, data: st.DataObject
) -> None:
    paid = totals.receipt(lines=lines, rates=RATES, prices=prices)
    original = totals.creditable(lines=lines, groups=paid.groups)
    rest, credited = Rest(original), list[Group]()
    for _ in range(4):
        asked = [
            AmountLine(id=line.id, amount_minor=part, tax=line.tax)
            for line, whole in ((line, sum(rest.left[line.tax, line.supply])) for line in lines)
            if whole and (part := data.draw(st.integers(0, whole)))
        ]
        if not asked:
            continue
        done = totals.credit(original=original, credited=credited, lines=asked, prices="gross")
        tax = done.totals["tax"] + data.draw(st.integers(-3, 3))
        stated = {"net": done.totals["gross"] - tax, "tax": tax, "gross": done.totals["gross"]}
        settled = crediting.as_stated(computed=done, stated=stated, prices="gross")
        groups = sum(1 for line in asked if line.tax)
        assert settled is not None or tax != done.totals["tax"]
        if settled is not None:
            assert abs(tax - done.totals["tax"]) <= groups
            assert settled.rounded == (settled.credited.totals != stated)
            done = settled.credited
        rest.take(done, asked)
        credited += totals.creditable(lines=asked, groups=done.groups)
        assert done.remaining_minor == rest.gross
