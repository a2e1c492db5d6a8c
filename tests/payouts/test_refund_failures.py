"""A refund that failed keeps its credit note, and is given back under it once more: nothing is numbered twice."""

import datetime as dt
import itertools
import json
from typing import Any, cast

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import Event as AuditEvent
from documents import presentation
from documents.events import answers, intake
from documents.events import waiting as events_waiting
from documents.models import Alert, Document, Event, RefundStatus
from documents.sentences import writing
from payouts.admin import rows
from payouts.models import RefundReplacement
from payouts.reconciliation import run
from payouts.review import dismissal, worklist
from tests import cast as cast_of_people
from tests.documents import center
from tests.payouts import making, telling
from tests.services import force

NOTE = "CREDIT_NOTE:refund:rf_1:customer"
WHOLE = [making.line("10.00", kind="REFUND_ITEM", tax="IVA10")]
PAYMENT = making.payment("pay_1", "11.00", [making.line("10.00", tax="IVA10")])
FIRST = making.refund("rf_1", "pay_1", WHOLE)
FAILED = making.refund_failed("rf_1", "pay_1")
AGAIN = making.refund("rf_2", "pay_1", WHOLE, replaces="rf_1")
LATE = telling.NOW + dt.timedelta(days=9)
AGAIN_FAILED = making.refund_failed("rf_2", "pay_1")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def issuers() -> None:
    telling.issuers()


def _found() -> dict[str, int]:
    """Return what reconciliation finds: {code: how many}."""
    return run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings


def _state() -> tuple[object, ...]:
    """Return what is true in the end: the credit notes with their status, and what became of each event."""
    notes = Document.objects.filter(kind="CREDIT_NOTE").order_by("document_key_id")
    events = Event.objects.order_by("event_id").values_list("event_id", "status", "code", "missing")
    return (
        [(note.document_key_id, note.total_minor, note.refund_status) for note in notes],
        [(name, status, code, tuple(missing)) for name, status, code, missing in events],
        sorted(RefundReplacement.objects.values_list("refund", "replaces")),
    )


def _said_of(event: Event) -> list[str]:
    """Return what its page says of an event that waits."""
    return rows.sentences(item=worklist.of_event(Event.objects.get(pk=event.pk), now=LATE))


def _one_state(orders: list[tuple[dict[str, Any], ...]]) -> tuple[Any, ...]:
    """Tell the events in each of the orders, every one from the same beginning; return the state in which all end."""
    states = set()
    for order in orders:
        undo = transaction.savepoint()
        telling.told(order)
        kept = _state()
        states.add(repr(kept))
        if order is orders[-1]:  # the state is the same in all of them
            assert _found() == {}
        transaction.savepoint_rollback(undo)
    assert len(states) == 1
    return kept


def _shown(answer: answers.Answer) -> list[tuple[str, str | None]]:
    """Return the key and refund status of each document that answers an event."""
    documents = cast("list[dict[str, Any]]", answer.body["documents"])
    return [(row["document_key"], row["refund_status"]) for row in documents]


def _data(event: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return an event under another id with other members of its `refund`."""
    other = json.loads(json.dumps(event)) | {"id": f"{event['id']}_other"}
    other["data"]["refund"] |= changed
    return dict(other)


# -- one story, in the order in which it happened --


def test_the_note_of_a_refund_that_failed_says_so_until_another_replaces_it() -> None:
    assert telling.told([PAYMENT, FIRST]) == ["processed"] * 2
    assert presentation.document(document=telling.document(NOTE))["refund_status"] is None
    failed = telling.tell(FAILED)
    assert (failed.status, failed.body["status"], failed.body["replayed"]) == (201, "processed", False)
    assert _shown(failed) == [(NOTE, "FAILED")]
    again = telling.tell(AGAIN)
    assert (again.status, again.body["status"], again.body["replayed"]) == (200, "processed", True)
    assert _shown(again) == [(NOTE, None)]
    assert Document.objects.filter(kind="CREDIT_NOTE").count() == 1
    actions = AuditEvent.objects.filter(object_id=telling.document(NOTE).public_id).order_by("pk")
    said = [(row.action, row.code) for row in actions if row.action.startswith("document.refund")]
    assert said == [
        ("document.refund_status_changed", "FAILED"),
        ("document.refund_replaced", ""),
        ("document.refund_status_changed", ""),
    ]


def test_the_document_center_lists_the_notes_of_refunds_that_failed_and_says_so_on_their_page() -> None:
    telling.told([PAYMENT, FIRST, FAILED])
    note, browser = telling.document(NOTE), center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    listed = "/admin/documents/document/?view=refund_failed"
    assert "Devolución fallida" in browser.get(center.page(note)).content.decode()
    assert note.number in browser.get(listed).content.decode()
    telling.told([AGAIN])
    assert "Devolución fallida" not in browser.get(center.page(note)).content.decode()
    assert note.number not in browser.get(listed).content.decode()


def test_what_is_told_again_changes_nothing_and_what_diverges_is_on_record() -> None:
    telling.told([PAYMENT, FIRST, FAILED, AGAIN])
    before = _state()
    for event in (FIRST, FAILED, AGAIN):
        assert telling.tell(event).status == 200
        again = telling.tell(event | {"id": f"{event['id']}_x"})
        assert (again.status, again.body["replayed"]) == (200, True)
    assert _state()[0] == before[0]
    assert not Event.objects.filter(discrepancies__isnull=False).exists()
    divergent = [
        _data(AGAIN, reason="GOODWILL"),
        _data(AGAIN, amount="3.00") | {"id": "evt_amount"},
        _data(FIRST, replaces="rf_0") | {"id": "evt_first"},
    ]
    plain = _data(AGAIN) | {"id": "evt_plain"}
    del plain["data"]["refund"]["replaces"]
    for event in (*divergent, plain):
        assert telling.tell(event).status == 200
        assert Event.objects.get(event_id=event["id"]).discrepancies.get().code == "divergent_repeat"
    assert _state()[0] == before[0]


@pytest.mark.parametrize(
    ("country", "currency", "total", "lines", "back"),
    [
        ("CL", "CLP", "1785", [making.line("1500", tax="IVA19")], [making.line("700", tax="IVA19")]),
        (
            "MX",
            "MXN",
            "123.77",
            [making.line("100.00", tax="IVA16"), making.line("7.77", name="2", kind="TIP")],
            [making.line("33.33", tax="IVA16"), making.line("7.77", name="2", kind="REFUND_ITEM")],
        ),
        (
            "CO",
            "COP",
            "21600.00",
            [
                making.line("30000", kind="ITEM", tax="INC8"),
                making.line("-10000", name="2", kind="PROMOTION", tax="INC8"),
            ],
            [making.line("20000", kind="REFUND_ITEM", tax="INC8")],
        ),
    ],
)
def test_it_is_so_in_every_country_and_shape(
    country: str, currency: str, total: str, lines: list[dict[str, str]], back: list[dict[str, str]]
) -> None:
    events = [
        making.refund("rf_2", "pay_1", back, replaces="rf_1"),
        FAILED,
        making.refund("rf_1", "pay_1", back),
        AGAIN_FAILED,
        making.payment("pay_1", total, lines),
    ]
    place = {"country": country, "issuer": f"aventide-{country.lower()}"}
    telling.told(event | place | {"data": event["data"] | {"currency": currency}} for event in events)
    assert _state()[0] == [(NOTE, telling.document(NOTE).total_minor, "FAILED")]
    assert not Event.objects.exclude(status="processed").exists()
    assert _found() == {}


# -- any order --


def _sample(*events: dict[str, Any], of: int) -> list[tuple[dict[str, Any], ...]]:
    """Return every `of`-th of all orders of the events: from the first to the last, so each comes early and late."""
    return list(itertools.permutations(events))[::of]


def test_refund_failure_and_replacement_end_the_same_in_every_order() -> None:
    notes, events, pairs = _one_state(_sample(PAYMENT, FIRST, FAILED, AGAIN, of=3))
    assert notes == [(NOTE, 1100, "")]
    assert {status for _name, status, _code, _missing in events} == {"processed"}
    assert pairs == [("rf_2", "rf_1")]


def test_a_replacement_that_fails_too_and_is_replaced_ends_the_same_in_every_order() -> None:
    third = making.refund("rf_3", "pay_1", WHOLE, replaces="rf_2")
    notes, events, pairs = _one_state(_sample(PAYMENT, FIRST, FAILED, AGAIN, AGAIN_FAILED, third, of=89))
    assert notes == [(NOTE, 1100, "")]
    assert {status for _name, status, _code, _missing in events} == {"processed"}
    assert pairs == [("rf_2", "rf_1"), ("rf_3", "rf_2")]


def test_a_replacement_that_fails_too_leaves_the_note_failed_in_every_order() -> None:
    notes, events, _pairs = _one_state(_sample(PAYMENT, FIRST, FAILED, AGAIN, AGAIN_FAILED, of=13))
    assert notes == [(NOTE, 1100, "FAILED")]
    assert {status for _name, status, _code, _missing in events} == {"processed"}


def test_one_that_replaces_the_first_again_stands_once_the_other_is_known_to_have_failed() -> None:
    third = making.refund("rf_3", "pay_1", WHOLE, replaces="rf_1")
    notes, events, pairs = _one_state(_sample(PAYMENT, FIRST, AGAIN, AGAIN_FAILED, third, of=13))
    assert notes == [(NOTE, 1100, "")]
    assert {status for _name, status, _code, _missing in events} == {"processed"}
    assert pairs == [("rf_2", "rf_1"), ("rf_3", "rf_1")]


def test_a_second_replacement_while_the_first_stands_is_held() -> None:
    third = making.refund("rf_3", "pay_1", WHOLE, replaces="rf_1")
    assert telling.told([PAYMENT, FIRST, FAILED, AGAIN, third])[-1] == "held"
    held = Event.objects.get(event_id="evt_rf_3")
    assert (held.code, held.errors[0]["values"]["standing"]) == ("credit_exceeds_remaining", ["rf_2"])
    assert "rf_2" in writing.of_fault(fault=held.errors[0], language="es")


def test_without_replaces_the_second_try_is_held_and_asked_for_it_in_every_order() -> None:
    second = making.refund("rf_2", "pay_1", WHOLE)
    orders = [
        order for order in _sample(PAYMENT, FIRST, FAILED, second, of=2) if order.index(FIRST) < order.index(second)
    ]
    for order in orders:
        undo = transaction.savepoint()
        telling.told(order)
        if (held := Event.objects.filter(event_id="evt_rf_2", status="held").first()) is not None:
            said = held.errors[-1]["values"]
            number = telling.document(NOTE).number
            assert (held.code, said["refund"], said["documents"]) == ("credit_exceeds_remaining", "rf_1", [number])
            assert "«replaces»" in writing.of_fault(fault=held.errors[-1], language="es")
            assert telling.tell(AGAIN | {"id": "evt_right"}).body["replayed"] is True
            assert Event.objects.get(event_id="evt_rf_2").superseded_by is not None
        else:  # both waited for the payment, and the second one was looked at first
            assert Document.objects.get(kind="CREDIT_NOTE").subject == "refund:rf_2"
        transaction.savepoint_rollback(undo)


# -- what does not fit --


@pytest.mark.parametrize(
    ("lines", "amount", "stated"),
    [
        ([making.line("9.99", kind="REFUND_ITEM", tax="IVA10")], None, "10.99"),
        ([making.line("12.00", kind="REFUND_ITEM", tax="IVA10")], None, "13.20"),
        (None, "10.00", "10.00"),
        (None, "99.00", "99.00"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["failed before", "failed after"])
def test_a_replacement_of_another_amount_is_held_with_both(
    lines: list[dict[str, str]] | None, amount: str | None, stated: str, *, is_known: bool
) -> None:
    other = making.refund("rf_2", "pay_1", lines or [], replaces="rf_1")
    if lines is None:
        del other["data"]["lines"]
        other["data"]["refund"]["amount"] = amount
    telling.told([PAYMENT, FIRST, FAILED, other] if is_known else [other, PAYMENT, FIRST, FAILED])
    held = Event.objects.get(event_id="evt_rf_2")
    values = held.errors[0]["values"]
    assert (held.status, held.code) == ("held", "totals_mismatch")
    assert (values["stated"], values["expected"], values["refund"]) == (stated, "11.00", "rf_1")
    assert telling.document(NOTE).refund_status == "FAILED"
    sentence = writing.of_fault(fault=held.errors[0], language="es")
    assert "11,00" in sentence
    assert stated.replace(".", ",") in sentence


def test_a_replacement_may_say_the_same_gross_by_an_amount_or_by_prices_with_the_tax_inside() -> None:
    telling.told([PAYMENT, FIRST, FAILED])
    for word, members in (
        ("amount", {"refund": {**AGAIN["data"]["refund"], "amount": "11.00"}}),
        ("gross", {"prices": "gross", "lines": [making.line("11.00", kind="REFUND_ITEM", tax="IVA10")]}),
    ):
        undo = transaction.savepoint()
        event = json.loads(json.dumps(AGAIN)) | {"id": f"evt_{word}"}
        event["data"] |= members
        if word == "amount":
            del event["data"]["lines"]
        assert telling.tell(event).status == 200, word
        assert telling.document(NOTE).refund_status == ""
        transaction.savepoint_rollback(undo)


def test_the_closing_unit_of_a_credit_is_its_replacements_too() -> None:
    third = [making.line("4.05", name=name, kind="ITEM", tax="IVA10") for name in "123"]  # 12.15 and 1.22
    payment = making.payment("pay_1", "13.37", third)
    parts = [making.refund(f"rf_{name}", "pay_1", [making.line("4.05", tax="IVA10")]) for name in "123"]
    telling.told([payment, *parts])
    totals = [telling.document(f"CREDIT_NOTE:refund:rf_{name}:customer").total_minor for name in "123"]
    assert sum(totals) == 1337
    for name in "123":  # whichever of them carries the unit
        again = making.refund(f"rf_{name}_again", "pay_1", [making.line("4.05", tax="IVA10")], replaces=f"rf_{name}")
        assert telling.told([making.refund_failed(f"rf_{name}", "pay_1"), again]) == ["processed"] * 2


def test_failure_and_replacement_of_another_payment_are_held() -> None:
    other = making.payment("pay_2", "11.00", [making.line("10.00", tax="IVA10")])
    stranger = making.refund("rf_2", "pay_2", WHOLE, replaces="rf_1")
    failed = making.refund_failed("rf_1", "pay_2")
    assert telling.told([PAYMENT, other, FIRST, stranger, failed])[-2:] == ["held", "held"]
    for name in ("evt_rf_2", "evt_rf_1_failed"):
        held = Event.objects.get(event_id=name)
        assert (held.code, held.errors[0]["values"]["cause"]) == ("payee_mismatch", "payment")
    assert telling.document(NOTE).refund_status == ""


def test_a_refund_that_nobody_knows_is_waited_for_and_none_replaces_itself() -> None:
    assert telling.told([PAYMENT, AGAIN, FAILED]) == ["processed", "parked", "parked"]
    assert [event.missing for event in Event.objects.filter(status="parked")] == [["refund:rf_1"]] * 2
    assert telling.tell(making.refund("rf_9", "pay_1", WHOLE, replaces="rf_9")).status == 400


def test_the_failure_of_a_refund_that_is_held_waits_for_it_and_is_no_item_of_its_own() -> None:
    too_much = making.refund("rf_1", "pay_1", [making.line("10.01", kind="REFUND_ITEM", tax="IVA10")])
    assert telling.told([PAYMENT, FAILED]) == ["processed", "parked"]
    failure = Event.objects.get(event_id="evt_rf_1_failed")
    events_waiting.overdue(now=LATE, limit_s=3600)
    assert _said_of(failure) == ["Falta rf_1."]
    assert worklist.counts(countries=None, now=LATE)["parked"] == Alert.objects.filter(resolved_at=None).count() == 1
    assert telling.told([too_much]) == ["held"]
    failure.refresh_from_db()
    assert (failure.status, failure.missing, failure.next_try_at) == ("parked", ["refund:rf_1"], None)
    events_waiting.overdue(now=LATE, limit_s=3600)
    counts = worklist.counts(countries=None, now=LATE)
    assert (counts["held"], counts["parked"]) == (1, 0)
    assert [*Alert.objects.filter(resolved_at=None).values_list("code", flat=True)] == ["event_held"]
    assert "El banco ya ha avisado de que este reembolso no llegó" in _said_of(Event.objects.get(status="held"))[0]
    held = "Espera a rf_1, que ha llegado y está retenido: en cuanto se emita, sigue por sí mismo."
    assert _said_of(failure) == [held]


@pytest.mark.parametrize("dismissed", [False, True])
def test_it_goes_on_as_soon_as_the_refund_is_issued_although_that_was_closed_without_issuing(dismissed: bool) -> None:
    too_much = making.refund("rf_1", "pay_1", [making.line("10.01", kind="REFUND_ITEM", tax="IVA10")])
    assert telling.told([PAYMENT, too_much, FAILED]) == ["processed", "held", "parked"]
    failure = Event.objects.get(event_id="evt_rf_1_failed")
    if dismissed:
        actor = cast_of_people.staff(name="of_finance", roles=["finance"], countries=["ES"])
        dismissal.dismiss(
            event=Event.objects.get(status="held"),
            reason="El reembolso se hizo por otra vía",
            document=None,
            user=actor.user,
            now=telling.NOW,
            actor=telling.ACTOR,
        )
        assert _said_of(failure)[0].startswith("Espera a rf_1, que se cerró sin emitir")
        assert worklist.items(countries=None, now=LATE) == []
    telling.tell(FIRST | {"id": "evt_mended"})
    for event_id in events_waiting.due(now=telling.NOW, limit=9):  # at this very moment, not by a timer
        intake.resume(event_id=event_id, now=telling.NOW)
    failure.refresh_from_db()
    assert (failure.status, telling.document(NOTE).refund_status) == ("processed", "FAILED")
    assert _found() == {}


# -- reconciliation --


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda: Document.objects.filter(document_key_id=NOTE).update(refund_status=""), "refund_status_differs"),
        (lambda: Event.objects.filter(event_id="evt_rf_1_failed").delete(), "refund_status_differs"),
        (lambda: Event.objects.filter(event_id="evt_rf_1_failed").update(document_ids=[]), "event_without_document"),
        (
            lambda: RefundReplacement.objects.create(
                refund="rf_2",
                replaces="rf_1",
                fingerprint="",
                note=telling.document(NOTE),
                event=telling.document(NOTE).event,
            ),
            "refund_status_differs",
        ),
    ],
    ids=["status lost", "failure lost", "answer lost", "replacement from nowhere"],
)
def test_a_status_that_its_events_do_not_say_is_found(change: Any, found: str) -> None:
    telling.told([PAYMENT, FIRST, FAILED])
    assert _found() == {}
    with force.by_force():
        change()
    assert _found() == {found: 1}


# -- all that can become of a payment, in any order, each told once or twice --

EVERYTHING = (
    PAYMENT,
    making.refund("rf_1", "pay_1", [making.line("4.00", kind="REFUND_ITEM", tax="IVA10")]),
    FAILED,
    making.refund("rf_2", "pay_1", [making.line("4.00", kind="REFUND_ITEM", tax="IVA10")], replaces="rf_1"),
    making.dispute("dp_1", "pay_1", "3.30"),
    making.cancellation("pay_1", at="2026-02-22T09:00:00Z"),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(EVERYTHING), again=st.sets(st.integers(0, len(EVERYTHING) - 1), max_size=2))
def test_whatever_becomes_of_a_payment_it_is_given_back_whole_and_once(
    order: list[dict[str, Any]], again: set[int]
) -> None:
    undo = transaction.savepoint()
    repeated = [EVERYTHING[place] | {"id": f"{EVERYTHING[place]['id']}_x"} for place in sorted(again)]
    telling.told([*order, *repeated])
    notes = Document.objects.filter(kind="CREDIT_NOTE")
    assert sum(note.total_minor for note in notes) == 1100
    assert not notes.filter(total_minor__lte=0).exists()
    assert not notes.filter(refund_status=RefundStatus.FAILED).exists()  # the refund that replaces it is here, too
    assert (
        presentation.document(document=telling.document("PAYMENT_RECEIPT:payment:pay_1:customer"))[
            "remaining_creditable"
        ]
        == "0.00"
    )
    states = dict(Event.objects.values_list("event_id", "status"))
    held = {name for name, status in states.items() if status == "held"}
    assert held <= {"evt_rf_1", "evt_dp_1", "evt_rf_1_x", "evt_dp_1_x"}  # after the cancellation nothing remains
    has_refund = notes.filter(document_key_id=NOTE).exists()
    assert (states["evt_rf_1_failed"], states["evt_rf_2"]) == (("processed",) * 2 if has_refund else ("parked",) * 2)
    assert _found() == {}
    transaction.savepoint_rollback(undo)
