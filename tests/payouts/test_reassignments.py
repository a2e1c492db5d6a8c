"""An order's money that becomes somebody else's: nobody is owed it twice, and who was paid for it stays visible."""

import json
import random
from typing import Any

import pytest
from django.db.models import F

from documents.admin import search
from documents.models import Discrepancy, Document, Event, EventStatus, Kind
from payouts.models import Settlement
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling
from tests.services import force

pytestmark = pytest.mark.django_db
OFS, CN, PS = "ORDER_FINAL_STATEMENT", "CREDIT_NOTE", "PAYOUT_STATEMENT"
LINES = [
    making.line("22.00", tax="IVA10"),
    making.line("3.00", name="2", kind="TIP"),
    making.line("-4.40", name="3", kind="PLATFORM_FEE", tax="IVA21"),
]
FIRST, NOTE, NEXT = (
    f"{OFS}:order:ord_1:beneficiary",
    f"{CN}:reassignment:ra_1:beneficiary",
    f"{OFS}:reassignment:ra_1:beneficiary",
)
LATER = "2026-02-25T07:00:00Z"


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _ride(**more: Any) -> dict[str, Any]:
    return making.order("ord_1", lines=LINES, **more)


def _content(key: str) -> dict[str, Any]:
    return dict(json.loads(telling.document(key).content))


def _found(term: str) -> set[str]:
    """Return the keys of what the Document Center's search finds."""
    return {*search.narrowed(rows=Document.objects.all(), term=term).values_list("document_key_id", flat=True)}


def test_the_search_for_an_order_finds_what_its_later_owners_got() -> None:
    late = making.adjustment("adj_1", "ord_1", at="2026-02-22T10:00:00Z")
    telling.told([_ride(), making.reassignment("ra_1", "ord_1"), late, making.order("ord_10")])
    own = {FIRST, NOTE, NEXT, f"{NEXT}:adj_1"}
    assert _found("ord_1") == _found("order:ord_1") == own
    assert _found("ra_1") == _found("reassignment:ra_1") == own - {FIRST}
    assert _found("ord_10") == {f"{OFS}:order:ord_10:beneficiary"}


def _documents() -> dict[str, tuple[str, int]]:
    """Return {key: (owner, total)}."""
    rows = Document.objects.values_list("document_key_id", "owner__platform_id", "total_minor")
    return {key: (owner, total) for key, owner, total in rows}


def _open() -> dict[str, tuple[str, str, list[str]]]:
    """Return {discrepancy: (whose, how much too much, with which payouts)}."""
    rows = Discrepancy.objects.filter(resolved_at=None)
    return {row.code: (row.facts["payee"], row.facts["difference"], row.facts["payouts"]) for row in rows}


def _differences() -> dict[str, int]:
    return run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings


def _settled() -> list[tuple[str, str, int]]:
    """Return (payout, document, amount) of all that payouts settle."""
    rows = Settlement.objects.values_list("payout__payout_id", "document__document_key_id", "amount_minor")
    return sorted(rows)


def test_the_first_owners_statement_is_taken_back_and_the_new_owner_gets_one_over_the_same_lines() -> None:
    told = [
        _ride(cash_collected="5.00"),
        making.reassignment("ra_1", "ord_1"),
        making.payout("po_1", "16.88", orders=["ord_1"], payee="drv_2", cash_collected="5.00"),
    ]
    assert telling.told(told) == ["processed"] * 3
    assert _documents() == {
        FIRST: ("drv_1", 2188),
        NOTE: ("drv_1", 2188),
        NEXT: ("drv_2", 2188),
        f"{PS}:payout:po_1:payee": ("drv_2", 1688),
    }
    first, note, new = _content(FIRST), _content(NOTE), _content(NEXT)
    taken_over = ("lines", "tax_groups", "withholdings", "totals", "order", "prices", "cash_collected", "explanation")
    assert {key: new[key] for key in taken_over} == {key: first[key] for key in taken_over}
    assert new["owner"] == {"id": "drv_2", "legal_name": "Conductora drv_2"}
    assert new["reassignment"] == {"id": "ra_1", "reason": "WRONG_DRIVER", "replaces": first["number"]}
    assert note["reassignment"] == {"id": "ra_1", "reason": "WRONG_DRIVER"}
    assert (note["original"]["number"], note["lines"]) == (first["number"], first["lines"])
    assert [new["operation_date"], note["operation_date"]] == ["2026-02-19"] * 2
    assert (telling.document(FIRST).payout_status, telling.document(NEXT).payout_status) == ("PENDING", "SENT")
    assert (_open(), _differences()) == ({}, {})


def test_a_repeat_is_answered_with_the_same_documents_and_other_data_are_put_on_record() -> None:
    event = making.reassignment("ra_1", "ord_1")
    telling.tell(_ride())
    first, before = telling.tell(event), _documents()
    again = telling.tell(event | {"id": "evt_again"})
    assert (again.status, again.body["replayed"]) == (200, True)
    assert again.body["documents"] == first.body["documents"]
    other = making.reassignment("ra_1", "ord_1", taker="drv_3") | {"id": "evt_other"}
    assert telling.tell(other).status == 200
    assert _documents() == before
    assert {*Discrepancy.objects.values_list("code", flat=True)} == {"divergent_repeat"}


HELD: dict[str, tuple[dict[str, Any], str, str]] = {
    "made before the order was completed": (
        making.reassignment("ra_1", "ord_1", at="2026-02-17T09:59:59Z"),
        "time_implausible",
        "/data/reassignment/made_at",
    ),
    "to a tax id that does not check": (
        making.reassignment("ra_1", "ord_1", to={"id": "drv_2", "legal_name": "Ana", "tax_id": "12345678A"}),
        "tax_id_invalid",
        "/data/to/tax_id",
    ),
    "by a driver whose tax id does not check": (
        making.reassignment("ra_1", "ord_1", driver={"id": "drv_3", "legal_name": "Eva", "tax_id": "12345678A"}),
        "tax_id_invalid",
        "/data/driver/tax_id",
    ),
}


@pytest.mark.parametrize("what", sorted(HELD))
@pytest.mark.parametrize("order_first", [True, False])
def test_what_cannot_be_is_held_in_either_order(what: str, order_first: bool) -> None:
    event, code, pointer = HELD[what]
    telling.told([_ride(), event] if order_first else [event, _ride()])
    row = Event.objects.get(event_id="evt_ra_1")
    assert (row.status, row.code, row.errors[0]["pointer"]) == ("held", code, pointer)
    assert [*_documents()] == [FIRST]


def test_one_that_takes_from_somebody_else_waits_for_its_reassignment_and_moves_nothing() -> None:
    telling.told([_ride(), making.reassignment("ra_1", "ord_1", giver="drv_9")])
    assert Event.objects.get(event_id="evt_ra_1").missing == ["owner:ord_1:drv_9"]
    assert [*_documents()] == [FIRST]


def test_an_order_goes_to_another_and_back_and_is_paid_to_its_last_owner() -> None:
    there = making.reassignment("ra_1", "ord_1")
    back = making.reassignment("ra_2", "ord_1", giver="drv_2", taker="drv_1", at="2026-02-20T10:00:00Z")
    telling.told([back, there, _ride(), making.payout("po_1", "21.88", orders=["ord_1"])])
    assert _documents() == {
        FIRST: ("drv_1", 2188),
        NOTE: ("drv_1", 2188),
        NEXT: ("drv_2", 2188),
        f"{CN}:reassignment:ra_2:beneficiary": ("drv_2", 2188),
        f"{OFS}:reassignment:ra_2:beneficiary": ("drv_1", 2188),
        f"{PS}:payout:po_1:payee": ("drv_1", 2188),
    }
    last = telling.document(f"{OFS}:reassignment:ra_2:beneficiary")
    assert (last.payout_status, telling.document(FIRST).payout_status) == ("SENT", "PENDING")
    assert (_open(), _differences()) == ({}, {})


EVENTS = {
    "complete": _ride(),
    "tip": making.adjustment("adj_1", "ord_1"),
    "review": making.adjustment("adj_2", "ord_1", "-1.00", at="2026-02-18T11:00:00Z"),
    "reassign": making.reassignment("ra_1", "ord_1"),
    "reassign back": making.reassignment("ra_2", "ord_1", giver="drv_2", taker="drv_1", at="2026-02-24T10:00:00Z"),
    "payout to the first": making.payout("po_1", "22.88", orders=["ord_1"], at="2026-02-18T12:00:00Z"),
    "payout to the second": making.payout("po_2", "22.88", orders=["ord_1"], payee="drv_2", at="2026-02-20T07:00:00Z"),
}


@pytest.mark.parametrize("seed", arrival.shuffles(6))
def test_every_order_of_arrival_ends_the_same(seed: int) -> None:
    events = [*EVENTS.values()]
    if seed:
        random.Random(seed).shuffle(events)
    telling.told(events)
    assert {*Event.objects.values_list("status", flat=True)} == {EventStatus.PROCESSED}
    documents = _documents()
    assert {key: total for key, total in documents.items() if ":ra_" in key or ":ord_1" in key} == {
        **{
            f"{OFS}:{of}:beneficiary{part}": ("drv_2" if of.endswith("ra_1") else "drv_1", total)
            for of in ("order:ord_1", "reassignment:ra_1", "reassignment:ra_2")
            for part, total in {"": 2188, ":adj_1": 200, ":adj_2": -100}.items()
        },
        **{
            f"{CN}:reassignment:{of}:beneficiary{part}": (owner, total)
            for of, owner in {"ra_1": "drv_1", "ra_2": "drv_2"}.items()
            for part, total in {"": 2188, ":adj_1": 200, ":adj_2": -100}.items()
        },
    }
    assert _settled() == [
        *[("po_1", f"{FIRST}{part}", amount) for part, amount in (("", 2188), (":adj_1", 200), (":adj_2", -100))],
        *[("po_2", f"{NEXT}{part}", amount) for part, amount in (("", 2188), (":adj_1", 200), (":adj_2", -100))],
    ]
    # The first one owns it again and was paid for it once.
    assert _open() == {"paid_to_former_owner": ("drv_2", "22.88", ["po_2"])}
    assert _differences() == {"paid_to_former_owner": 1}


def test_a_payout_to_the_new_owner_that_comes_first_is_held_until_the_order_is_its_payees() -> None:
    paid = making.payout("po_1", "21.88", orders=["ord_1"], payee="drv_2")
    telling.told([making.order("ord_9", driver="drv_2"), _ride(), paid])
    assert (Event.objects.get(event_id="evt_po_1").code, _open()) == ("payee_mismatch", {})
    telling.told([making.reassignment("ra_1", "ord_1")])
    assert Event.objects.get(event_id="evt_po_1").status == EventStatus.PROCESSED
    assert telling.document(NEXT).payout_status == "SENT"


PAID = making.payout("po_1", "21.88", orders=["ord_1"], at="2026-02-18T12:00:00Z")


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
def test_money_paid_to_the_former_owner_is_a_discrepancy_until_the_payout_comes_back(order: tuple[int, ...]) -> None:
    events = [_ride(), PAID, making.reassignment("ra_1", "ord_1")]
    telling.told([events[place] for place in order])
    (gap,) = Discrepancy.objects.filter(resolved_at=None)
    assert gap.code == "paid_to_former_owner"
    assert gap.facts == {
        "document_key": FIRST,
        "order": "ord_1",
        "payee": "drv_1",
        "owner": "drv_2",
        "currency": "EUR",
        "earned": "0.00",
        "settled": "21.88",
        "difference": "21.88",
        "payouts": ["po_1"],
    }
    assert (_differences(), Discrepancy.objects.count()) == ({"paid_to_former_owner": 1}, 1)
    telling.told([making.reversal("po_1", "21.88")])
    gap.refresh_from_db()
    assert (gap.resolution, _open(), _differences()) == ("not_overpaid", {}, {})


def test_it_ends_when_a_later_payout_takes_the_credit_note_off_and_returns_with_that_payout() -> None:
    telling.told([_ride(), PAID, making.reassignment("ra_1", "ord_1"), making.order("ord_2", "30.00")])
    settles = [{"order": "ord_2", "amount": "30.00"}, {"credit": "ra_1", "amount": "-21.88"}]
    telling.told([making.payout("po_2", "8.12", settles=settles, at=LATER)])
    assert (telling.document(f"{PS}:payout:po_2:payee").total_minor, _open(), _differences()) == (812, {}, {})
    telling.told([making.reversal("po_2", "8.12", at="2026-02-26T10:00:00Z")])
    assert _open() == {"paid_to_former_owner": ("drv_1", "21.88", ["po_1"])}


def test_a_payout_that_lists_the_order_and_takes_its_credit_off_raises_nothing() -> None:
    ride = _ride(cash_collected="5.00", withholdings=[WITHHELD])
    telling.told([ride, making.reassignment("ra_1", "ord_1"), making.order("ord_2", "30.00", cash_collected="0.00")])
    again = making.payout("po_1", "29.78", orders=["ord_1", "ord_2"], at=LATER, withholdings=[WITHHELD])
    assert telling.told([again]) == ["processed"]
    paid = telling.document(f"{PS}:payout:po_1:payee")
    assert (paid.flags, _open(), _differences()) == ([], {}, {})
    listed = [(row["amount"], row.get("credit", "")) for row in json.loads(paid.content)["settles"]]
    assert listed == [("21.66", ""), ("30.00", ""), ("-21.66", "ra_1")]


WITHHELD = {"name": "IRPF", "rate": "0.01", "base": "22.00", "amount": "0.22", "legal_ref": "RIRPF art. 95"}


@pytest.mark.parametrize("adjusted_last", [True, False])
def test_what_is_adjusted_after_the_order_changed_hands_is_the_new_owners(adjusted_last: bool) -> None:
    events = [making.reassignment("ra_1", "ord_1"), making.adjustment("adj_1", "ord_1", at="2026-02-19T10:00:00Z")]
    telling.told([_ride(), *(events if adjusted_last else events[::-1])])
    tip = telling.document(f"{NEXT}:adj_1")
    assert (tip.owner.platform_id, tip.total_minor, tip.corrects) == ("drv_2", 200, telling.document(NEXT))
    assert json.loads(tip.content)["adjustment"]["corrects"] == telling.document(NEXT).number
    own = {key: value for key, value in _documents().items() if value[0] == "drv_1" and key.endswith(":adj_1")}
    assert own == ({} if adjusted_last else {f"{FIRST}:adj_1": ("drv_1", 200), f"{NOTE}:adj_1": ("drv_1", 200)})
    settles = [{"order": "ord_1", "amount": "21.88"}, {"adjustment": "adj_1", "amount": "2.00"}]
    assert telling.told([making.payout("po_1", "23.88", settles=settles, payee="drv_2")]) == ["processed"]
    assert (_open(), _differences()) == ({}, {})


def test_what_was_withheld_goes_with_the_order_and_the_credit_note_takes_it_back() -> None:
    taxes = [
        {"name": "ISR", "rate": "0.021", "base": "100.00", "amount": "2.10", "legal_ref": "LISR 113-A"},
        {"name": "IVA", "rate": "0.08", "base": "100.00", "amount": "8.00", "legal_ref": "LIVA 18-J"},
    ]
    lines = [making.line("100.00", tax="IVA16"), making.line("-20.00", name="2", kind="PLATFORM_FEE", tax="IVA16")]
    ride = making.order("ord_1", lines=lines, withholdings=taxes, cash_collected="50.00")
    moved = making.reassignment("ra_1", "ord_1", driver={"id": "drv_7", "legal_name": "Chofer"})
    for event in (ride, moved):
        event |= {"country": "MX", "issuer": "aventide-mx"}
        event["data"]["currency"] = "MXN"
    telling.told([ride])
    content = _content(FIRST)
    assert telling.told([moved]) == ["processed"]
    new, note = _content(NEXT), _content(NOTE)
    assert (new["withholdings"], new["totals"]) == (content["withholdings"], content["totals"])
    assert content["totals"]["payable"] == "82.70"
    assert new["driver"] == {"id": "drv_7", "legal_name": "Chofer"}
    assert note["totals"]["gross"] == content["totals"]["payable"]
    assert note["lines"][-1]["description"] == "Retenciones fiscales"
    assert note["tax_groups"] == content["tax_groups"]
    assert _differences() == {}


def test_the_partners_statement_stays_and_the_fleets_driver_too() -> None:
    telling.told(telling.sample("co_food"))
    first = telling.document(f"{OFS}:order:ord_CO7:beneficiary")
    partner = telling.document(f"{OFS}:order:ord_CO7:partner")
    moved = making.reassignment("ra_1", "ord_CO7", giver=first.owner.platform_id, at="2026-02-28T10:00:00Z")
    moved |= {"country": "CO", "issuer": "aventide-co"}
    moved["data"] |= {"currency": "COP", "to": {"id": "flt_9", "legal_name": "Flota Nueva"}}
    before = Document.objects.filter(owner=partner.owner).count()
    assert telling.told([moved]) == ["processed"]
    assert Document.objects.filter(owner=partner.owner).count() == before
    assert (telling.document(NEXT).total_minor, telling.document(NOTE).total_minor) == (first.total_minor,) * 2


def test_what_an_adjustment_took_is_given_back_to_one_and_taken_from_the_other() -> None:
    review = making.adjustment("adj_1", "ord_1", "-30.00")
    telling.told([_ride(), review, making.reassignment("ra_1", "ord_1")])
    owed = sum(
        -row.total_minor if row.kind == Kind.CREDIT_NOTE else row.total_minor
        for row in Document.objects.filter(owner__platform_id="drv_1")
    )
    assert (owed, telling.document(f"{NEXT}:adj_1").total_minor, _differences()) == (0, -3000, {})


def test_a_statement_that_should_have_been_taken_back_and_was_not_is_found() -> None:
    telling.told([_ride(), making.reassignment("ra_1", "ord_1")])
    assert _differences() == {}
    with force.by_force():
        Document.objects.filter(document_key_id=NOTE).update(corrects=F("pk"))
    assert _differences() == {"event_and_document_differ": 1}
    facts = Discrepancy.objects.get(resolved_at=None).facts
    assert (facts["event_states"], facts["document_prints"]) == ("drv_1", telling.document(FIRST).number)


LATE_TIP = making.adjustment("adj_1", "ord_1", at="2026-02-19T12:00:00Z")
TO_FORMER = {
    "the tip alone": ("2.00", making.payout("po_1", "2.00", settles=[{"adjustment": "adj_1", "amount": "2.00"}])),
    "both by name": (
        "23.88",
        making.payout(
            "po_1",
            "23.88",
            settles=[{"order": "ord_1", "amount": "21.88"}, {"adjustment": "adj_1", "amount": "2.00"}],
        ),
    ),
    "the order": ("23.88", making.payout("po_1", "23.88", orders=["ord_1"])),
}


@pytest.mark.parametrize("paid", TO_FORMER)
@pytest.mark.parametrize("order", arrival.orders(range(4)))
def test_who_was_paid_for_what_came_after_the_order_was_lost_is_found_in_every_order(
    order: tuple[int, ...], paid: str
) -> None:
    over, payout = TO_FORMER[paid]
    events = [_ride(cash_collected="0.00"), making.reassignment("ra_1", "ord_1"), LATE_TIP, payout]
    telling.told([events[place] for place in order])
    assert {*Event.objects.values_list("status", flat=True)} == {EventStatus.PROCESSED}
    assert _owed() == {"drv_1": 0, "drv_2": 2388}
    assert _open() == {"paid_to_former_owner": ("drv_1", over, ["po_1"])}
    assert telling.document(NEXT).payout_status == telling.document(f"{NEXT}:adj_1").payout_status == "PENDING"
    assert _differences() == {"paid_to_former_owner": 1}
    telling.told([making.reversal("po_1", over)])
    assert (_open(), _differences()) == ({}, {})


def test_who_never_had_the_order_is_paid_nothing_of_it() -> None:
    stranger = making.payout("po_1", "2.00", settles=[{"adjustment": "adj_1", "amount": "2.00"}], payee="drv_9")
    telling.told([making.order("ord_9", driver="drv_9"), _ride(), making.reassignment("ra_1", "ord_1"), LATE_TIP])
    assert telling.told([stranger]) == ["held"]
    assert Event.objects.get(event_id="evt_po_1").code == "payee_mismatch"


# A, B, A, C: the last takes from the first owner too, and fits before the other two are there.
ROUND = {
    "complete": _ride(),
    "tip": making.adjustment("adj_1", "ord_1"),
    "there": making.reassignment("ra_1", "ord_1"),
    "tip for the second": making.adjustment("adj_2", "ord_1", at="2026-02-19T12:00:00Z"),
    "back": making.reassignment("ra_2", "ord_1", giver="drv_2", taker="drv_1", at="2026-02-20T10:00:00Z"),
    "payout to the first": making.payout("po_1", "25.88", orders=["ord_1"], at="2026-02-20T12:00:00Z"),
    "away": making.reassignment("ra_3", "ord_1", taker="drv_3", at="2026-02-21T10:00:00Z"),
    "payout to the last": making.payout("po_3", "25.88", orders=["ord_1"], payee="drv_3"),
}


def _owed() -> dict[str, int]:
    """Return {party: what all its statements and notes of the order leave it}."""
    owed: dict[str, int] = {}
    for row in Document.objects.filter(kind__in=(Kind.ORDER_FINAL_STATEMENT, Kind.CREDIT_NOTE)):
        net = -row.total_minor if row.kind == Kind.CREDIT_NOTE else row.total_minor
        owed[row.owner.platform_id] = owed.get(row.owner.platform_id, 0) + net
    return owed


def _remaining() -> dict[str, int]:
    """Return {statement: what its notes leave of it}, where anything is left."""
    left = dict(Document.objects.filter(kind=Kind.ORDER_FINAL_STATEMENT).values_list("document_key_id", "total_minor"))
    for note in Document.objects.filter(kind=Kind.CREDIT_NOTE).select_related("corrects"):
        assert note.corrects is not None
        left[note.corrects.document_key_id] -= note.total_minor
    return {key: rest for key, rest in left.items() if rest}


@pytest.mark.parametrize("seed", arrival.shuffles(8))
def test_reassignments_that_come_after_a_later_one_are_issued_between(seed: int) -> None:
    events = [*ROUND.values()]
    if seed == 1:
        events = [
            ROUND["complete"],
            ROUND["away"],
            ROUND["back"],
            ROUND["there"],
            *events[1:2],
            *events[3:4],
            events[5],
            events[7],
        ]
    elif seed:
        random.Random(seed).shuffle(events)
    telling.told(events)
    assert {*Event.objects.values_list("status", flat=True)} == {EventStatus.PROCESSED}
    assert _owed() == {"drv_1": 0, "drv_2": 0, "drv_3": 2588}
    mine = f"{OFS}:reassignment:ra_3:beneficiary"
    assert _remaining() == {mine: 2188, f"{mine}:adj_1": 200, f"{mine}:adj_2": 200}
    whole = {key: (owner, total) for key, (owner, total) in _documents().items() if "adj" not in key}
    assert whole == {
        FIRST: ("drv_1", 2188),
        NOTE: ("drv_1", 2188),
        NEXT: ("drv_2", 2188),
        f"{CN}:reassignment:ra_2:beneficiary": ("drv_2", 2188),
        f"{OFS}:reassignment:ra_2:beneficiary": ("drv_1", 2188),
        f"{CN}:reassignment:ra_3:beneficiary": ("drv_1", 2188),
        mine: ("drv_3", 2188),
        f"{PS}:payout:po_1:payee": ("drv_1", 2588),
        f"{PS}:payout:po_3:payee": ("drv_3", 2588),
    }
    paid = {document for payout, document, _ in _settled() if payout == "po_1"}
    assert paid == {f"{OFS}:reassignment:ra_2:beneficiary{part}" for part in ("", ":adj_1", ":adj_2")}
    assert _open() == {"paid_to_former_owner": ("drv_1", "25.88", ["po_1"])}
    assert _differences() == {"paid_to_former_owner": 1}


@pytest.mark.parametrize("seed", arrival.shuffles(10))
def test_an_order_that_wanders_among_three_is_owed_to_its_last_owner_alone(seed: int) -> None:
    dice, owner = random.Random(seed), "drv_1"
    events = [_ride()]
    for place in range(dice.randrange(3, 6)):
        taker = dice.choice([party for party in ("drv_1", "drv_2", "drv_3") if party != owner])
        moved = making.reassignment(
            f"ra_{place}", "ord_1", giver=owner, taker=taker, at=f"2026-02-{19 + place}T10:00:00Z"
        )
        tip = making.adjustment(f"adj_{place}", "ord_1", at=f"2026-02-{dice.randrange(18, 25)}T12:00:00Z")
        events, owner = [*events, moved, tip], taker
    tips = 200 * (len(events) // 2)
    if canceled := dice.random() < 0.3:
        events.append(making.order_canceled("ord_1", at="2026-02-26T12:00:00Z"))
    dice.shuffle(events)
    telling.told(events)
    assert {*Event.objects.values_list("status", flat=True)} == {EventStatus.PROCESSED}
    owed = _owed()
    assert owed.pop(owner) == (0 if canceled else 2188 + tips)
    assert {*owed.values()} <= {0}
    assert len({key.split(":")[2] for key in _remaining()}) == (0 if canceled else 1)
    assert (_open(), _differences()) == ({}, {})


@pytest.mark.parametrize("late", ["adjusted", "paid back", "reassigned", "ordered"])
def test_a_payout_that_takes_back_all_notes_of_a_reassignment_ends_the_same_whichever_note_comes_last(
    late: str,
) -> None:
    """One credit id names the order's note and its adjustment's: the payout states the sum of both."""
    paid = [{"order": "ord_1", "amount": "7.00"}, {"adjustment": "adj_1", "amount": "2.00"}]
    back = [{"order": "ord_2", "amount": "20.00"}, {"credit": "ra_1", "amount": "-9.00"}]
    events = {
        "ordered": making.order("ord_1", lines=[making.line("7.00")]),
        "adjusted": making.adjustment("adj_1", "ord_1", at="2026-02-18T10:00:00Z"),
        "paid": making.payout("po_1", "9.00", settles=paid, at="2026-02-19T07:00:00Z"),
        "reassigned": making.reassignment("ra_1", "ord_1", at="2026-02-19T10:00:00Z"),
        "other": making.order("ord_2", at="2026-02-19T12:00:00Z", lines=[making.line("20.00")]),
        "paid back": making.payout("po_2", "11.00", settles=back, at="2026-02-20T10:00:00Z", opening="0.00"),
    }
    told = [event for name, event in events.items() if name != late]
    if late == "adjusted":
        told = [event for event in told if event is not events["paid"]]  # it waits for the adjustment
    telling.told([*told, events[late], events["paid"]])
    telling.catch_up()
    assert set(Event.objects.values_list("status", flat=True)) == {EventStatus.PROCESSED}
    amounts = dict(Settlement.objects.values_list("document__document_key_id", "amount_minor"))
    assert {amounts[NOTE], amounts[f"{NOTE}:adj_1"]} == {-700, -200}
    assert (_open(), _differences()) == ({}, {})
