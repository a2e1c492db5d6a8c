"""The breakers that all processes share: what one process meets, the others know, and it ends for all of them."""

import time

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from psycopg import errors as sqlstates

from documents.access import problems
from documents.models import Alert, Circuit
from documents.resilience import breaker, calls, circuits, dependencies

pytestmark = pytest.mark.django_db
MAIL = dependencies.DEPENDENCIES["mail"]


def process(*, is_usable: bool = True) -> circuits.SharedBreaker:
    """Return the breaker of mail as another process has it."""
    return circuits.SharedBreaker(row=MAIL, is_usable=lambda: is_usable)


def fail(one: circuits.SharedBreaker, *, times: int = 1) -> list[bool]:
    return [one.failed(now=time.monotonic()) for _ in range(times)]


def back_date(*, seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE documents_circuit SET opened_at = opened_at - make_interval(secs => %s),"
            " closed_at = closed_at - make_interval(secs => %s)",
            [seconds, seconds],
        )


def test_failures_that_several_processes_meet_open_one_breaker_once() -> None:
    first, second = process(), process()
    assert [*fail(first), *fail(second), *fail(first), *fail(second)] == [False, False, True, False]
    assert Circuit.objects.get(dependency="mail").failures == 4
    assert not second.admits(now=time.monotonic())


def test_a_process_that_has_called_nobody_knows_of_the_outage_after_a_look() -> None:
    met, other = process(), process()
    fail(met, times=3)
    assert circuits.refresh(breakers=[other], now=time.monotonic())
    assert (other.state, other.incident) == ("open", True)
    assert not other.admits(now=time.monotonic())


def test_of_all_processes_exactly_one_probes_after_the_pause() -> None:
    several = [process() for _ in range(4)]
    fail(several[0], times=3)
    circuits.refresh(breakers=several[:1], now=time.monotonic())
    for one in several:
        circuits.refresh(breakers=[one], now=time.monotonic())
    back_date(seconds=MAIL.breaker_open_s)
    assert [one.admits(now=time.monotonic()) for one in several].count(True) == 1


def test_a_probe_whose_process_died_gives_way_to_another_one() -> None:
    dead, other = process(), process()
    fail(dead, times=3)
    back_date(seconds=MAIL.breaker_open_s)
    assert dead.admits(now=time.monotonic())
    circuits.refresh(breakers=[other], now=time.monotonic())
    assert not other.admits(now=time.monotonic())
    back_date(seconds=MAIL.total_s)
    assert other.admits(now=time.monotonic())


def test_an_answer_in_one_process_closes_the_breaker_of_all_and_ends_the_incident_once() -> None:
    first, second = process(), process()
    fail(first, times=3)
    circuits.refresh(breakers=[second], now=time.monotonic())
    back_date(seconds=MAIL.breaker_open_s)
    assert second.admits(now=time.monotonic())
    assert not second.succeeded(now=time.monotonic())  # one answer is no recovery
    assert first.admits(now=time.monotonic() + circuits.FRESH_S)  # it has read again
    back_date(seconds=MAIL.steady_s)
    assert [one.succeeded(now=time.monotonic()) for one in (first, second)] == [True, False]


def test_while_all_is_well_a_call_asks_the_database_nothing() -> None:
    one = process()
    with CaptureQueriesContext(connection) as asked:
        for _ in range(20):
            assert one.admits(now=time.monotonic())
            one.succeeded(now=time.monotonic())
    assert len(asked) == 0


def test_without_postgresql_a_process_goes_by_its_own_memory() -> None:
    alone = process(is_usable=False)
    assert fail(alone, times=4) == [False, False, True, False]
    assert not alone.admits(now=time.monotonic())
    assert alone.admits(now=time.monotonic() + MAIL.breaker_open_s)
    alone.succeeded(now=time.monotonic())
    assert alone.state == "closed"
    assert not Circuit.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "SET LOCAL statement_timeout = 20; SELECT pg_sleep(1)",
        "DO $$ BEGIN RAISE deadlock_detected; END $$",
        "DO $$ BEGIN RAISE lock_not_available; END $$",
    ],
)
def test_what_postgresql_itself_ended_is_no_outage_of_it(statement: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    for _ in range(5):
        with pytest.raises(OperationalError) as caught, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        problem = problems.translate(exception=caught.value)
        assert problem is not None
        assert (problem.code, problem.status) == ("dependency_degraded", 503)
    assert fresh["postgresql"].state == "closed"
    assert not Alert.objects.exists()


def test_a_lost_connection_is_an_outage_of_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    for _ in range(3):
        problems.translate(exception=OperationalError("connection refused"))
    assert fresh["postgresql"].state == "open"
    shut = DatabaseError("terminating connection")
    shut.__cause__ = sqlstates.AdminShutdown("57P01")
    assert not calls.ended_by_postgresql(error=shut)
