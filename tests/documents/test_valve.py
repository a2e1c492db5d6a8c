"""The safety valve: an issuer that runs away stops, nothing is lost, and a person lets it go on in order."""

import concurrent.futures
import datetime as dt
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Event as LogEvent
from documents import errors
from documents.emission import issuing, valve
from documents.events import answers, backlog, intake, waiting
from documents.models import Alert, Document, Event, EventStatus, Issuer, IssuingValve
from documents.models.parties import DAY_MAX_LEAST, MINUTE_MAX_LEAST
from documents.operations import sweeper
from documents.sentences import writing
from payouts.review import corrections, dismissal, retrying
from tests import cast, factories
from tests.documents import center
from tests.payouts import making, telling
from tests.services import force

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "denials"])
DAY = dt.timedelta(days=1)
SLUG = "aventide-es"
REASON = "El proveedor confirma que son pedidos reales"
ACTOR = telling.ACTOR


@pytest.fixture(autouse=True)
def issuer(committed_db: None) -> Issuer:
    telling.issuers()
    return Issuer.objects.get(slug=SLUG)


@pytest.fixture
def fina() -> cast.Member:
    return center.staff(roles=["finance"], countries=["ES"], name="fina")


def limit(issuer: Issuer, *, minute: int | None = None, day: int | None = None) -> None:
    valve.limit(issuer=issuer, minute_max=minute, day_max=day, reason="prueba de la válvula", actor=ACTOR)


def send(names: Iterable[str], *, now: dt.datetime = telling.NOW) -> list[answers.Answer]:
    return [telling.tell(making.order(name), now=now) for name in names]


def orders(count: int, *, start: int = 0) -> list[str]:
    return [f"ord_{number:03}" for number in range(start, start + count)]


def outcomes_of(sent: Iterable[answers.Answer]) -> list[tuple[int, object, object]]:
    return [(answer.status, answer.body.get("status"), answer.body.get("code")) for answer in sent]


def resume(issuer: Issuer, *, now: dt.datetime | None = None) -> bool:
    return valve.resume(issuer=issuer, reason=REASON, now=now or timezone.now(), actor=ACTOR)


def work_off(issuer: Issuer) -> None:
    """Do what the worker's tasks do after a resume."""
    while backlog.issue(issuer_id=issuer.pk, now=timezone.now()):
        pass


def numbered() -> list[str]:
    """Return the subjects of the documents in the order of their numbers."""
    return list(Document.objects.order_by("sequence").values_list("subject", flat=True))


def open_alerts() -> list[tuple[str, str, str]]:
    return list(Alert.objects.filter(resolved_at=None).order_by("pk").values_list("code", "severity", "dedup_key"))


def said(action: str) -> list[LogEvent]:
    return list(LogEvent.objects.filter(action=action).order_by("pk"))


ISSUED = (201, "processed", None)
HELD = (202, "held", "issuing_paused")


def test_past_its_limit_an_issuer_stops_and_everything_after_is_held_under_one_p1(issuer: Issuer) -> None:
    limit(issuer, minute=5)
    sent = send(orders(12))
    assert outcomes_of(sent) == [ISSUED] * 5 + [HELD] * 7
    assert sent[5].body["errors"] == [{"pointer": "", "code": "issuing_paused", "values": {"issuer": SLUG}}]
    assert Document.objects.count() == 5
    assert open_alerts() == [("issuing_paused", "P1", f"issuing_paused:{SLUG}")]
    assert Alert.objects.get().count == 1
    [paused] = said("issuer.paused")
    assert (paused.object_type, paused.object_id, paused.code) == ("issuer", SLUG, "minute")
    assert len(said("event.held")) == 7
    row = IssuingValve.objects.get(issuer=issuer)
    assert row.paused_at is not None
    assert row.paused_by == "minute"


def test_it_stays_paused_however_much_time_passes_until_a_person_lets_it_go_on(issuer: Issuer) -> None:
    limit(issuer, minute=2)
    send(orders(3))
    late = send(["ord_late"], now=telling.NOW + dt.timedelta(days=40))
    assert outcomes_of(late) == [HELD]
    sweeper.sweep(now=timezone.now() + DAY)
    assert len(numbered()) == 2


def test_after_one_resume_all_is_issued_in_the_order_of_its_arrival_past_any_limit(issuer: Issuer) -> None:
    limit(issuer, minute=2, day=3)
    names = orders(20)
    send(names)
    assert resume(issuer)
    work_off(issuer)
    assert numbered() == [f"order:{name}" for name in names]
    assert not Event.objects.filter(status=EventStatus.HELD).exists()
    assert open_alerts() == []
    [resumed] = said("issuer.resumed")
    assert (resumed.object_id, resumed.actor_id) == (SLUG, ACTOR.id)
    assert len(said("event.resumed")) == 18
    row = IssuingValve.objects.get(issuer=issuer)
    assert (row.paused_at, row.paused_by, row.turn) == (None, "", None)
    assert (row.window_count, row.day_count) == (0, 0)  # whoever resumed has looked at them
    assert not resume(issuer)  # there is nothing to resume


def test_counting_begins_anew_with_the_resume(issuer: Issuer) -> None:
    limit(issuer, minute=3)
    send(orders(5))
    resume(issuer)
    work_off(issuer)
    assert outcomes_of(send(orders(5, start=5))) == [ISSUED] * 3 + [HELD] * 2
    assert len(said("issuer.paused")) == 2
    assert [alert.resolved_at is None for alert in Alert.objects.order_by("pk")] == [False, True]


def test_what_comes_while_older_ones_are_issued_waits_behind_them(issuer: Issuer) -> None:
    limit(issuer, minute=5)
    names = orders(8)
    send(names)
    resume(issuer)
    first = backlog._next_turn(issuer_id=issuer.pk)
    assert first is not None
    intake.resume(event_id=first, now=timezone.now())
    assert outcomes_of(send(["ord_new"])) == [HELD]  # a later one has no turn yet
    [again] = send([names[-1]])  # nor has an older one that is sent again before its turn
    assert (again.status, again.body["status"], again.body["replayed"]) == (202, "held", True)
    work_off(issuer)
    assert numbered() == [f"order:{name}" for name in [*names, "ord_new"]]
    assert IssuingValve.objects.get(issuer=issuer).window_count == 1  # the new one


def test_a_flood_that_goes_on_after_the_resume_pauses_it_again(issuer: Issuer) -> None:
    limit(issuer, minute=2)
    send(orders(4))
    resume(issuer)
    flood = orders(4, start=4)
    send(flood)
    work_off(issuer)
    assert numbered() == [f"order:{name}" for name in orders(6)]
    assert Event.objects.filter(code="issuing_paused").count() == 2
    assert len(said("issuer.paused")) == 2
    resume(issuer)
    work_off(issuer)
    assert numbered() == [f"order:{name}" for name in orders(8)]


def test_a_resume_whose_worker_dies_is_gone_on_with_by_the_sweeper(issuer: Issuer) -> None:
    limit(issuer, minute=1)
    names = orders(6)
    send(names)
    resume(issuer)
    first = backlog._next_turn(issuer_id=issuer.pk)  # it dies with the turn given and nothing issued
    assert first == Event.objects.filter(status=EventStatus.HELD).order_by("pk").values_list("pk", flat=True)[0]
    assert backlog.stalled(now=timezone.now()) == 0  # it may still be at work
    sweeper.sweep(now=timezone.now() + dt.timedelta(seconds=10))
    assert numbered() == [f"order:{name}" for name in names]


def test_two_workers_at_one_resume_issue_each_event_once_and_in_order(issuer: Issuer) -> None:
    limit(issuer, minute=1)
    names = orders(15)
    send(names)
    resume(issuer)
    _at_once([lambda: work_off(issuer)] * 3)
    assert numbered() == [f"order:{name}" for name in names]
    assert len(said("event.resumed")) == 14


def test_one_held_as_the_last_of_those_before_it_was_issued_is_not_forgotten(issuer: Issuer) -> None:
    limit(issuer, minute=1)
    send(orders(2))
    with force.by_force():
        IssuingValve.objects.update(paused_at=None, paused_by="", turn=None, window_count=0)
    sweeper.sweep(now=timezone.now())
    assert numbered() == ["order:ord_000", "order:ord_001"]


def test_two_who_send_at_once_never_pass_the_limit_together(issuer: Issuer) -> None:
    limit(issuer, minute=7)
    sent: list[list[answers.Answer]] = _at_once(
        [lambda: send(orders(10)), lambda: send(orders(10, start=100)), lambda: send(orders(10, start=200))]
    )
    came = outcomes_of(answer for answers_of_one in sent for answer in answers_of_one)
    assert came.count(ISSUED) == Document.objects.count() == 7
    assert came.count(HELD) == 23
    assert open_alerts() == [("issuing_paused", "P1", f"issuing_paused:{SLUG}")]
    assert Alert.objects.get().count == 1
    assert len(said("issuer.paused")) == 1


def _at_once(works: list[Any]) -> list[Any]:
    def alone(work: Any) -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with concurrent.futures.ThreadPoolExecutor(max_workers=len(works)) as pool:
        return [done.result(timeout=60) for done in [pool.submit(alone, work) for work in works]]


def test_what_has_its_document_is_answered_with_it_while_its_issuer_is_paused(issuer: Issuer) -> None:
    limit(issuer, minute=1)
    [first, _held] = send(orders(2))
    [again] = send(["ord_000"])
    assert (again.status, again.body["status"], again.body["replayed"]) == (200, "processed", True)
    other_event = making.order("ord_000") | {"id": "evt_of_the_same_order"}
    repeat = telling.tell(other_event)
    assert (repeat.status, repeat.body["replayed"]) == (200, True)
    assert again.body["documents"] == repeat.body["documents"] == first.body["documents"]


def test_another_issuer_goes_on(issuer: Issuer) -> None:
    limit(issuer, minute=1)
    send(orders(2))
    [colombian, *_] = telling.sample("co_food")
    assert telling.tell(colombian).status == 201


def test_the_limit_of_a_day_is_that_of_the_issuers_own_day(issuer: Issuer) -> None:
    limit(issuer, day=4)
    late = dt.datetime(2026, 3, 2, 22, 59, tzinfo=dt.UTC)  # 23:59 in Madrid
    assert outcomes_of(send(orders(4), now=late)) == [ISSUED] * 4
    next_day = outcomes_of(send(orders(5, start=4), now=late + dt.timedelta(minutes=2)))
    assert next_day == [ISSUED] * 4 + [HELD]
    [paused] = said("issuer.paused")
    assert paused.code == "day"
    assert Alert.objects.get().values == {"cause": "day", "issuer": SLUG, "most": 4}


def test_a_minute_later_a_set_limit_gives_as_much_again(issuer: Issuer) -> None:
    limit(issuer, minute=2)
    for minute in range(3):
        now = telling.NOW + dt.timedelta(minutes=minute)
        assert outcomes_of(send(orders(2, start=10 * minute), now=now)) == [ISSUED] * 2


def _count(issuer: Issuer, *, documents: int, now: dt.datetime, event_id: int = 1) -> None:
    with transaction.atomic():
        valve.take(issuer=issuer, documents=documents, event_id=event_id, now=now, date=now.date())


def test_a_backfill_of_2000_orders_with_two_documents_each_pauses_nothing(issuer: Issuer) -> None:
    for number in range(2000):
        _count(issuer, documents=2, now=telling.NOW + dt.timedelta(milliseconds=60 * number))  # within two minutes
    row = IssuingValve.objects.get()
    assert (row.window_count, row.day_count, row.paused_at) == (4000, 4000, None)


def test_a_runaway_of_an_unknown_issuer_ends_at_ten_minutes_of_600_and_at_10000_a_day(issuer: Issuer) -> None:
    assert (MINUTE_MAX_LEAST, DAY_MAX_LEAST) == (600, 10_000)
    _count(issuer, documents=6000, now=telling.NOW)
    with pytest.raises(valve.LimitReached) as reached:
        _count(issuer, documents=1, now=telling.NOW + dt.timedelta(minutes=9))
    assert (reached.value.limit, reached.value.most, reached.value.minutes) == ("minute", 6000, 10)
    _count(issuer, documents=4000, now=telling.NOW + dt.timedelta(minutes=10))
    with pytest.raises(valve.LimitReached) as reached:
        _count(issuer, documents=1, now=telling.NOW + dt.timedelta(minutes=30))
    assert (reached.value.limit, reached.value.most) == ("day", 10_000)


def test_an_issuers_own_past_says_what_it_may_ten_busiest_minutes_and_three_busiest_days(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valve, "MINUTE_MAX_LEAST", 60)
    past = [telling.NOW - DAY] * 7 + [telling.NOW - 2 * DAY + dt.timedelta(minutes=n) for n in range(3)]
    past += [telling.NOW - 29 * DAY] * 9  # too long ago
    for number, now in enumerate(past):
        assert telling.tell(making.order(f"ord_{number}", at="2026-01-20T10:00:00Z"), now=now).status == 201
    with force.by_force():
        IssuingValve.objects.update(limits_at=telling.NOW - DAY)
    assert valve.work_out_limits(now=telling.NOW) == Issuer.objects.count()
    row = IssuingValve.objects.get(issuer=issuer)
    assert (row.minute_max, row.day_max) == (70, DAY_MAX_LEAST)
    quiet = IssuingValve.objects.exclude(issuer=issuer).first()
    assert quiet is not None
    assert (quiet.minute_max, quiet.day_max) == (60, DAY_MAX_LEAST)
    assert valve.work_out_limits(now=telling.NOW + dt.timedelta(hours=23)) == 0  # once a day
    assert valve.work_out_limits(now=telling.NOW + 2 * DAY) == Issuer.objects.count()


def test_a_refused_decision_of_a_person_says_why_and_pauses_what_it_would_pass(
    issuer: Issuer, fina: cast.Member
) -> None:
    limit(issuer, minute=1)
    send(orders(1))
    document = Document.objects.get()

    def correct() -> issuing.IssuedDocument:
        return corrections.correct(
            document=document,
            correction_id="cor_" + "a" * 26,
            parts=None,
            reason=REASON,
            user=fina.user,
            now=telling.NOW,
            actor=ACTOR,
        )

    for _ in range(2):  # the one that reaches the limit, and one after it
        with pytest.raises(errors.Problem) as refused:
            correct()
        assert (refused.value.code, refused.value.status) == ("issuing_paused", 422)
    assert SLUG in writing.of_problem(problem=refused.value, language="es")
    assert len(said("issuer.paused")) == 1
    assert Document.objects.count() == Event.objects.count() == 1
    resume(issuer)
    work_off(issuer)
    assert not correct().replayed


def test_what_a_person_has_dismissed_is_not_issued_by_the_resume(issuer: Issuer, fina: cast.Member) -> None:
    limit(issuer, minute=1)
    send(orders(4))
    wrong = Event.objects.get(subject="order:ord_002")
    dismissal.dismiss(event=wrong, reason=REASON, document=None, user=fina.user, now=telling.NOW, actor=ACTOR)
    resume(issuer)
    work_off(issuer)
    assert numbered() == ["order:ord_000", "order:ord_001", "order:ord_003"]
    assert IssuingValve.objects.get(issuer=issuer).turn is None


def test_a_paused_event_is_not_tried_again_from_the_work_list(issuer: Issuer, fina: cast.Member) -> None:
    limit(issuer, minute=1)
    send(orders(3))
    held = Event.objects.filter(code="issuing_paused")
    assert [retrying.can_retry(event=event) for event in held] == [False, False]
    assert retrying.codes(countries=None) == {}
    result = retrying.retry(events=list(held), user=fina.user, now=telling.NOW, actor=ACTOR)
    assert result == retrying.Retried(issued=0, parked=0, held=0, over=0, queued=0)


def test_one_that_is_held_for_another_cause_once_its_turn_comes_gets_its_own_p2(issuer: Issuer) -> None:
    limit(issuer, minute=1)
    telling.tell(making.payment("pay_1", "10.00", [making.line("10.00")]))
    for name in ("rf_1", "rf_2"):
        refund = making.refund(name, "pay_1", [making.line("6.00", kind="REFUND_ITEM")])
        assert telling.tell(refund).body["code"] == "issuing_paused"
    assert [code for code, _, _ in open_alerts()] == ["issuing_paused"]
    resume(issuer)
    work_off(issuer)
    assert Document.objects.count() == 2
    assert Event.objects.get(subject="refund:rf_2").code == "credit_exceeds_remaining"
    assert [(code, severity) for code, severity, _ in open_alerts()] == [("event_held", "P2")]


def test_the_p2_of_an_event_ends_where_its_issuers_p1_says_why_it_waits_now() -> None:
    telling.tell(making.order("ord_1") | {"issuer": "nueva-es"})
    assert [code for code, _, _ in open_alerts()] == ["event_held"]
    new = factories.issuer(slug="nueva-es", code="NES")
    limit(new, minute=1)
    for name in ("ord_2", "ord_3"):
        telling.tell(making.order(name) | {"issuer": "nueva-es"})
    with transaction.atomic():
        waiting.retry(held=Event.objects.filter(code="issuer_unknown"), now=telling.NOW)
    intake.resume(event_id=Event.objects.get(subject="order:ord_1").pk, now=telling.NOW)
    assert [code for code, _, _ in open_alerts()] == ["issuing_paused"]
    resume(new)
    work_off(new)
    assert numbered() == ["order:ord_2", "order:ord_1", "order:ord_3"]


def test_the_line_asks_one_statement_more_to_count_what_it_issues(issuer: Issuer) -> None:
    send(["ord_0"])
    with CaptureQueriesContext(connection) as asked:
        assert send(["ord_1"])[0].status == 201
    assert sum("issuingvalve" in query["sql"] for query in asked) == 1
