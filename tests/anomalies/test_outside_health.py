"""`/readyz` names who is away within two seconds, stops traffic only where it must, and the watch ends what is over."""

import json
import pathlib
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from audit import guard, inspection
from config.embedded import services
from documents import errors, latency
from documents.alerts import incidents, outages
from documents.models import Alert
from documents.operations import checks, health, heartbeats
from documents.operations import watch as operations_watch
from documents.resilience import breaker, calls, clock, dependencies
from documents.vault import object_files
from documents.vault import store as vault
from tests.services import misbehaving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, vault_folder: pathlib.Path) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(clock, "_skew", {})
    monkeypatch.setattr(checks, "QUESTIONS", {})
    monkeypatch.setattr(checks, "_looked_at", {})
    monkeypatch.setattr(operations_watch, "_last", {})
    monkeypatch.setattr(vault, "_opened", {})
    monkeypatch.setattr(outages, "_unwritten", {})
    monkeypatch.setattr(heartbeats, "_own", heartbeats._Own())
    heartbeats.beat(role=heartbeats.ProcessRole.WORKER)


def ask(view: Callable[..., HttpResponse] = health.readyz) -> tuple[int, dict[str, Any], float]:
    started = time.monotonic()
    answer = view(RequestFactory().get("/"))
    return answer.status_code, json.loads(answer.content), time.monotonic() - started


def test_when_all_is_well_nothing_is_degraded() -> None:
    status, body, took_s = ask()
    assert (status, body["status"], body["degraded"]) == (200, "ok", [])
    assert set(body["dependencies"]) == set(dependencies.DEPENDENCIES)
    assert took_s < 2
    assert body["dependencies"]["vault"]["detail"].startswith("LOCAL_")


@pytest.mark.parametrize("way", ["refuse", "hang", "garbage"])
def test_without_redis_the_service_is_degraded_says_what_happens_meanwhile_and_takes_traffic(
    way: str, settings: Settings
) -> None:
    with misbehaving.nobody_listens() as dead, misbehaving.BadServer() as server:
        server.behave = server.hang if way == "hang" else lambda _n, peer: peer.sendall(b"\x00\xff\r\n" * 20)
        settings.REDIS_URL = f"redis://127.0.0.1:{dead if way == 'refuse' else server.port}/0"
        status, body, took_s = ask()
    assert (status, body["degraded"]) == (200, ["redis"])
    assert "PostgreSQL" in body["dependencies"]["redis"]["fallback"]
    assert body["dependencies"]["redis"]["runbook"] == "docs/runbooks/redis.md"
    assert took_s < 2


@pytest.mark.parametrize("way", ["refuse", "hang"])
def test_without_postgresql_traffic_stops_within_two_seconds_and_the_process_still_lives(
    way: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with misbehaving.nobody_listens() as dead, misbehaving.BadServer() as server:
        server.behave = server.hang
        place = {"HOST": "127.0.0.1", "PORT": str(dead if way == "refuse" else server.port)}
        for name, value in place.items():
            monkeypatch.setitem(connections.settings["default"], name, value)
        answer = health.readyz(RequestFactory().get("/"))
        status, body, took_s = ask()
        assert health.healthz(RequestFactory().get("/")).status_code == 200
        page = health.metrics_page(RequestFactory().get("/")).content.decode()
    assert (status, body["status"], body["degraded"]) == (503, "unavailable", ["postgresql"])
    assert answer["Retry-After"] == "5"
    assert took_s < 2
    assert "docs_database_read 0.0" in page
    assert settings.DATABASES


def test_a_vault_that_is_gone_stops_locking_and_no_traffic(vault_folder: pathlib.Path) -> None:
    vault.open_vault()
    vault_folder.rename(vault_folder.with_name("unmounted"))
    status, body, _took_s = ask()
    vault_folder.with_name("unmounted").rename(vault_folder)
    assert (status, body["status"], body["degraded"]) == (200, "degraded", ["vault", "locking"])
    assert body["dependencies"]["vault"]["detail"] == "worm_unavailable"
    assert body["checks"]["locking"] == {"status": "degraded", "detail": "nothing can be locked: vault"}


def test_a_weak_lock_stops_locking_in_production_and_warns_elsewhere(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault.open_vault(), "mode", "LOCAL_READ_ONLY")
    status, body, _took_s = ask()
    assert (status, body["warnings"]) == (200, ["vault_read_only"])
    settings.ENVIRONMENT = "production"
    status, body, _took_s = ask()
    settings.ENVIRONMENT = "test"
    assert (status, body["dependencies"]["vault"]["detail"]) == (200, "worm_mode_weak")
    assert body["degraded"] == ["vault", "locking"]


def test_a_dead_mailbox_and_a_wrong_clock_are_named_together(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "clock_skew_s", lambda: 7.0)
    with misbehaving.nobody_listens() as port:
        settings.MAIL_URL, settings.EMAIL_HOST, settings.EMAIL_PORT = f"smtp://127.0.0.1:{port}", "127.0.0.1", port
        status, body, _took_s = ask()
    assert (status, body["degraded"]) == (200, ["mail", "clock", "locking"])
    assert body["dependencies"]["clock"]["detail"] == "7 s off"


def test_an_open_breaker_shows_even_while_the_check_passes() -> None:
    for _ in range(5):
        calls.note_failure(dependency="renderer", cause=TimeoutError("watchdog"))
    status, body, _took_s = ask()
    assert (status, body["degraded"]) == (200, ["renderer", "locking"])
    assert body["dependencies"]["renderer"]["breaker"] == "open"


def test_no_answer_of_readyz_tells_an_address_a_user_or_a_secret(settings: Settings) -> None:
    settings.REDIS_URL = "redis://user:sesame@127.0.0.1:1/0"
    _status, body, _took_s = ask()
    text = json.dumps(body)
    assert "sesame" not in text
    assert "127.0.0.1" not in text
    assert "/tmp" not in text


@pytest.mark.parametrize("name", ["alert_channel", "alert_channel_2", "renderer"])
def test_an_incident_that_nobody_repeats_is_ended_unless_the_last_call_failed(name: str) -> None:
    circuit, key = calls.BREAKERS[name], f"dependency:{name}"
    incidents.open_alert(code=f"dependency_{name}", dedup_key=key, object_id=name)
    later = timezone.now() + timedelta(seconds=circuit.row.steady_s + circuit.row.breaker_open_s + 1)
    circuit.failed(now=time.monotonic())
    operations_watch.watch(now=later)
    assert Alert.objects.get(dedup_key=key).resolved_at is None
    circuit.succeeded(now=time.monotonic())
    operations_watch.watch(now=later)
    assert Alert.objects.get(dedup_key=key).resolved_at is not None


def test_the_watch_tells_an_outage_nobody_has_met_yet_and_ends_it(settings: Settings) -> None:
    well = settings.REDIS_URL
    with misbehaving.nobody_listens() as port:
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        for _ in range(4):
            assert operations_watch.watch(now=timezone.now()) == ["redis"]
    alert = Alert.objects.get(dedup_key="dependency:redis")
    settings.REDIS_URL = well
    assert operations_watch.watch(now=timezone.now()) == []
    calls.BREAKERS["redis"].closed_at -= dependencies.DEPENDENCIES["redis"].steady_s
    operations_watch.watch(now=timezone.now())
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_the_watch_ends_an_incident_whose_process_died(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        calls.note_failure(dependency="mail", cause=ConnectionRefusedError())
    monkeypatch.setitem(calls.BREAKERS, "mail", breaker.Breaker(row=dependencies.DEPENDENCIES["mail"]))  # a new process
    operations_watch.watch(now=timezone.now())
    alert = Alert.objects.get(dedup_key="dependency:mail")
    assert alert.resolved_at is None  # it may still go on elsewhere
    operations_watch.watch(now=timezone.now() + timedelta(minutes=10))
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_the_watch_warns_once_of_a_vault_that_is_only_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    store = vault.open_vault()
    level = store.mode
    monkeypatch.setattr(store, "mode", "LOCAL_READ_ONLY")
    for _ in range(3):
        operations_watch.watch(now=timezone.now())
    alert = Alert.objects.get(dedup_key="vault_read_only")
    assert (alert.count, alert.severity) == (1, "P2")
    monkeypatch.setattr(store, "mode", level)
    operations_watch.watch(now=timezone.now())
    alert.refresh_from_db()
    assert (alert.resolved_at is None) == (level == "LOCAL_READ_ONLY")


def test_a_vault_that_lets_an_attack_through_later_stops_and_is_p1_until_it_holds_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vault.open_vault()
    with monkeypatch.context() as patch:
        patch.setattr(object_files, "link_once", lambda **_: True)  # a put on an existing key goes through
        operations_watch.watch(now=timezone.now() + timedelta(days=2))
        alert = Alert.objects.get(dedup_key="vault_probe")
        assert (alert.severity, alert.code) == ("P1", "worm_bucket_misconfigured")
        status, body, _took_s = ask()
        assert (status, body["dependencies"]["vault"]["detail"]) == (200, "worm_bucket_misconfigured")
        assert "locking" in body["degraded"]
    operations_watch.watch(now=timezone.now() + timedelta(minutes=2))
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert ask()[0] == 200


def test_the_watch_asks_nobody_twice_within_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(operations_watch, "_last", {})
    monkeypatch.setitem(checks.CHECKS, "mail", lambda: asked.append(1) or "")  # type: ignore[func-returns-value]
    for _ in range(5):
        operations_watch.watch(now=timezone.now(), every_s=10.0)
    assert len(asked) == 1


def test_the_watch_survives_postgresqls_own_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_arguments: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setitem(checks.CHECKS, "postgresql", away)
    monkeypatch.setattr(incidents, "write", away)
    monkeypatch.setattr(incidents, "resolve_alert", away)
    for _ in range(4):
        assert operations_watch.watch(now=timezone.now()) == ["postgresql"]
    assert calls.BREAKERS["postgresql"].state == "open"


def test_the_metrics_page_says_what_stands_in_the_tables_and_the_seeds_own_name() -> None:
    incidents.open_alert(code="document_stuck", dedup_key="document:1")
    for _ in range(20):
        latency.observe(country="ES", seconds=0.2)
    answer = health.metrics_page(RequestFactory().get("/metrics"))
    page = answer.content.decode()
    assert answer.status_code == 200
    for line in (
        'docs_documents{status="ISSUED"} 0.0',
        'docs_alerts_open{severity="P2"} 1.0',
        "docs_alerts_unsent 0.0",
        "docs_database_read 1.0",
        'docs_breaker_state{dependency="redis"}',
        "# TYPE docs_document_locked_total counter",
        "# TYPE docs_worm_errors_total counter",
    ):
        assert line in page
    p95 = float(page.split('docs_driver_api_latency_p95{country="ES"} ')[1].split("\n")[0])
    assert 0.17 <= p95 <= 0.23


def test_every_metric_that_rules_and_dashboard_read_exists() -> None:
    page = health.metrics_page(RequestFactory().get("/metrics")).content.decode()
    known = set(re.findall(r"^# TYPE (docs_\w+)", page, re.MULTILINE)) | {"docs_driver_api_latency_p95"}
    known |= {f"{name}{end}" for name in list(known) for end in ("_bucket", "_count", "_sum")}
    for file in ("ops/alerts.yml", "ops/dashboard.json"):
        used = set(re.findall(r"\bdocs_[a-z0-9_]+", pathlib.Path(file).read_text(encoding="utf-8")))
        assert used <= known, used - known


def test_errors_of_the_vault_never_surface_as_anything_but_their_name() -> None:
    with pytest.raises(errors.WormError):
        vault.guarded(work=lambda: (_ for _ in ()).throw(OSError("disk")))


@pytest.fixture
def owner(stack: services.Stack) -> Iterator[psycopg.Connection[Any]]:
    """Somebody with the superuser's rights, as no process of the service has them."""
    url = stack.postgres.url(database=services.DATABASE)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "AUDIT_EVERY_S", 0.0)


def watch() -> None:
    operations_watch.watch(now=timezone.now())


@pytest.mark.usefixtures("_at_once")
def test_a_log_that_could_be_rewritten_is_one_p1_alert_until_it_is_guarded_again(
    owner: psycopg.Connection[Any],
) -> None:
    assert ask()[1]["checks"]["audit"] == {"status": "ok", "detail": ""}
    owner.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_rows_stay")
    status, body, took_s = ask()
    assert (status, body["status"], body["degraded"]) == (200, "degraded", ["audit"])
    assert body["checks"]["audit"] == {"status": "degraded", "detail": "audit_broken"}
    assert "rows_stay" not in json.dumps(body)  # anybody may read that page
    assert took_s < 2
    for _ in range(3):
        watch()
    alert = Alert.objects.get(dedup_key="audit_guard:trigger audit_event_rows_stay of audit_event")
    assert (alert.code, alert.severity, alert.count, alert.resolved_at) == ("audit_broken", "P1", 1, None)
    assert "audit_event_rows_stay" in " ".join(alert.values["weaknesses"])
    assert alert.runbook == "docs/runbooks/audit.md#audit_broken"
    owner.execute("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_rows_stay")
    watch()
    assert (
        Alert.objects.get(pk=alert.pk).resolved_at is None
    )  # on again, but it was off: a person looks, and provisions
    owner.execute(
        "UPDATE audit_guardmark SET mark = (SELECT encode(sha256(convert_to(tgenabled::text || xmin::text, 'UTF8')), 'hex')"
        " FROM pg_trigger WHERE tgname = 'audit_event_rows_stay')"
        " WHERE name = 'trigger audit_event_rows_stay of audit_event'"
    )
    watch()
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    assert ask()[1]["status"] == "ok"


@pytest.mark.usefixtures("_at_once")
def test_a_guard_of_a_documents_state_that_is_off_is_told_as_well(owner: psycopg.Connection[Any]) -> None:
    owner.execute("ALTER TABLE documents_document DISABLE TRIGGER audit_guard_documents_document_moved")
    watch()
    name = "trigger audit_guard_documents_document_moved of documents_document"
    assert Alert.objects.get(dedup_key=f"audit_guard:{name}").values == {"weaknesses": [f"{name}: is off"]}


@pytest.mark.usefixtures("_at_once")
def test_a_log_that_takes_no_event_any_more_is_told_to_the_channel_all_the_same(
    owner: psycopg.Connection[Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault.open_vault(), "mode", "LOCAL_READ_ONLY")  # another alert, which cannot be written either
    owner.execute(f"REVOKE EXECUTE ON FUNCTION {guard.APPEND} FROM {services.RUNTIME_ROLE}")
    owner.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_rows_stay")
    with misbehaving.BadServer() as channel:
        settings.ALERT_URL = f"http://127.0.0.1:{channel.port}/hook"
        objects = ["function audit_append", "the runtime role", "trigger audit_event_rows_stay of audit_event"]
        until = time.monotonic() + 5
        while len(channel.received) < len(objects) and time.monotonic() < until:
            watch()  # one is sent at a time, so that nobody waits
            time.sleep(0.05)
        keys = sorted(json.loads(body)["groupKey"] for _path, body in channel.received)
    assert keys == [f"audit_guard:{name}" for name in objects]
    assert not Alert.objects.exists()


@pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])
@pytest.mark.usefixtures("_at_once")
def test_of_very_many_changed_guards_some_are_named_one_by_one_and_the_rest_together(
    owner: psycopg.Connection[Any],
) -> None:
    owner.execute("UPDATE audit_guardmark SET mark = 'restored'")
    owner.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_rows_stay")
    watch()
    watch()
    alerts = Alert.objects.filter(code="audit_broken", resolved_at=None)
    assert alerts.count() == operations_watch.GUARDS_MAX + 1
    name = "trigger audit_event_rows_stay of audit_event"
    # What is wrong comes before what is only changed.
    assert alerts.get(object_id=name).values == {"weaknesses": [f"{name}: is off"]}
    assert len(alerts.get(dedup_key=operations_watch.GUARD_REST).values["weaknesses"]) > 1
    owner.execute("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_rows_stay")
    call_command("provision", verbosity=0)
    watch()
    assert not alerts.all().exists()


def test_the_logs_guards_are_looked_at_once_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def weaknesses() -> dict[str, str]:
        looked.append("once")
        return {}

    monkeypatch.setattr(inspection, "weaknesses", weaknesses)
    for _ in range(5):
        ask()
    watch()
    assert len(looked) == 1


def test_a_database_that_does_not_answer_says_nothing_of_the_logs_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> dict[str, str]:
        raise OperationalError

    monkeypatch.setattr(inspection, "weaknesses", away)
    assert ask()[1]["checks"]["audit"]["status"] == "ok"
    watch()
    assert not Alert.objects.filter(code="audit_broken").exists()


@pytest.mark.django_db(databases=["default", "denials"])
def test_a_probe_asks_by_the_address_of_the_process_and_nobody_else_does(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://documents.example", ["documents.example"]
    probe = Client(headers={"host": "10.0.0.5:8000"})
    assert [probe.get(path).status_code for path in ("/healthz", "/metrics")] == [200, 200]
    assert probe.get("/readyz").status_code in {200, 503}
    caplog.set_level("INFO", logger="documents")
    for path in ("/v/", "/admin/login/", "/api/v1/me/"):
        refused = probe.get(path)
        assert refused.status_code == 400
        assert "https://documents.example" in refused.content.decode()
    assert refused.json()["code"] == "host_not_allowed"
    assert [line.__dict__["code"] for line in caplog.records if line.message == "request.refused"] == [
        "host_not_allowed"
    ] * 3
