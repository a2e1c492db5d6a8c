"""A payout that comes back without all of its money: the fee is the platform's, and what is missing is seen."""

import json

import pytest

from documents.alerts import discrepancies
from documents.models import Alert, Discrepancy
from payouts.models import Payout
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling
from tests.services import force

pytestmark = pytest.mark.django_db
OFS = "ORDER_FINAL_STATEMENT:order:ord_1:beneficiary"
KINDS = {"PAYOUT_RETURNED": "returned", "PAYOUT_FAILED": "failed"}


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


@pytest.mark.parametrize("order", arrival.orders(range(3)))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_with_its_fee_all_is_owed_again_and_nothing_differs(kind: str, order: tuple[int, ...]) -> None:
    events = [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "9.75", kind=kind, fee="0.25"),
    ]
    telling.told([events[place] for place in order])
    notice = telling.document(f"PAYOUT_REVERSAL_NOTICE:payout:po_1:payee:{KINDS[kind]}")
    content = json.loads(notice.content)
    assert (notice.total_minor, content["totals"]) == (1000, {"amount": "10.00"})
    assert content["payout"] == {"id": "po_1", "amount": "9.75", "fee": "0.25"}
    assert telling.document(OFS).payout_status == "PENDING"
    assert not Discrepancy.objects.exists()
    assert run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings == {}


@pytest.mark.parametrize("order", arrival.orders(range(3)))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_less_without_a_fee_is_owed_again_and_one_discrepancy_has_both_amounts(
    kind: str, order: tuple[int, ...]
) -> None:
    events = [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "9.75", kind=kind, fee="0.00"),
    ]
    telling.told([events[place] for place in order])
    notice = telling.document(f"PAYOUT_REVERSAL_NOTICE:payout:po_1:payee:{KINDS[kind]}")
    assert telling.document(OFS).payout_status == "PENDING"
    assert Payout.objects.get().state == KINDS[kind].upper()
    found = Discrepancy.objects.get()
    assert (found.code, found.document, found.resolved_at) == ("returned_less", notice, None)
    assert found.facts == {
        "document_key": notice.document_key_id,
        "currency": "EUR",
        "payout": "po_1",
        "sent": "10.00",
        "returned": "9.75",
        "difference": "0.25",
    }
    assert [(alert.code, alert.severity) for alert in Alert.objects.all()] == [("returned_less", "P2")]
    summary = run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR)
    assert (summary.findings, summary.opened, summary.resolved) == ({"returned_less": 1}, 0, 0)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_reconciliation_finds_what_is_missing_where_nobody_has_opened_it(kind: str) -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    telling.told([making.reversal("po_1", "9.75", kind=kind)])
    opened = Discrepancy.objects.get()
    expected = (opened.code, opened.dedup_key, opened.facts, opened.document)
    with force.by_force():
        Discrepancy.objects.all().delete()
    for opens in (1, 0):  # a second run opens no second one
        summary = run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR)
        assert (summary.findings, summary.opened, summary.resolved) == ({"returned_less": 1}, opens, 0)
        found = Discrepancy.objects.get(resolved_at=None)
        assert (found.code, found.dedup_key, found.facts, found.document) == expected
    discrepancies.resolve(
        dedup_key=opened.dedup_key, resolution="El banco lo devolvió aparte", actor=telling.ACTOR, now=telling.NOW
    )
    accepted = run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR)
    assert (accepted.findings, accepted.accepted, accepted.opened) == ({}, 1, 0)


def test_the_notice_says_what_came_back_and_what_is_still_missing() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    telling.told([making.reversal("po_1", "9.75")])
    content = json.loads(telling.document("PAYOUT_REVERSAL_NOTICE:payout:po_1:payee:returned").content)
    assert content["payout"] == {"id": "po_1", "amount": "9.75", "missing": "0.25"}
    assert content["totals"] == {"amount": "10.00"}


def test_no_fee_and_a_fee_of_zero_are_the_same_fact() -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    telling.told([making.reversal("po_1", "10.00", fee="0.00")])
    answer = telling.tell(making.reversal("po_1", "10.00") | {"id": "evt_again"})
    assert (answer.status, answer.body["replayed"]) == (200, True)
    assert not Discrepancy.objects.exists()
