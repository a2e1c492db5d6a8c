"""The outside table and its breaker: one try, one alert, one recovery, whatever the dependency does."""

import pathlib
import smtplib
import threading
import time
from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import transaction

from documents import errors
from documents.alerts import channel, outages
from documents.models import Alert
from documents.operations import checks
from documents.resilience import breaker, calls, dependencies
from documents.resilience import clock as resilience_clock

pytestmark = pytest.mark.django_db


class Clock:
    """Monotonic seconds that only a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)


def refuse() -> str:
    raise ConnectionRefusedError(111, "refused")


def answer() -> str:
    return "answer"


def attempt(work: Callable[[], str], clock: Clock, name: str = "mail") -> str:
    try:
        return calls.call(dependency=name, work=work, now=clock)
    except calls.DependencyDown as degraded:
        return "open" if degraded.cause is None else "failed"


def test_the_table_says_for_every_dependency_how_long_what_meanwhile_and_what_never() -> None:
    assert {"vault", "mail", "redis", "postgresql", "renderer", "clock"} <= set(dependencies.DEPENDENCIES)
    for name, row in dependencies.DEPENDENCIES.items():
        assert row.name == name
        assert 0 < row.connect_s <= row.total_s
        assert row.attempts_max >= 1
        assert 0 < row.backoff_base_s <= row.backoff_cap_s
        assert all(row.fallback)
        assert row.never
        assert row.alert_severity == ("P1" if name == "postgresql" else "P2")  # without the database nothing comes in
        assert row.steady_s > row.breaker_open_s or name == "clock"
        page = pathlib.Path(row.runbook).read_text(encoding="utf-8")
        assert f"\n## dependency_{name}\n" in page
        assert name in checks.CHECKS


def test_a_failing_call_is_tried_once_and_never_again_by_this_layer(clock: Clock) -> None:
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        return refuse()

    assert attempt(work, clock) == "failed"
    assert len(tries) == 1


def test_the_breaker_opens_after_the_rows_failures_then_calls_nobody(clock: Clock) -> None:
    row = dependencies.DEPENDENCIES["mail"]
    assert [attempt(refuse, clock) for _ in range(row.breaker_failures)] == ["failed"] * row.breaker_failures
    assert attempt(answer, clock) == "open"
    clock.at += row.breaker_open_s
    assert attempt(answer, clock) == "answer"
    assert calls.BREAKERS["mail"].state == "closed"


def test_a_long_outage_is_one_alert_and_it_resolves_when_the_dependency_has_held(clock: Clock) -> None:
    for _ in range(40):
        attempt(refuse, clock)
        clock.at += 60
    alert = Alert.objects.get(dedup_key="dependency:mail")
    assert (alert.code, alert.severity, alert.resolved_at) == ("dependency_mail", "P2", None)
    assert alert.count > 1
    assert "72 h" in channel.meanwhile(code=alert.code, language="es")
    clock.at += 60
    assert attempt(answer, clock) == "answer"
    alert.refresh_from_db()
    assert alert.resolved_at is None  # one good answer is not a recovery yet
    clock.at += dependencies.DEPENDENCIES["mail"].steady_s
    attempt(answer, clock)
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_an_outage_reaches_the_alerts_once_however_often_the_app_is_made_ready(clock: Clock) -> None:
    apps.get_app_config("documents").ready()
    assert calls.LISTENERS == [outages.LISTENER]
    for _ in range(3):
        attempt(refuse, clock)
    assert Alert.objects.get(dedup_key="dependency:mail").count == 1


def test_a_dependency_that_flaps_all_day_is_one_incident(clock: Clock) -> None:
    row = dependencies.DEPENDENCIES["mail"]
    for _ in range(30):
        for _ in range(row.breaker_failures):
            attempt(refuse, clock)
        clock.at += row.breaker_open_s
        assert attempt(answer, clock) == "answer"
        clock.at += 1
    assert Alert.objects.filter(dedup_key="dependency:mail").count() == 1
    assert Alert.objects.get(dedup_key="dependency:mail").resolved_at is None


@pytest.mark.parametrize("name", [name for name in sorted(dependencies.DEPENDENCIES) if name != "clock"])
def test_a_dependency_that_comes_and_goes_at_the_pace_of_its_pause_is_one_incident(clock: Clock, name: str) -> None:
    row = dependencies.DEPENDENCIES[name]
    for _ in range(5):
        for _ in range(row.breaker_failures):
            attempt(refuse, clock, name)
        clock.at += row.breaker_open_s
        assert attempt(answer, clock, name) == "answer"
        clock.at += row.breaker_open_s
        assert attempt(answer, clock, name) == "answer"
    assert Alert.objects.filter(dedup_key=f"dependency:{name}").count() == 1
    assert Alert.objects.get(dedup_key=f"dependency:{name}").resolved_at is None


def test_a_second_incident_is_a_second_alert(clock: Clock) -> None:
    row = dependencies.DEPENDENCIES["mail"]
    for _ in range(2):
        for _ in range(row.breaker_failures):
            attempt(refuse, clock)
        clock.at += row.breaker_open_s
        attempt(answer, clock)
        clock.at += dependencies.DEPENDENCIES["mail"].steady_s
        attempt(answer, clock)
    assert Alert.objects.filter(dedup_key="dependency:mail").exclude(resolved_at=None).count() == 2


def test_one_failure_between_successes_opens_nothing(clock: Clock) -> None:
    for _ in range(20):
        attempt(refuse, clock)
        attempt(answer, clock)
    assert calls.BREAKERS["mail"].state == "closed"
    assert not Alert.objects.exists()


def test_half_open_lets_exactly_one_of_many_threads_through(clock: Clock) -> None:
    for _ in range(3):
        attempt(refuse, clock)
    clock.at += dependencies.DEPENDENCIES["mail"].breaker_open_s
    one = calls.BREAKERS["mail"]
    admitted: list[bool] = []
    threads = [threading.Thread(target=lambda: admitted.append(one.admits(now=clock.at))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert admitted.count(True) == 1


def test_a_probe_that_never_comes_back_does_not_keep_the_breaker_half_open(clock: Clock) -> None:
    row = dependencies.DEPENDENCIES["mail"]
    for _ in range(3):
        attempt(refuse, clock)
    clock.at += row.breaker_open_s
    assert calls.BREAKERS["mail"].admits(now=clock.at)  # and its thread is killed
    assert attempt(answer, clock) == "open"
    clock.at += row.total_s
    assert attempt(answer, clock) == "answer"


def test_a_failing_probe_opens_again_for_the_whole_pause(clock: Clock) -> None:
    row = dependencies.DEPENDENCIES["mail"]
    for _ in range(3):
        attempt(refuse, clock)
    clock.at += row.breaker_open_s
    assert attempt(refuse, clock) == "failed"
    clock.at += row.breaker_open_s - 0.1
    assert attempt(answer, clock) == "open"


def test_an_answer_slower_than_the_rows_limit_is_used_and_counted_as_a_failure(clock: Clock) -> None:
    def slow() -> str:
        clock.at += dependencies.DEPENDENCIES["mail"].total_s + 1
        return "late"

    assert [attempt(slow, clock) for _ in range(3)] == ["late"] * 3
    assert attempt(answer, clock) == "open"


@pytest.mark.parametrize(
    "refusal",
    [
        errors.WormError(code="worm_checksum_mismatch"),
        errors.Problem(code="render_failed"),
        smtplib.SMTPDataError(550, b"no such user"),
        smtplib.SMTPRecipientsRefused({"a@b.example": (550, b"unknown")}),
    ],
)
def test_a_refusal_that_no_repeat_would_change_comes_through_and_opens_nothing(
    refusal: Exception, clock: Clock
) -> None:
    def work() -> str:
        raise refusal

    for _ in range(10):
        with pytest.raises(type(refusal)):
            calls.call(dependency="mail", work=work, now=clock)
    assert calls.BREAKERS["mail"].state == "closed"


@pytest.mark.parametrize(
    "failure",
    [
        errors.WormError(code="worm_unavailable"),
        smtplib.SMTPDataError(451, b"try later"),
        smtplib.SMTPServerDisconnected("gone"),
        smtplib.SMTPRecipientsRefused({"a@b.example": (450, b"greylisted")}),
        TimeoutError(),
        BrokenPipeError(),
    ],
)
def test_whatever_may_pass_later_is_an_outage(failure: Exception, clock: Clock) -> None:
    def work() -> str:
        raise failure

    assert [attempt(work, clock) for _ in range(4)] == ["failed"] * 3 + ["open"]


def test_a_defect_of_ours_is_not_taken_for_an_outage_nor_for_a_recovery(clock: Clock) -> None:
    def defect() -> str:
        raise TypeError("ours")

    for _ in range(10):
        with pytest.raises(TypeError):
            calls.call(dependency="mail", work=defect, now=clock)
    assert calls.BREAKERS["mail"].state == "closed"
    for _ in range(3):
        attempt(refuse, clock)
    clock.at += dependencies.DEPENDENCIES["mail"].breaker_open_s
    with pytest.raises(TypeError):
        calls.call(dependency="mail", work=defect, now=clock)
    assert calls.BREAKERS["mail"].state == "open"


def test_a_call_within_a_call_counts_once(clock: Clock) -> None:
    def nested() -> str:
        return calls.call(dependency="mail", work=refuse, now=clock)

    assert [attempt(nested, clock) for _ in range(4)] == ["failed"] * 3 + ["open"]
    clock.at += dependencies.DEPENDENCIES["mail"].breaker_open_s
    assert attempt(lambda: calls.call(dependency="mail", work=answer, now=clock), clock) == "answer"


@pytest.mark.django_db
def test_nothing_outside_is_asked_within_a_transaction_whose_locks_would_wait_for_it(clock: Clock) -> None:
    asked: list[str] = []
    with pytest.raises(RuntimeError), transaction.atomic():
        calls.call(dependency="vault", work=lambda: asked.append("within"), now=clock)
    calls.call(dependency="vault", work=lambda: asked.append("outside"), now=clock)
    assert asked == ["outside"]


def test_the_outage_of_one_dependency_inside_a_call_of_another_blames_only_the_one(clock: Clock) -> None:
    def nested() -> str:
        return calls.call(dependency="redis", work=refuse, now=clock)

    for _ in range(5):
        attempt(nested, clock)
    assert calls.BREAKERS["mail"].state == "closed"
    assert calls.BREAKERS["redis"].state == "open"


def test_backoff_grows_to_its_cap_and_is_spread_over_its_whole_width() -> None:
    row = dependencies.DEPENDENCIES["vault"]
    for tries in (1, 2, 5, 50, 10_000):
        ceiling = min(row.backoff_cap_s, row.backoff_base_s * 2 ** min(tries - 1, 30))
        waits = [dependencies.backoff_s(dependency="vault", attempt=tries) for _ in range(400)]
        assert all(0 <= wait <= ceiling for wait in waits)
        assert min(waits) < 0.1 * ceiling
        assert max(waits) > 0.9 * ceiling


def test_the_clocks_skew_is_measured_against_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resilience_clock, "_skew", {})
    skew_s = resilience_clock.clock_skew_s()
    assert skew_s is not None
    assert abs(skew_s) < 1
    real = time.time
    monkeypatch.setattr(resilience_clock, "_skew", {})
    monkeypatch.setattr(time, "time", lambda: real() + 90)
    skew_s = resilience_clock.clock_skew_s()
    assert skew_s is not None
    assert 89 < skew_s < 91


@pytest.mark.django_db
def test_a_clock_that_jumps_between_two_measurements_is_measured_anew_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resilience_clock, "_skew", {})
    before = resilience_clock.clock_skew_s()
    assert before is not None
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 90)
    after = resilience_clock.clock_skew_s()
    assert after is not None
    assert 89 < after - before < 91
