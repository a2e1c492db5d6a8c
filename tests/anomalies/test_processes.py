"""Processes and hosts that die without a word: the others notice, tell people, and say when it is over."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import RequestFactory
from django.utils import timezone
from pytest_django import Settings

from documents.alerts import direct, incidents, outages
from documents.models import Alert, Document, Heartbeat, Status
from documents.operations import absences, checks, conditions, health, heartbeats, lookout
from documents.resilience import breaker, calls, dependencies
from tests import factories
from tests.services import force, misbehaving

pytestmark = pytest.mark.django_db(transaction=True)
WEB, WORKER = heartbeats.ProcessRole.WEB, heartbeats.ProcessRole.WORKER


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(outages, "_unwritten", {})
    monkeypatch.setattr(checks, "QUESTIONS", {})
    monkeypatch.setattr(heartbeats, "_own", heartbeats._Own())
    monkeypatch.setattr(heartbeats, "STEADY_S", 0.0)
    heartbeats.beat(role=WEB)  # this process is a web process
    direct.forget(dedup_key="dependency:postgresql")


@pytest.fixture
def channel(settings: Settings) -> Iterator[misbehaving.BadServer]:
    with misbehaving.BadServer() as server:
        settings.ALERT_URL = f"http://127.0.0.1:{server.port}/hook"
        yield server


def beats(*, role: heartbeats.ProcessRole, host: str, ago_s: float = 0.0) -> None:
    """Let a process of a host have beaten so long ago."""
    seen_at = timezone.now() - timedelta(seconds=ago_s)
    Heartbeat.objects.filter(process=f"{role}:{host}").delete()
    Heartbeat.objects.create(process=f"{role}:{host}", role=role, host=host, seen_at=seen_at)


def is_open() -> list[tuple[str, str, str]]:
    rows = Alert.objects.filter(resolved_at=None).order_by("dedup_key")
    return list(rows.values_list("dedup_key", "code", "severity"))


def ready() -> dict[str, Any]:
    return dict(json.loads(health.readyz(RequestFactory().get("/")).content))


def test_with_every_worker_dead_a_web_process_tells_people_and_says_when_one_is_back(
    channel: misbehaving.BadServer,
) -> None:
    beats(role=WORKER, host="w1", ago_s=heartbeats.SILENT_S + 1)
    beats(role=WORKER, host="w2", ago_s=heartbeats.SILENT_S + 1)
    lookout.look()
    assert is_open() == [("worker", "worker_missing", "P1")]  # one incident, not one a host
    assert ready()["checks"]["workers"] == {"status": "degraded", "detail": "no worker"}
    assert "locking" in ready()["degraded"]
    beats(role=WORKER, host="w1")
    lookout.look()
    assert is_open() == [("host:worker:w2", "host_silent", "P2")]
    beats(role=WORKER, host="w2")
    lookout.look()
    assert is_open() == []
    assert [json.loads(body)["alerts"][0]["labels"]["alertname"] for _path, body in channel.received] == [
        "worker_missing"
    ]  # the rest is sent by the workers that are back


def test_a_silent_host_is_one_alert_and_a_host_that_ends_in_order_is_none() -> None:
    beats(role=WORKER, host="w1")
    beats(role=WEB, host="h2", ago_s=heartbeats.SILENT_S + 1)
    for _ in range(3):
        absences.look()
    alert = Alert.objects.get(dedup_key="host:web:h2")
    assert (alert.severity, alert.count, alert.values) == ("P2", 1, {"host": "h2", "role": "web"})
    assert ready()["checks"]["workers"]["detail"] == "1 hosts are silent"
    Heartbeat.objects.filter(host="h2").delete()  # as `heartbeats.end` there, or an operator
    absences.look()
    assert is_open() == []


def test_who_has_just_started_calls_nobody_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "STEADY_S", 60.0)
    beats(role=WORKER, host="w1", ago_s=heartbeats.SILENT_S + 1)
    assert absences.look() == []
    heartbeats._own.steady_since -= 60
    assert absences.look() == ["worker"]


def test_after_an_outage_of_postgresql_everybody_was_silent_and_nobody_is_called_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeats, "STEADY_S", 60.0)
    heartbeats._own.steady_since -= 1000
    assert heartbeats.may_judge()
    heartbeats._own.beaten_at -= heartbeats.SILENT_S + 1  # nothing could be written for so long
    assert not heartbeats.may_judge()
    heartbeats.beat(role=WEB)
    assert not heartbeats.may_judge()


def test_a_process_that_starts_clears_away_the_rows_of_those_that_died_before_it_on_its_host(
    settings: Settings,
) -> None:
    beats(role=WEB, host=settings.HOST_NAME, ago_s=heartbeats.SILENT_S + 1)
    heartbeats.beat(role=WEB, every_s=0.0)
    assert [row.process.startswith("web:") for row in Heartbeat.objects.all()] == [True]
    heartbeats.end()
    assert not Heartbeat.objects.exists()


def test_documents_that_wait_for_longer_than_the_limit_are_one_incident_until_they_are_locked(
    settings: Settings,
) -> None:
    beats(role=WORKER, host="w1")
    settings.BACKLOG_LIMIT_S = 180
    _wait(since_s=100)
    assert absences.look() == []
    _wait(since_s=200)
    for _ in range(3):
        assert absences.look() == ["backlog"]
    assert is_open() == [("backlog", "backlog_late", "P2")]
    assert ready()["checks"]["locking"]["detail"] == "nothing can be locked: backlog"
    Document.objects.update(next_try_at=None)  # it rests until a person retries it: an alert of its own
    assert absences.look() == []
    assert is_open() == []


def test_documents_that_wait_for_an_outage_are_no_incident_of_their_own(settings: Settings) -> None:
    beats(role=WORKER, host="w1")
    _wait(since_s=settings.BACKLOG_LIMIT_S + 100)
    incidents.open_alert(code="dependency_vault", dedup_key="dependency:vault", values={"error": "x"})
    assert absences.look() == []
    incidents.resolve_alert(dedup_key="dependency:vault")
    assert absences.look() == []  # they have as long as the limit to drain
    with force.by_force():
        Alert.objects.update(resolved_at=timezone.now() - timedelta(seconds=settings.BACKLOG_LIMIT_S + 1))
    assert absences.look() == ["backlog"]


def test_alerts_that_reach_nobody_degrade_the_service(channel: misbehaving.BadServer) -> None:
    beats(role=WORKER, host="w1")
    incidents.open_alert(code="document_stuck", dedup_key="document:1", values={"document": "doc_1"})
    assert ready()["degraded"] == []
    with force.by_force():
        Alert.objects.update(next_try_at=timezone.now() - timedelta(seconds=conditions.UNSENT_S + 1))
    assert ready()["checks"]["alerts"] == {"status": "degraded", "detail": "1 alerts have reached nobody"}


def test_the_outage_of_postgresql_ends_in_each_process_by_itself_and_its_alert_with_it(
    channel: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_arguments: object) -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as outage:
        outage.setitem(checks.CHECKS, "postgresql", away)
        outage.setattr(incidents, "write", away)
        outage.setattr(checks, "QUESTIONS", {})
        for _ in range(3):
            lookout.look()
        assert calls.BREAKERS["postgresql"].state == "open"
        channel.wait_for(count=1)
        _sent_directly()
    lookout.look()
    assert calls.BREAKERS["postgresql"].state == "closed"
    alert = Alert.objects.get(dedup_key="dependency:postgresql")  # written as soon as PostgreSQL answers
    assert (alert.severity, alert.sent_at is None) == ("P1", False)
    calls.BREAKERS["postgresql"].closed_at -= dependencies.DEPENDENCIES["postgresql"].steady_s
    lookout.look()
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_of_several_processes_that_lose_postgresql_one_tells_people(channel: misbehaving.BadServer) -> None:
    incident = incidents.incident(code="dependency_postgresql", dedup_key="dependency:postgresql", values={"error": ""})
    processes = [direct.unwritten(incident=incident) for _ in range(3)]
    for one in processes:
        direct.send(unwritten=one)
        _sent_directly()
    assert len(channel.received) == 1
    assert all(direct.taken_by(unwritten=one) for one in processes)


def test_without_redis_too_each_process_tells_its_own(channel: misbehaving.BadServer, settings: Settings) -> None:
    incident = incidents.incident(code="dependency_postgresql", dedup_key="dependency:postgresql", values={"error": ""})
    with misbehaving.nobody_listens() as port:
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        for _ in range(2):
            direct.send(unwritten=direct.unwritten(incident=incident))
            _sent_directly()
    assert len(channel.received) == 2


def test_an_alert_that_is_under_way_when_postgresql_is_back_is_not_sent_again(channel: misbehaving.BadServer) -> None:
    incident = incidents.incident(code="dependency_postgresql", dedup_key="dependency:postgresql", values={"error": ""})
    unwritten = outages._unwritten.setdefault(incident.dedup_key, direct.unwritten(incident=incident))
    assert direct._claims(name=direct._name(dedup_key=incident.dedup_key))  # as another process that sends it
    assert outages.write_unwritten() == 0
    direct.forget(dedup_key=incident.dedup_key)
    unwritten.under_way = True  # this one is at it, and Redis is away
    assert outages.write_unwritten() == 0
    unwritten.under_way, unwritten.channel = False, "alert_channel"
    assert outages.write_unwritten() == 1
    assert Alert.objects.get().sent_at is not None
    assert channel.received == []


def test_a_process_that_notices_when_postgresql_is_back_does_not_tell_what_another_one_has_told(
    channel: misbehaving.BadServer,
) -> None:
    incident = incidents.incident(code="dependency_postgresql", dedup_key="dependency:postgresql", values={"error": ""})
    other = direct.unwritten(incident=incident)
    assert direct._claims(name=direct._name(dedup_key=incident.dedup_key))
    row = dependencies.DEPENDENCIES["postgresql"]
    outages.LISTENER.outage_began(row=row, cause=OperationalError("away"))
    assert not Alert.objects.exists()  # not before it is known who has taken the other one's
    direct.forget(dedup_key=incident.dedup_key)
    direct.send(unwritten=other)
    _sent_directly()
    assert outages.write_unwritten() == 1
    assert Alert.objects.get().sent_at is not None
    assert len(channel.received) == 1


def _sent_directly() -> None:
    """Wait until no alert is being sent without a row."""
    assert direct._turn.acquire(timeout=10)
    direct._turn.release()


def _wait(*, since_s: float) -> None:
    """Let a document wait for its bytes since then."""
    factories.document(status=Status.ISSUED, now=timezone.now() - timedelta(seconds=since_s))


def test_the_lookout_ends_in_order() -> None:
    watching = lookout.Lookout(every_s=0.05)
    watching.start()
    until = time.monotonic() + 5
    while not Heartbeat.objects.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert Heartbeat.objects.filter(role=WEB).exists()
    watching.end()
    assert not Heartbeat.objects.exists()
