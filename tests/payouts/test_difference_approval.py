"""A payout that does not close is issued by two people or by nobody, once; its difference is printed and stays open."""

import concurrent.futures
import datetime as dt
import html
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, connections, transaction
from django.urls import reverse

from audit import log
from audit.models import Event as LogEvent
from documents import errors, transactions
from documents.models import Discrepancy, Document, Event, EventStatus, Series
from payouts.admin import rows
from payouts.models import ApprovalState, DifferenceApproval, Payout
from payouts.reconciliation import run
from payouts.review import difference_approval, discrepancy_findings, worklist
from tests import cast
from tests.documents import center
from tests.payouts import making, telling
from tests.services import force

PS = "PAYOUT_STATEMENT:payout"
REASON = "El banco confirma el importe transferido"
LATER = telling.NOW + dt.timedelta(seconds=settings.PARKED_LIMIT_S + 60)


class People:
    """Two of finance, and how each acts."""

    def __init__(self) -> None:
        telling.issuers()
        self.sofia = cast.staff(name="sofia", roles=["finance"], countries=["ES"])
        self.fede = cast.staff(name="fede", roles=["finance"], countries=["ES"])

    @staticmethod
    def actor(member: cast.Member) -> log.Actor:
        return log.Actor(kind="user", id=f"usr_{member.user.pk}", role="finance", channel="web")

    def ask(self, event: Event, *, by: cast.Member | None = None, **more: Any) -> DifferenceApproval:
        who = by or self.sofia
        facts = {"reason": REASON, "now": LATER, "actor": self.actor(who), **more}
        return difference_approval.request(event=event, user=who.user, **facts)

    def approve(self, asked: DifferenceApproval, *, by: cast.Member | None = None, **more: Any) -> Document:
        who = by or self.fede
        facts = {"reason": REASON, "now": LATER, "actor": self.actor(who), **more}
        return difference_approval.approve(approval=asked, user=who.user, **facts)


@pytest.fixture
def people(db: None) -> People:
    return People()


def _held(*, amount: str = "9.00") -> Event:
    telling.told([making.order("ord_1"), making.payout("po_1", amount, orders=["ord_1"])])
    event = Event.objects.get(event_id="evt_po_1")
    assert (event.status, event.code) == (EventStatus.HELD, "payout_does_not_close")
    return event


def _said(event: Event, using: str = "default") -> list[str]:
    return list(
        LogEvent.objects.using(using).filter(object_id=event.public_id).order_by("pk").values_list("action", flat=True)
    )


def test_two_people_issue_a_payout_with_its_difference_printed_and_kept_open(people: People) -> None:
    event = _held()
    document = people.approve(people.ask(event))
    content = json.loads(document.content)
    assert (document.document_key_id, content["difference"], content["totals"]["amount"]) == (
        f"{PS}:po_1:payee",
        "-1.00",
        "9.00",
    )
    assert document.flags == ["reconciliation_difference"]
    event.refresh_from_db()
    assert (event.status, event.document_ids) == (EventStatus.PROCESSED, [document.pk])
    open_ = Discrepancy.objects.get(resolved_at=None)
    assert (open_.code, open_.document_id) == ("reconciliation_difference", document.pk)
    assert {open_.facts[name] for name in ("computed", "transferred", "difference")} == {"10.00", "9.00", "-1.00"}
    assert telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary").payout_status == "SENT"


def test_both_steps_are_on_record_with_their_reasons_and_who_took_them(people: People) -> None:
    event = _held()
    people.approve(people.ask(event), reason="Visto con tesorería, se aclara en marzo")
    steps = LogEvent.objects.filter(object_id=event.public_id, action__startswith="event.difference_").order_by("pk")
    assert [(one.action, one.actor_id) for one in steps] == [
        ("event.difference_requested", f"usr_{people.sofia.user.pk}"),
        ("event.difference_approved", f"usr_{people.fede.user.pk}"),
    ]
    assert [one.detail.details["reason"] for one in steps] == [REASON, "Visto con tesorería, se aclara en marzo"]


def test_the_same_person_twice_is_refused_on_record_and_nothing_is_numbered(people: People) -> None:
    event = _held()
    asked = people.ask(event)
    before = list(Series.objects.values_list("code", "next"))
    with pytest.raises(errors.Problem) as refused:
        people.approve(asked, by=people.sofia)
    assert refused.value.code == "second_person_required"
    denied = LogEvent.objects.using("denials").get(outcome="denied")
    assert (denied.object_id, denied.code, denied.actor_id) == (
        event.public_id,
        "second_person_required",
        f"usr_{people.sofia.user.pk}",
    )
    assert list(Series.objects.values_list("code", "next")) == before
    assert not Payout.objects.exists()


def test_the_database_itself_refuses_one_person_as_two(people: People) -> None:
    asked = people.ask(_held())
    with pytest.raises(IntegrityError, match="two_people"), transaction.atomic(), force.by_force(triggers=True):
        DifferenceApproval.objects.filter(pk=asked.pk).update(
            state=ApprovalState.APPROVED, approved_by=people.sofia.user, approved_at=telling.NOW
        )
    with pytest.raises(IntegrityError, match="stays as it is"), transaction.atomic(), force.by_force(triggers=True):
        DifferenceApproval.objects.filter(pk=asked.pk).update(requested_by=people.fede.user)
    with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic(), force.by_force(triggers=True):
        DifferenceApproval.objects.filter(pk=asked.pk).delete()


@pytest.mark.django_db(transaction=True)
def test_no_request_is_approved_without_its_event_in_the_log() -> None:
    people = People()
    asked = people.ask(_held())
    with pytest.raises(IntegrityError, match="audit guard"):
        DifferenceApproval.objects.filter(pk=asked.pk).update(
            state=ApprovalState.APPROVED, approved_by=people.fede.user, approved_at=telling.NOW
        )


@pytest.mark.parametrize(
    ("roles", "countries", "code"),
    [
        (["support"], ["ES"], "role_not_allowed"),
        (["compliance", "auditor", "admin"], ["ES"], "role_not_allowed"),
        (["finance"], ["MX"], "country_out_of_scope"),
    ],
)
def test_who_may_not_settle_can_neither_ask_nor_approve(
    people: People, roles: list[str], countries: list[str], code: str
) -> None:
    event = _held()
    other = cast.staff(name="other", roles=roles, countries=countries)
    asked = people.ask(event)
    for act in (lambda: people.ask(event, by=other), lambda: people.approve(asked, by=other)):
        with pytest.raises(errors.Problem) as refused:
            act()
        assert refused.value.code == code
    assert LogEvent.objects.using("denials").filter(outcome="denied", object_id=event.public_id).count() == 2


def test_nobody_issues_a_payout_with_its_difference_before_the_limit_has_passed(people: People) -> None:
    event = _held()
    event.refresh_from_db()
    first = event.received_at + dt.timedelta(seconds=settings.PARKED_LIMIT_S)
    assert difference_approval.approvable_from(event=event) == first
    for early in (telling.NOW, first - dt.timedelta(seconds=1)):
        assert not difference_approval.can_approve(event=event, now=early)
        with pytest.raises(errors.Problem) as refused:
            people.ask(event, now=early)
        assert refused.value.code == "decision_not_possible"
    assert people.approve(people.ask(event, now=first), now=first).flags == ["reconciliation_difference"]


@pytest.mark.parametrize(
    ("changes", "ever"),
    [
        ({}, True),
        ({"code": "payee_mismatch"}, False),
        ({"type": "ORDER_COMPLETED"}, False),
        ({"body": None}, False),
        ({"status": EventStatus.PARKED, "missing": ["balance:drv_1:aventide-es"]}, True),
        ({"status": EventStatus.PARKED, "missing": ["balance:drv_1:aventide-es", "order:ord_9"]}, False),
        ({"status": EventStatus.PARKED, "missing": []}, False),
        ({"status": EventStatus.PROCESSED}, False),
    ],
)
def test_only_a_payout_that_lacks_nothing_but_the_difference_will_ever_be_settled(
    people: People, changes: dict[str, Any], ever: bool
) -> None:
    event = _held()
    with force.by_force():
        Event.objects.filter(pk=event.pk).update(**changes)
    event.refresh_from_db()
    assert (difference_approval.approvable_from(event=event) is not None) is ever


@pytest.mark.parametrize("reason", ["", "corto", " " * 40, "x" * 201, "una razón\x00 con control"])
def test_no_step_is_taken_without_a_reason_to_read(people: People, reason: str) -> None:
    event = _held()
    with pytest.raises(errors.Problem) as wrong:
        people.ask(event, reason=reason)
    assert wrong.value.code == "validation_error"
    with pytest.raises(errors.Problem):
        people.approve(people.ask(event), reason=reason)


def test_what_may_not_be_issued_that_way_is_not(people: People) -> None:
    telling.told([making.order("ord_1"), making.payment("pay_1", "2.00", [making.line("1.00")])])
    telling.told([making.payout("po_2", "1.00", orders=["ord_9"])])
    for name in ("evt_ord_1", "evt_pay_1", "evt_po_2"):
        with pytest.raises(errors.Problem) as refused:
            people.ask(Event.objects.get(event_id=name), now=LATER)
        assert refused.value.code == "decision_not_possible"


def test_one_request_at_a_time_and_none_after_a_corrected_event(people: People) -> None:
    event = _held()
    asked = people.ask(event)
    with pytest.raises(errors.Problem):
        people.ask(event, by=people.fede)
    telling.told([making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_corrected"}])
    with pytest.raises(errors.Problem) as late:
        people.approve(asked)
    assert late.value.code == "decision_not_possible"
    assert Document.objects.filter(kind="PAYOUT_STATEMENT").count() == 1


def test_nobody_approves_another_difference_than_was_asked_for(people: People) -> None:
    event = _held()
    asked = people.ask(event)
    telling.told([making.adjustment("adj_1", "ord_1", "0.50")])
    DifferenceApproval.objects.filter(pk=asked.pk).get()
    telling.told(
        [
            making.order("ord_0"),
            making.payout("po_0", "8.00", orders=["ord_0"], closing="2.00", at="2026-02-22T07:00:00Z"),
        ]
    )
    with pytest.raises(errors.Problem, match="changed"):
        people.approve(asked)
    again = people.ask(event, by=people.fede)
    asked.refresh_from_db()
    assert (asked.state, again.difference_minor) == (ApprovalState.WITHDRAWN, 300)
    assert people.approve(again, by=people.sofia).flags == ["reconciliation_difference"]


def test_a_payout_that_waits_past_the_limit_for_its_balance_opens_with_the_one_that_is_known(people: People) -> None:
    telling.told([making.order("ord_1"), making.payout("po_1", "15.00", orders=["ord_1"], opening="5.00")])
    event = Event.objects.get(event_id="evt_po_1")
    assert event.status == EventStatus.PARKED
    with pytest.raises(errors.Problem):
        people.ask(event, now=telling.NOW)
    document = people.approve(people.ask(event, now=LATER), now=LATER)
    content = json.loads(document.content)
    assert (content["difference"], content["totals"]["opening_carry_over"]) == ("5.00", "0.00")
    facts = Discrepancy.objects.get(code="reconciliation_difference").facts
    assert (facts["opening_stated"], facts["opening_printed"]) == ("5.00", "0.00")
    assert event.waits.count() == 0


def test_the_payees_next_payout_follows_one_with_a_difference(people: People) -> None:
    event = _held()
    people.approve(people.ask(event))
    telling.told([making.order("ord_2"), making.payout("po_2", "10.00", orders=["ord_2"], at="2026-03-01T07:00:00Z")])
    assert Payout.objects.filter(payout_id="po_2").exists()
    summary = run.run(walk=run.key_ranges(), now=telling.NOW, actor=log.SYSTEM)
    assert (summary.findings, summary.books["ES", "EUR"]["difference"]) == ({}, 0)


def test_a_repeat_of_the_settled_event_is_the_same_statement(people: People) -> None:
    people.approve(people.ask(_held()))
    answer = telling.tell(making.payout("po_1", "9.00", orders=["ord_1"]))
    assert (answer.status, answer.body["replayed"]) == (200, True)
    assert Document.objects.filter(kind="PAYOUT_STATEMENT").count() == 1


@pytest.mark.django_db(transaction=True)
def test_approvals_at_the_same_time_issue_one_statement() -> None:
    people = People()
    others = [cast.staff(name=f"fin{place}", roles=["finance"], countries=["ES"]) for place in range(8)]
    asked = people.ask(_held())
    results: list[object] = []

    def approve(member: cast.Member) -> None:
        try:
            results.append(people.approve(asked, by=member))
        except errors.Problem as problem:
            results.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=approve, args=[member]) for member in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results.count("decision_not_possible") == 7
    assert Document.objects.filter(kind="PAYOUT_STATEMENT").count() == 1
    assert DifferenceApproval.objects.get().state == ApprovalState.APPROVED


UNKNOWN = "Sustituye a po_gone, que no ha llegado"


@pytest.mark.parametrize("amount", ["14.00", "12.00"])
def test_what_replaces_an_unknown_payout_is_issued_with_the_balance_before_it_and_whoever_decides_sees_so(
    people: People, amount: str
) -> None:
    """It closes and is parked, or does not close and is held; both are told, and opens with what the last one left."""
    telling.told(
        [
            making.order("ord_1"),
            making.order("ord_2"),
            making.payout("po_1", "8.00", orders=["ord_1"], closing="2.00"),
            making.payout(
                "po_2", amount, orders=["ord_2"], at="2026-02-24T07:00:00Z", opening="4.00", replaces="po_gone"
            ),
        ]
    )
    event = Event.objects.get(event_id="evt_po_2")
    assert event.status == (EventStatus.PARKED if amount == "14.00" else EventStatus.HELD)
    said = " ".join(rows.sentences(item=worklist.of_event(event, now=LATER)))
    assert f"{UNKNOWN}: no se sabe con qué saldo abrió. Si se emite ahora, se imprime con 2,00" in said
    assert "el evento dice 4,00" in said
    asked = None
    for member, step in ((people.sofia, "request"), (people.fede, "approve")):
        place = reverse(f"admin:payouts_differenceapproval_{step}", args=[event.public_id])
        page = html.unescape(center.client(member=member).get(place).content.decode())
        assert UNKNOWN in page
        card = re.sub(r"<[^>]*>|\s+", " ", page.partition("Saldos con que se emite")[2])
        balances = re.findall(r"(Saldo inicial|Saldo inicial declarado|Saldo final) +(-?[\d.,]+)", card)
        assert balances == [("Saldo inicial", "2,00"), ("Saldo inicial declarado", "4,00"), ("Saldo final", "0,00")]
        assert "El que dejaron los pagos anteriores: sustituye a po_gone" in card
        asked = asked or people.ask(event)
    assert asked
    content = json.loads(people.approve(asked).content)
    assert content["totals"]["opening_carry_over"] == "2.00"
    assert content.get("difference") == ("2.00" if amount == "14.00" else None)
    facts = Discrepancy.objects.get(code="reconciliation_difference").facts
    assert (facts["opening_stated"], facts["opening_printed"]) == ("4.00", "2.00")
    assert run.run(walk=run.key_ranges(), now=telling.NOW, actor=telling.ACTOR).findings == {}


@pytest.mark.django_db(transaction=True)
def test_an_approval_beside_the_corrected_event_ends_with_one_statement_and_no_lost_fact() -> None:
    people = People()
    asked = people.ask(_held())
    corrected = making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_corrected"}
    failed: list[BaseException] = []

    def work(act: Callable[[], object]) -> None:
        try:
            act()
        except errors.Problem:
            pass  # the corrected one was first
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            failed.append(error)
        finally:
            connections.close_all()

    acts = [lambda: people.approve(asked), lambda: telling.tell(corrected)]
    threads = [threading.Thread(target=work, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert Document.objects.filter(kind="PAYOUT_STATEMENT").count() == 1
    assert not Event.objects.filter(status=EventStatus.HELD, superseded_by=None).exists()


@pytest.mark.django_db(transaction=True)
def test_an_approval_and_the_corrected_event_never_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    people = People()
    asked = people.ask(_held())
    monkeypatch.setattr(transactions, "DEADLOCK_TRIES_MAX", 1)  # a deadlock is not mended by trying again

    def by_another() -> int:
        try:
            corrected = making.payout("po_1", "10.00", orders=["ord_1"]) | {"id": "evt_corrected"}
            return telling.tell(corrected).status
        finally:
            connections.close_all()

    rivals, answers = iter([by_another]), []

    def overtaken(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith("SELECT") and sql.endswith('FOR NO KEY UPDATE OF "documents_event"'):
            for rival in rivals:
                answers.append(other.submit(rival))
                _await_a_waiting_transaction()
        return result

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as other, connection.execute_wrapper(overtaken):
        people.approve(asked)
    assert [answer.result(timeout=10) for answer in answers] == [200]
    assert Document.objects.filter(kind="PAYOUT_STATEMENT").count() == 1


def _await_a_waiting_transaction() -> None:
    """Wait until another transaction waits for a lock."""
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            if cursor.fetchone() == (True,):
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("key", ["opening_stated", "opening_told"])
def test_a_difference_of_an_earlier_version_is_still_explained_rightly(key: str) -> None:
    same = Discrepancy(code="reconciliation_difference", facts={key: "5.00", "opening_printed": "5.00"})
    other = Discrepancy(code="reconciliation_difference", facts={key: "5.00", "opening_printed": "0.00"})
    assert "cause" not in discrepancy_findings.values(gap=same)
    assert discrepancy_findings.values(gap=other)["cause"] == "opening"
