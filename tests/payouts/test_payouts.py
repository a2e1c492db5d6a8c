"""The life of a payout: it closes to the cent or is held, and its end is the same whatever came first."""

import json
import threading
from typing import Any

import pytest
from django.db import connections, transaction

from documents import money
from documents.alerts import discrepancies
from documents.events import effects, waiting
from documents.models import Discrepancy, Document, Event, EventStatus, PayoutStatus
from payouts.issuing import payout_statements, payout_totals
from payouts.models import Payout, Settlement
from payouts.reconciliation import run
from tests.payouts import arrival, making, telling
from tests.services import rivals

pytestmark = pytest.mark.django_db
OFS = "ORDER_FINAL_STATEMENT:order"
PS = "PAYOUT_STATEMENT:payout"
PRN = "PAYOUT_REVERSAL_NOTICE:payout"


@pytest.fixture(autouse=True)
def _issuers() -> None:
    telling.issuers()


def _state() -> dict[str, Any]:
    """Return everything that must not depend on the order of arrival."""
    return {
        "documents": {
            row.document_key_id: (
                row.owner.platform_id,
                row.total_minor,
                row.payout_status,
                row.settled_by and row.settled_by.document_key_id,
                json.loads(row.content)["totals"],
                json.loads(row.content)["owner"],
            )
            for row in Document.objects.select_related("owner", "settled_by")
        },
        "payouts": {
            row.payout_id: (row.state, row.amount_minor, row.closing_minor, row.returned_at)
            for row in Payout.objects.all()
        },
        "settled": sorted(
            Settlement.objects.values_list(
                "payout__payout_id", "document__document_key_id", "amount_minor", "effective"
            )
        ),
        "open": sorted(Discrepancy.objects.filter(resolved_at=None).values_list("dedup_key", flat=True)),
        "waiting": sorted(Event.objects.exclude(status=EventStatus.PROCESSED).values_list("event_id", "status")),
    }


def _status(order: str) -> tuple[str | None, str | None]:
    document = telling.document(f"{OFS}:{order}:beneficiary")
    return document.payout_status, document.settled_by.document_key_id if document.settled_by else None


def _held(event: dict[str, Any], code: str) -> dict[str, Any]:
    before = Document.objects.count()
    body = telling.tell(event).body
    assert (body["status"], body.get("code"), body["documents"]) == ("held", code, [])
    assert Document.objects.count() == before
    assert not Payout.objects.filter(payout_id=event["data"]["payout"]["id"]).exists()
    return body


# -- closing --


def test_a_payout_settles_its_orders_and_changes_no_paper() -> None:
    telling.told([making.order("ord_1"), making.order("ord_2", "5.00")])
    before = telling.document(f"{OFS}:ord_1:beneficiary").content
    telling.told([making.payout("po_1", "15.00", orders=["ord_1", "ord_2"])])
    assert _status("ord_1") == _status("ord_2") == ("SENT", f"{PS}:po_1:payee")
    document = telling.document(f"{OFS}:ord_1:beneficiary")
    assert (document.content, document.payout_status_at_issue) == (before, "PENDING")


def test_a_payout_off_by_one_cent_is_held_with_the_exact_difference_in_words() -> None:
    telling.told([making.order("ord_1"), making.order("ord_2", "5.00")])
    body = _held(making.payout("po_1", "15.01", orders=["ord_1", "ord_2"]), "payout_does_not_close")
    gap = {"difference": "-0.01", "currency": "EUR", "country": "ES"}
    assert body["errors"][0] == {"pointer": "/data/payout/amount", "code": "difference", "values": gap}
    assert _status("ord_1") == ("PENDING", None)


def test_the_diagnosis_names_the_order_whose_cash_was_forgotten() -> None:
    telling.told([making.order("ord_1", cash_collected="4.00"), making.order("ord_2", "5.00")])
    body = _held(making.payout("po_1", "11.00", orders=["ord_1", "ord_2"]), "payout_does_not_close")
    diagnoses = [fault["values"] for fault in body["errors"] if fault["code"] == "diagnosis"]
    assert ("cash_omitted", ["ord_1"]) in [(values["cause"], values["who"]) for values in diagnoses]


def test_the_diagnosis_names_the_order_that_is_not_listed() -> None:
    telling.told([making.order("ord_1"), making.order("ord_2", "5.00")])
    body = _held(making.payout("po_1", "15.00", orders=["ord_1"]), "payout_does_not_close")
    diagnoses = [fault["values"] for fault in body["errors"] if fault["code"] == "diagnosis"]
    assert ("missing", ["ord_2"]) in [(values["cause"], values["who"]) for values in diagnoses]


def test_a_held_payout_is_settled_by_a_corrected_event_for_the_same_payout() -> None:
    telling.told([making.order("ord_1")])
    _held(making.payout("po_1", "10.01", orders=["ord_1"]), "payout_does_not_close")
    telling.told([making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_mended"}])
    assert Event.objects.get(event_id="evt_po_1").superseded_by == Event.objects.get(event_id="evt_mended")
    assert _status("ord_1")[0] == "SENT"


def test_an_inverted_period_is_held() -> None:
    telling.told([making.order("ord_1")])
    event = making.payout("po_1", "10.00", orders=["ord_1"])
    event["data"]["period"] = {"from": "2026-02-22", "to": "2026-02-16"}
    _held(event, "period_invalid")


def test_a_period_of_one_day_is_fine() -> None:
    event = making.payout("po_1", "10.00", orders=["ord_1"])
    event["data"]["period"] = {"from": "2026-02-17", "to": "2026-02-17"}
    assert telling.told([making.order("ord_1"), event]) == ["processed", "processed"]


def test_a_driver_is_never_paid_for_anothers_order() -> None:
    telling.told([making.order("ord_1"), making.order("ord_2", driver="drv_2")])
    body = _held(making.payout("po_1", "20.00", orders=["ord_1", "ord_2"]), "payee_mismatch")
    assert [fault["pointer"] for fault in body["errors"]] == ["/data/orders/1"]


def test_a_fleet_is_paid_and_its_driver_is_not() -> None:
    fleet = {"id": "flt_1", "legal_name": "Flota Sur, S.L."}
    telling.told([making.order("ord_1", beneficiary=fleet), making.order("ord_2")])
    _held(making.payout("po_1", "10.00", orders=["ord_1"]), "payee_mismatch")
    telling.told([making.payout("po_2", "10.00", orders=["ord_1"], payee="flt_1")])
    assert _status("ord_1") == ("SENT", f"{PS}:po_2:payee")


def test_a_partner_is_paid_for_its_own_part_only() -> None:
    events = telling.sample("co_food")
    paid = making.payout("po_1", "21050.00", orders=["ord_CO7"], payee="ptn_andes")
    paid |= {"country": "CO", "issuer": "aventide-co"}
    paid["data"]["currency"] = "COP"
    telling.told([*events, paid])
    assert telling.document(f"{OFS}:ord_CO7:partner").payout_status == "SENT"
    assert telling.document(f"{OFS}:ord_CO7:beneficiary").payout_status == "PENDING"


def test_everything_that_moves_a_payout_adds_up() -> None:
    event = making.payout("po_1", "14.10", orders=["ord_1"], opening="0.00", closing="-1.00", cash_collected="1.00")
    event["data"]["adjustments"] = [making.line("5.00", kind="BONUS", tax="IVA21")]
    event["data"]["withholdings"] = [
        {"name": "IRPF", "rate": "0.15", "base": "13.00", "amount": "1.95", "legal_ref": "RIRPF art. 95"}
    ]
    event["data"]["payout"]["amount"] = "14.10"
    telling.told([making.order("ord_1"), event])
    totals = json.loads(telling.document(f"{PS}:po_1:payee").content)["totals"]
    assert totals == {
        "included": "10.00",
        "adjustments": "6.05",
        "withheld": "1.95",
        "cash_collected": "1.00",
        "opening_carry_over": "0.00",
        "closing_carry_over": "-1.00",
        "amount": "14.10",
    }


def test_a_period_that_ends_below_zero_carries_its_debt_on() -> None:
    telling.told(
        [
            making.order("ord_1", "-3.00"),
            making.period_closed("po_1", orders=["ord_1"], closing="-3.00"),
            making.order("ord_2", at="2026-02-25T10:00:00Z"),
            making.payout("po_2", "7.00", orders=["ord_2"], at="2026-03-01T07:00:00Z", opening="-3.00"),
        ]
    )
    closed = telling.document(f"{PS}:po_1:payee")
    assert closed.total_minor == 0
    assert "destination_masked" not in json.loads(closed.content)["payout"]
    assert _status("ord_1") == ("SENT", f"{PS}:po_1:payee")
    assert telling.document(f"{PS}:po_2:payee").total_minor == 700


def test_two_people_may_issue_a_payout_that_does_not_close_and_the_paper_says_so() -> None:
    telling.told([making.order("ord_1")])
    _held(making.payout("po_1", "10.40", orders=["ord_1"]), "payout_does_not_close")
    event = Event.objects.get(event_id="evt_po_1")
    with transaction.atomic():
        message = effects.message_of(event=event)
        effects.lock_rows(message=message)
        draft = payout_statements.with_difference(message=message)
        assert isinstance(draft, payout_totals.PayoutDraft)
        issued = payout_statements.issue(draft=draft, event=event, now=telling.NOW, actor=telling.ACTOR)
    assert json.loads(issued.document.content)["difference"] == "0.40"
    assert issued.document.flags == ["reconciliation_difference"]


# -- waiting --


def test_a_payout_waits_for_each_order_it_names() -> None:
    telling.told([making.order("ord_1")])
    body = telling.tell(making.payout("po_1", "20.00", orders=["ord_1", "ord_2", "ord_3"])).body
    assert (body["status"], body["missing"]) == ("parked", ["order:ord_2", "order:ord_3"])
    telling.told([making.order("ord_2", "5.00"), making.order("ord_3", "5.00")])
    assert _status("ord_3") == ("SENT", f"{PS}:po_1:payee")


def test_a_payout_of_many_orders_is_looked_at_when_the_last_comes_and_not_for_each() -> None:
    telling.tell(making.payout("po_1", "30.00", orders=["ord_1", "ord_2", "ord_3"]))
    event = Event.objects.get(event_id="evt_po_1")
    for number, missing in ((2, ["order:ord_1", "order:ord_3"]), (1, ["order:ord_3"])):
        telling.tell(making.order(f"ord_{number}"))
        event.refresh_from_db()
        assert (event.missing, waiting.due(now=telling.NOW, limit=10)) == (missing, [])
    telling.tell(making.order("ord_3"))
    assert waiting.due(now=telling.NOW, limit=10) == [event.pk]
    telling.catch_up()
    assert _status("ord_1")[0] == "SENT"


@pytest.mark.django_db(transaction=True)
def test_two_who_bring_the_last_two_orders_at_once_wake_the_payout() -> None:
    telling.tell(making.payout("po_1", "20.00", orders=["ord_1", "ord_2"]))
    first_has_woken = threading.Event()

    def second() -> None:
        first_has_woken.wait(timeout=10)
        telling.tell(making.order("ord_2"))
        connections.close_all()

    rival = threading.Thread(target=second)
    rival.start()
    with transaction.atomic():
        telling.tell(making.order("ord_1"))
        first_has_woken.set()
        rival.join(timeout=0.5)  # it waits for this transaction, and then sees that it was the last
        assert rival.is_alive()
    rival.join(timeout=30)
    telling.catch_up()
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


def test_a_payout_waits_for_the_one_whose_balance_it_opens_with() -> None:
    events = [
        making.order("ord_1"),
        making.order("ord_2"),
        making.payout("po_1", "12.00", orders=["ord_1"], closing="-2.00"),
        making.payout("po_2", "8.00", orders=["ord_2"], at="2026-02-28T07:00:00Z", opening="-2.00"),
    ]
    body = telling.tell(events[0]).body, telling.tell(events[1]).body, telling.tell(events[3]).body
    assert (body[2]["status"], body[2]["missing"]) == ("parked", ["balance:drv_1:aventide-es"])
    telling.told([events[2]])
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


@pytest.mark.parametrize("first", [0, 1])
def test_two_payouts_of_one_moment_are_one_chain_by_their_ids(first: int) -> None:
    events = [
        making.payout("po_1", "12.00", orders=["ord_1"], closing="-2.00"),
        making.payout("po_2", "8.00", orders=["ord_2"], opening="-2.00"),
    ]
    telling.told([making.order("ord_1"), making.order("ord_2"), events[first], events[1 - first]])
    assert not Event.objects.exclude(status="processed").exists()
    assert run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings == {}


def test_balances_of_two_issuers_do_not_mix() -> None:
    mexican = [event for event in telling.sample("mx_week") if event["type"] != "PAYOUT_RETURNED"]
    telling.told(
        [
            *mexican,
            making.order("ord_1", driver="drv_MX42"),
            making.payout("po_1", "10.00", orders=["ord_1"], payee="drv_MX42"),
        ]
    )
    assert not Event.objects.exclude(status=EventStatus.PROCESSED).exists()


# -- born SENT --


def test_a_statement_is_born_sent_only_if_its_payout_was_sent_before_the_order_completed() -> None:
    early = making.payout("po_1", "10.00", orders=["ord_1"], at="2026-02-17T09:59:59Z")
    telling.told([early, making.order("ord_1", at="2026-02-17T10:00:00Z")])
    document = telling.document(f"{OFS}:ord_1:beneficiary")
    assert (document.payout_status_at_issue, document.payout_status) == ("SENT", "SENT")
    assert json.loads(document.content)["payout_status"] == "SENT"
    late = making.payout("po_2", "10.00", orders=["ord_2"], at="2026-02-17T10:00:00Z")
    telling.told([late, making.order("ord_2", at="2026-02-17T10:00:00Z")])
    document = telling.document(f"{OFS}:ord_2:beneficiary")
    assert (document.payout_status_at_issue, document.payout_status) == ("PENDING", "SENT")


def test_a_payout_to_somebody_else_makes_nobody_born_sent() -> None:
    early = making.payout("po_1", "10.00", orders=["ord_1"], payee="drv_2", at="2026-02-17T09:00:00Z")
    telling.told([early, making.order("ord_1")])
    assert telling.document(f"{OFS}:ord_1:beneficiary").payout_status_at_issue == PayoutStatus.PENDING


# -- not arriving --


def test_a_returned_payout_waits_for_its_sending_and_then_the_money_is_owed_again() -> None:
    body = telling.tell(making.reversal("po_1", "10.00")).body
    assert (body["status"], body["missing"]) == ("parked", ["payout:po_1"])
    telling.told([making.order("ord_1"), making.payout("po_1", "10.00", orders=["ord_1"])])
    assert _status("ord_1") == ("PENDING", None)
    notice = telling.document(f"{PRN}:po_1:payee:returned")
    content = json.loads(notice.content)
    assert (notice.total_minor, content["outcome"]) == (1000, "returned")
    assert content["statement"]["number"] == telling.document(f"{PS}:po_1:payee").number


def test_a_failed_payout_is_told_at_once_even_if_its_sending_never_comes() -> None:
    telling.told([making.order("ord_1"), making.reversal("po_1", "10.00", kind="PAYOUT_FAILED")])
    assert json.loads(telling.document(f"{PRN}:po_1:payee:failed").content)["outcome"] == "failed"
    assert _status("ord_1") == ("PENDING", None)


def test_nobody_is_told_of_anothers_failed_payout() -> None:
    telling.told(
        [making.order("ord_1"), making.order("ord_2", driver="drv_2"), making.payout("po_1", "10.00", orders=["ord_1"])]
    )
    body = telling.tell(making.reversal("po_1", "10.00", kind="PAYOUT_FAILED", payee="drv_2")).body
    assert (body["status"], body["code"]) == ("held", "payee_mismatch")
    assert _status("ord_1")[0] == "SENT"


def test_a_return_of_another_amount_or_to_another_payee_is_held() -> None:
    telling.told(
        [making.order("ord_1"), making.order("ord_2", driver="drv_2"), making.payout("po_1", "10.00", orders=["ord_1"])]
    )
    body = telling.tell(making.reversal("po_1", "10.01")).body
    assert (body["status"], body["code"]) == ("held", "totals_mismatch")
    body = telling.tell(making.reversal("po_1", "10.00", payee="drv_2") | {"id": "evt_2"}).body
    assert (body["status"], body["code"]) == ("held", "payee_mismatch")
    assert _status("ord_1")[0] == "SENT"


# -- parts, and twice --


def test_an_instant_and_a_partial_payout_complete_an_order_together() -> None:
    telling.told(
        [
            making.order("ord_1"),
            making.payout("po_1", "6.00", settles=[{"order": "ord_1", "amount": "6.00"}], at="2026-02-18T07:00:00Z"),
        ]
    )
    assert _status("ord_1") == ("PENDING", None)
    telling.told([making.payout("po_2", "4.00", settles=[{"order": "ord_1", "amount": "4.00"}])])
    assert _status("ord_1") == ("SENT", f"{PS}:po_2:payee")
    assert not Discrepancy.objects.exists()


def test_an_order_paid_twice_is_issued_all_the_same_and_closes_by_itself_on_return() -> None:
    telling.told(
        [
            making.order("ord_1"),
            making.payout("po_1", "10.00", orders=["ord_1"]),
            making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-24T07:00:00Z"),
        ]
    )
    found = Discrepancy.objects.get(code="paid_twice")
    assert (found.resolved_at, found.facts["difference"], found.facts["payouts"]) == (None, "10.00", ["po_1", "po_2"])
    telling.told([making.reversal("po_1", "10.00", at="2026-02-25T10:00:00Z")])
    found.refresh_from_db()
    assert found.resolved_at is not None
    assert _status("ord_1") == ("SENT", f"{PS}:po_2:payee")


@pytest.mark.django_db(transaction=True)
def test_money_paid_a_third_time_is_open_again_though_somebody_resolves_the_second_meanwhile() -> None:
    telling.told(
        [
            making.order("ord_1"),
            making.payout("po_1", "10.00", orders=["ord_1"]),
            making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-24T07:00:00Z"),
        ]
    )
    key = Discrepancy.objects.get(code="paid_twice").dedup_key

    def resolved() -> None:
        with transaction.atomic():
            discrepancies.resolve(dedup_key=key, resolution="let be", actor=telling.ACTOR, now=telling.NOW)

    third = making.payout("po_3", "10.00", orders=["ord_1"], at="2026-02-25T07:00:00Z")
    with rivals.overtaken(after='FROM "documents_discrepancy"', by=resolved):
        assert telling.tell(third).status == 201
    rows = Discrepancy.objects.filter(code="paid_twice").order_by("pk")
    assert [(row.resolved_at is None, row.facts["difference"]) for row in rows] == [(False, "10.00"), (True, "20.00")]


def test_an_adjustment_is_settled_by_name() -> None:
    settles = [{"order": "ord_1", "amount": "10.00"}, {"adjustment": "adj_1", "amount": "2.00"}]
    telling.told(
        [making.payout("po_1", "12.00", settles=settles), making.adjustment("adj_1", "ord_1"), making.order("ord_1")]
    )
    assert telling.document(f"{OFS}:ord_1:beneficiary:adj_1").payout_status == "SENT"
    rows = json.loads(telling.document(f"{PS}:po_1:payee").content)["settles"]
    assert [(row["order"], row.get("adjustment"), row["amount"]) for row in rows] == [
        ("ord_1", None, "10.00"),
        ("ord_1", "adj_1", "2.00"),
    ]


def test_a_repeat_of_an_old_payout_is_the_old_document_and_settles_nothing_again() -> None:
    events = [
        making.order("ord_1"),
        making.order("ord_2"),
        making.payout("po_1", "12.00", orders=["ord_1"], closing="-2.00"),
        making.payout("po_2", "8.00", orders=["ord_2"], at="2026-02-28T07:00:00Z", opening="-2.00"),
    ]
    telling.told(events)
    before = _state()
    answer = telling.tell(events[2] | {"id": "evt_again"})
    assert (answer.status, answer.body["replayed"]) == (200, True)
    assert _state() == before
    changed = making.payout("po_1", "11.00", orders=["ord_1"], closing="-1.00") | {"id": "evt_changed"}
    assert telling.tell(changed).status == 200
    assert Discrepancy.objects.get(resolved_at=None).code == "divergent_repeat"
    assert Settlement.objects.count() == 2


# -- any order --

STORIES: dict[str, list[dict[str, Any]]] = {
    "returned and paid again": [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "10.00"),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-25T07:00:00Z", replaces="po_1"),
    ],
    "failed and paid again": [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "10.00", kind="PAYOUT_FAILED"),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-25T07:00:00Z"),
    ],
    "a payout that includes an adjustment without naming it": [
        making.order("ord_1"),
        making.adjustment("adj_1", "ord_1"),
        making.payout("po_1", "12.00", orders=["ord_1"]),
    ],
    "an adjustment that another payout settles": [
        making.order("ord_1"),
        making.adjustment("adj_1", "ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.payout("po_2", "2.00", settles=[{"adjustment": "adj_1", "amount": "2.00"}], at="2026-03-01T07:00:00Z"),
    ],
    "an adjustment of the payout's own day that came too late for it": [
        making.order("ord_1"),
        making.adjustment("adj_1", "ord_1", at="2026-02-23T06:59:59Z"),
        making.adjustment("adj_2", "ord_1", at="2026-02-23T07:00:00Z"),
        making.payout("po_1", "12.00", orders=["ord_1"], at="2026-02-23T07:00:00Z"),
    ],
    "returned less a fee": [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "9.75", fee="0.25"),
    ],
    "returned less": [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "9.75"),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-25T07:00:00Z", replaces="po_1"),
    ],
    "failed, and less was recovered": [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.reversal("po_1", "9.75", kind="PAYOUT_FAILED"),
    ],
    "told before its order, and failed": [
        making.order("ord_1"),
        making.payout("po_1", "10.00", orders=["ord_1"], at="2026-02-17T09:00:00Z"),
        making.reversal("po_1", "10.00", kind="PAYOUT_FAILED", at="2026-02-17T12:00:00Z"),
    ],
    "a chain of balances": [
        making.order("ord_1", "-3.00"),
        making.period_closed("po_1", orders=["ord_1"], closing="-3.00"),
        making.payout("po_2", "0.00", at="2026-02-26T07:00:00Z", opening="-3.00", closing="-3.00"),
        making.payout("po_3", "2.00", at="2026-02-28T07:00:00Z", opening="-3.00", closing="-5.00"),
    ],
    "a balance that came back with its payout": [
        making.order("ord_1"),
        making.payout("po_1", "12.00", orders=["ord_1"], closing="-2.00"),
        making.reversal("po_1", "12.00"),
        making.payout("po_2", "10.00", orders=["ord_1"], at="2026-02-25T07:00:00Z"),
    ],
    "a payee with two names": [
        making.order("ord_1"),
        making.order("ord_2", at="2026-02-18T10:00:00Z", driver="drv_1") | {"id": "evt_renamed"},
        making.payout("po_1", "20.00", orders=["ord_1", "ord_2"]),
    ],
}
STORIES["a payee with two names"][1]["data"]["driver"]["legal_name"] = "Ana Casada"


@pytest.mark.parametrize("story", sorted(STORIES))
def test_a_story_ends_alike_in_every_order_of_arrival(story: str) -> None:
    ends = []
    for order in arrival.orders(STORIES[story]):
        undo = transaction.savepoint()
        telling.told(order)
        ends.append(_state())
        transaction.savepoint_rollback(undo)
    assert ends[0]["waiting"] == []
    for end in ends[1:]:
        assert end == ends[0]


def test_money_never_leaks_between_the_parts_of_a_story() -> None:
    telling.told([event for story in ("returned and paid again",) for event in STORIES[story]])
    paid = sum(Payout.objects.filter(returned_at=None).values_list("amount_minor", flat=True))
    settled = sum(Settlement.objects.filter(effective=True).values_list("amount_minor", flat=True))
    assert money.text(paid, 2) == money.text(settled, 2) == "10.00"
    assert Discrepancy.objects.filter(resolved_at=None).count() == 0
