"""What nothing will supersede is dismissed by finance with a reason, leaves the list, and never stops the fact itself."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, connections, transaction
from guardian.shortcuts import assign_perm

from audit import log
from audit.models import Event as LogEvent
from documents import errors
from documents.events import intake, outcomes, waiting
from documents.models import Alert, Country, Dismissal, Document, Event, EventStatus
from payouts.models import ApprovalState, DifferenceApproval
from payouts.review import difference_approval, dismissal, worklist
from tests import cast
from tests.payouts import making, telling
from tests.services import force

REASON = "El pago se anuló en el banco; no existe"
LATER = telling.NOW + dt.timedelta(seconds=settings.PARKED_LIMIT_S + 60)


class FinanceMember:
    """Somebody of finance in Spain, and how she dismisses."""

    def __init__(self, *, countries: tuple[str, ...] = ("ES",), roles: tuple[str, ...] = ("finance",)) -> None:
        telling.issuers()
        self.member = cast.staff(name=f"of_{'_'.join((*roles, *countries))}", roles=[*roles], countries=[*countries])
        self.actor = log.Actor(kind="user", id=f"usr_{self.member.user.pk}", role="finance", channel="web")

    def dismiss(self, event: Event, **more: Any) -> Dismissal:
        facts = {"reason": REASON, "document": None, "now": LATER, **more}
        return dismissal.dismiss(event=event, user=self.member.user, actor=self.actor, **facts)


@pytest.fixture
def finance(db: None) -> FinanceMember:
    return FinanceMember()


def _held() -> Event:
    telling.told([making.order("ord_1"), making.payout("po_1", "9.00", orders=["ord_1"])])
    return Event.objects.get(event_id="evt_po_1", status=EventStatus.HELD)


def _parked() -> Event:
    telling.told([making.order("ord_1"), making.payout("po_2", "12.00", orders=["ord_1", "ord_late"])])
    return Event.objects.get(event_id="evt_po_2", status=EventStatus.PARKED)


def _listed(*, now: dt.datetime = LATER) -> list[str]:
    counts = worklist.counts(countries=["ES"], now=now)
    found = [item.event.event_id for item in worklist.items(countries=["ES"], now=now) if item.event]
    assert sum(counts.values()) == len(found)
    return found


def _alerts(event: Event) -> int:
    return Alert.objects.filter(dedup_key=f"event:{event.public_id}", resolved_at=None).count()


def _actions(event: Event) -> list[str]:
    return list(LogEvent.objects.filter(object_id=event.public_id).order_by("pk").values_list("action", flat=True))


def test_a_held_event_leaves_the_list_with_its_alert_and_who_dismissed_it_and_why_is_on_record(
    finance: FinanceMember,
) -> None:
    event = _held()
    assert (_listed(), _alerts(event)) == (["evt_po_1"], 1)
    made = finance.dismiss(event)
    assert (made.code, made.reason, made.dismissed_by, made.dismissed_at) == (
        "payout_does_not_close",
        REASON,
        finance.member.user,
        LATER,
    )
    assert (_listed(), _alerts(event)) == ([], 0)
    entry = LogEvent.objects.get(object_id=event.public_id, action="event.dismissed")
    assert (entry.actor_id, entry.code, entry.detail.details) == (
        finance.actor.id,
        "payout_does_not_close",
        {"reason": REASON},
    )
    event.refresh_from_db()
    assert (event.status, Document.objects.filter(kind="PAYOUT_STATEMENT").count()) == (EventStatus.HELD, 0)


def test_one_parked_past_the_limit_leaves_it_too_and_no_sweep_brings_its_alert_back(finance: FinanceMember) -> None:
    event = _parked()
    assert waiting.overdue(now=LATER, limit_s=settings.PARKED_LIMIT_S) == 1
    assert (_listed(), _alerts(event)) == (["evt_po_2"], 1)
    assert finance.dismiss(event).code == "event_parked_too_long"
    for pk in waiting.due(now=LATER, limit=10):
        intake.resume(event_id=pk, now=LATER)
    assert waiting.overdue(now=LATER, limit_s=settings.PARKED_LIMIT_S) == 0
    assert (_listed(), _alerts(event)) == ([], 0)


def test_what_a_dismissed_event_waited_for_still_resumes_it(finance: FinanceMember) -> None:
    event = _parked()
    finance.dismiss(event)
    telling.told([making.order("ord_late", "2.00")])
    event.refresh_from_db()
    assert (event.status, len(event.document_ids)) == (EventStatus.PROCESSED, 1)
    assert telling.document("PAYOUT_STATEMENT:payout:po_2:payee").total_minor == 1200


def test_a_corrected_event_still_supersedes_a_dismissed_one(finance: FinanceMember) -> None:
    event = _held()
    finance.dismiss(event)
    assert telling.told([making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_mended"}]) == ["processed"]
    event.refresh_from_db()
    assert event.superseded_by == Event.objects.get(event_id="evt_mended")


def test_held_for_another_cause_it_comes_back_with_an_alert_and_can_be_dismissed_again(finance: FinanceMember) -> None:
    event = _parked()
    finance.dismiss(event)
    telling.told([making.order("ord_late", "3.00")])  # it has come, and now the payout does not close
    event.refresh_from_db()
    assert (event.status, event.code) == (EventStatus.HELD, "payout_does_not_close")
    assert (_listed(), _alerts(event)) == (["evt_po_2"], 1)
    assert [one for one in _actions(event) if one in {"event.dismissed", "event.reopened", "event.held"}] == [
        "event.dismissed",
        "event.reopened",
        "event.held",
    ]
    first = Dismissal.objects.get(event=event)
    assert (first.state, first.reopened_at is None) == ("REOPENED", False)
    finance.dismiss(event)
    assert _listed() == []


def test_held_again_for_the_same_cause_it_stays_dismissed_without_an_alert(finance: FinanceMember) -> None:
    event = _held()
    finance.dismiss(event)
    telling.tell(making.payout("po_1", "9.00", orders=["ord_1"]))  # the sender repeats
    telling.told([making.adjustment("adj_1", "ord_1", "0.50")])  # a late adjustment has it looked at again
    event.refresh_from_db()
    assert (event.status, event.code) == (EventStatus.HELD, "payout_does_not_close")
    assert (_listed(), _alerts(event)) == ([], 0)


def test_one_that_waits_for_something_new_is_listed_again_past_its_limit(finance: FinanceMember) -> None:
    event = _held()
    finance.dismiss(event)
    with force.by_force():
        Event.objects.filter(pk=event.pk).update(status=EventStatus.PARKED, missing=["order:ord_9"])
    waits = Event.objects.get(pk=event.pk)
    waits.missing = []
    with transaction.atomic():
        outcomes.park(event=waits, missing=["order:ord_9"], now=LATER, actor=log.SYSTEM)
    assert _listed() == ["evt_po_1"]


@pytest.mark.django_db
def test_one_held_again_for_the_same_cause_with_other_particulars_is_on_record_and_no_second_alert() -> None:
    event = _held()
    other = errors.Problem(code=event.code, errors=[errors.Fault(pointer="/data/payout/amount", code="other")])
    for _ in range(2):
        with transaction.atomic():
            outcomes.hold(event=event, problem=other, actor=log.SYSTEM)
        connection.check_constraints()  # as COMMIT does
    assert _actions(event).count("event.held") == 2
    assert _alerts(event) == 1


def test_a_proposal_to_issue_it_is_withdrawn_and_nobody_can_approve_it_any_more(finance: FinanceMember) -> None:
    event = _held()
    asked = difference_approval.request(
        event=event, reason=REASON, user=finance.member.user, now=LATER, actor=finance.actor
    )
    finance.dismiss(event)
    asked.refresh_from_db()
    assert asked.state == ApprovalState.WITHDRAWN
    assert _actions(event)[-2:] == ["event.difference_withdrawn", "event.dismissed"]
    assert not DifferenceApproval.objects.filter(state=ApprovalState.REQUESTED).exists()


def test_the_document_that_stands_for_it_is_named_in_the_dismissal_and_in_the_log(finance: FinanceMember) -> None:
    event = _held()
    document = Document.objects.get(kind="ORDER_FINAL_STATEMENT")
    assert finance.dismiss(event, document=document).document == document
    entry = LogEvent.objects.get(object_id=event.public_id, action="event.dismissed")
    assert entry.detail.details == {"reason": REASON, "document": document.public_id}


@pytest.mark.parametrize("reason", ["", "corto", " " * 40, "x" * 201, "una razón\x00 con control"])
def test_nothing_is_dismissed_without_a_reason_to_read(finance: FinanceMember, reason: str) -> None:
    event = _held()
    with pytest.raises(errors.Problem) as wrong:
        finance.dismiss(event, reason=reason)
    assert wrong.value.code == "validation_error"
    assert not Dismissal.objects.exists()


def test_only_what_waits_for_a_person_can_be_dismissed_and_only_once(finance: FinanceMember) -> None:
    held, parked = _held(), _parked()
    issued = Event.objects.get(event_id="evt_ord_1")
    for event, now in ((issued, LATER), (parked, telling.NOW)):
        with pytest.raises(errors.Problem) as refused:
            finance.dismiss(event, now=now)
        assert refused.value.code == "decision_not_possible"
    finance.dismiss(held)
    with pytest.raises(errors.Problem) as again:
        finance.dismiss(held)
    assert again.value.code == "decision_not_possible"
    assert Dismissal.objects.count() == 1


@pytest.mark.parametrize(
    ("roles", "countries", "code"),
    [
        (("support",), ("ES",), "role_not_allowed"),
        (("compliance", "auditor", "admin"), ("ES",), "role_not_allowed"),
        (("finance",), ("MX",), "country_out_of_scope"),
    ],
)
def test_who_may_not_dismiss_is_refused_on_record(
    finance: FinanceMember, roles: tuple[str, ...], countries: tuple[str, ...], code: str
) -> None:
    event = _held()
    other = FinanceMember(roles=roles, countries=countries)
    with pytest.raises(errors.Problem) as refused:
        other.dismiss(event)
    assert refused.value.code == code
    denied = LogEvent.objects.using("denials").get(outcome="denied", object_id=event.public_id)
    assert (denied.code, denied.actor_id) == (code, other.actor.id)
    assert not Dismissal.objects.exists()


def test_nobody_names_a_document_of_a_country_that_is_not_his(finance: FinanceMember) -> None:
    event = _held()
    order = making.order("ord_2", driver="drv_2") | {"country": "MX", "issuer": "aventide-mx"}
    order["data"]["currency"] = "MXN"
    telling.told([order])
    with pytest.raises(errors.Problem) as refused:
        finance.dismiss(event, document=telling.document("ORDER_FINAL_STATEMENT:order:ord_2:beneficiary"))
    assert refused.value.code == "country_out_of_scope"


def test_an_event_of_a_country_that_nobody_knows_is_dismissed_by_who_sees_them_all(finance: FinanceMember) -> None:
    telling.tell(making.order("ord_1") | {"country": "FR"})
    event = Event.objects.get(code="country_unsupported")
    with pytest.raises(errors.Problem) as refused:
        finance.dismiss(event)
    assert refused.value.code == "country_out_of_scope"
    for country in Country.objects.all():
        with force.by_force():
            assign_perm("documents.see_country", finance.member.user, country)

    finance.dismiss(event)
    assert Dismissal.objects.get().code == "country_unsupported"


@pytest.mark.django_db(transaction=True)
def test_the_database_takes_no_dismissal_without_its_event_in_the_log_and_keeps_what_was_said() -> None:
    finance = FinanceMember()
    event = _held()
    facts = {"event": event, "code": event.code, "reason": REASON, "dismissed_by": finance.member.user}
    with pytest.raises(IntegrityError, match="audit guard"):
        Dismissal.objects.create(**facts)
    made = finance.dismiss(event)
    with pytest.raises(IntegrityError, match="audit guard"):
        Dismissal.objects.filter(pk=made.pk).update(state="REOPENED", reopened_at=LATER)
    for changes in ({"reason": "otra razón cualquiera"}, {"code": "other"}, {"dismissed_at": telling.NOW}):
        with pytest.raises(IntegrityError, match="stays as it is"), force.by_force(triggers=True):
            Dismissal.objects.filter(pk=made.pk).update(**changes)
    with pytest.raises(IntegrityError, match="never deleted"), force.by_force(triggers=True):
        Dismissal.objects.filter(pk=made.pk).delete()


@pytest.mark.django_db(transaction=True)
def test_dismissed_by_eight_at_the_same_time_it_is_dismissed_once() -> None:
    finance = FinanceMember()
    event = _held()
    results: list[str] = []

    def work() -> None:
        try:
            results.append(str(finance.dismiss(event).state))
        except errors.Problem as problem:
            results.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["DISMISSED", *["decision_not_possible"] * 7]
    assert LogEvent.objects.filter(object_id=event.public_id, action="event.dismissed").count() == 1
