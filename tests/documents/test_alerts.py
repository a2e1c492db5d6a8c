"""One incident is one alert: counted while it lasts, told once, resolved once, and never lost with its channel."""

import email
import json
import pathlib
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.header import decode_header, make_header
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import OperationalError, connection, transaction
from django.http import Http404
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from audit import log
from audit.models import Event as AuditEvent
from documents import errors
from documents.alerts import catalog, incidents, outages, sending
from documents.alerts import channel as alert_channel
from documents.models import Alert
from documents.operations import runbooks
from documents.resilience import breaker, calls, dependencies
from tests import cast
from tests.documents import center
from tests.services import force, misbehaving

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(outages, "_unwritten", {})


@pytest.fixture
def channel(settings: Settings) -> Iterator[misbehaving.BadServer]:
    with misbehaving.BadServer() as server:
        settings.ALERT_URL = f"http://127.0.0.1:{server.port}/hook?key=abc"
        yield server


def open_one(*, key: str = "dependency:mail", severity: str = "P2", code: str = "dependency_mail") -> Alert:
    return incidents.open_alert(
        code=code, severity=severity, dedup_key=key, values={"error": "ConnectionRefusedError"}, object_id="mail"
    )


def events_of(alert: Alert) -> list[str]:
    return list(AuditEvent.objects.filter(object_id=alert.public_id).order_by("pk").values_list("action", flat=True))


@pytest.mark.django_db
def test_a_repeat_counts_the_open_alert_and_records_its_opening_once() -> None:
    first = open_one()
    again = [open_one() for _ in range(4)][-1]
    assert (again.pk, again.count, Alert.objects.count()) == (first.pk, 5, 1)
    assert events_of(first) == ["alert.opened"]


@pytest.mark.django_db
def test_an_alert_about_a_change_that_is_rolled_back_is_rolled_back_with_it() -> None:
    class RolledBack(Exception):
        pass

    def change() -> None:
        with transaction.atomic():
            open_one()
            raise RolledBack

    with pytest.raises(RolledBack):
        change()
    assert not Alert.objects.exists()


@pytest.mark.django_db
def test_severity_rises_and_never_falls_and_a_rise_is_on_record_and_told_again(channel: misbehaving.BadServer) -> None:
    alert = open_one()
    sending.deliver(now=timezone.now())
    assert open_one(severity="P1").sent_at is None
    sending.deliver(now=timezone.now())
    again = open_one(severity="P2")
    connection.check_constraints()  # as COMMIT does
    assert again.severity == "P1"
    assert again.sent_at is not None
    assert events_of(alert) == ["alert.opened", "alert.sent", "alert.escalated", "alert.sent"]


@pytest.mark.django_db
def test_an_alert_that_is_out_while_the_log_takes_nothing_is_not_sent_again_each_minute(
    channel: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_given: object) -> None:
        raise log.AuditUnavailable

    open_one()
    now = timezone.now()
    with monkeypatch.context() as broken:
        broken.setattr(log, "record", refused)
        assert [sending.deliver(now=now + timedelta(minutes=minute)) for minute in (0, 2, 10)] == [1, 0, 0]
    assert Alert.objects.get().sent_at is None
    assert sending.deliver(now=now + timedelta(minutes=61)) == 1
    assert Alert.objects.get().sent_at is not None


@pytest.mark.django_db
def test_resolving_ends_the_incident_once_and_the_next_failure_is_a_new_one() -> None:
    alert = open_one()
    assert incidents.resolve_alert(dedup_key="dependency:mail")
    assert not incidents.resolve_alert(dedup_key="dependency:mail")
    assert events_of(alert) == ["alert.opened", "alert.resolved"]
    assert open_one().pk != alert.pk


@pytest.mark.django_db
def test_only_the_first_person_takes_an_alert_and_the_log_names_him() -> None:
    alert = open_one()
    with force.by_force():
        sofia, ivan = (get_user_model().objects.create_user(username=name) for name in ("sofia", "ivan"))
    now = timezone.now()
    taken = [
        incidents.acknowledge(alert=alert, user=one, actor=log.Actor(kind="user", id=f"usr_{one.pk}"), now=now)
        for one in (sofia, ivan)
    ]
    alert.refresh_from_db()
    assert taken == [True, False]
    assert (alert.acknowledged_by, alert.acknowledged_at) == (sofia, now)
    assert events_of(alert) == ["alert.opened", "alert.acknowledged"]
    assert AuditEvent.objects.get(action="alert.acknowledged").actor_id == f"usr_{sofia.pk}"


@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_that_meet_one_outage_open_one_alert() -> None:
    def work() -> None:
        try:
            open_one()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alert = Alert.objects.get()
    assert alert.count == 16
    assert events_of(alert) == ["alert.opened"]


@pytest.mark.django_db
def test_the_channel_is_told_of_the_opening_once_and_of_the_resolution_once(channel: misbehaving.BadServer) -> None:
    alert = open_one()
    now = timezone.now()
    assert [sending.deliver(now=now) for _ in range(3)] == [1, 0, 0]
    incidents.resolve_alert(dedup_key="dependency:mail")
    assert [sending.deliver(now=now + timedelta(minutes=1)) for _ in range(3)] == [1, 0, 0]
    firing, resolved = (json.loads(body) for _path, body in channel.received)
    assert [one["status"] for one in (firing, resolved)] == ["firing", "resolved"]
    assert firing["version"] == "4"
    assert firing["groupKey"] == resolved["groupKey"] == "dependency:mail"
    told = firing["alerts"][0]
    assert told["labels"] == {
        "alertname": "dependency_mail",
        "severity": "P2",
        "service": "billing-docs",
        "object": "mail",
        "owner": "operations",
    }
    assert told["annotations"]["runbook_url"].endswith("/runbooks/mail/#dependency_mail")
    assert datetime.fromisoformat(told["startsAt"]) == alert.opened_at
    assert resolved["alerts"][0]["endsAt"] > told["startsAt"]
    assert channel.received[0][0] == "/hook?key=abc"


@pytest.mark.django_db
def test_a_mailbox_is_told_with_one_message_id_per_incident_and_state(settings: Settings) -> None:
    settings.ALERT_URL = "mailto:guardia%2Bdocs@aventide.example"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    alert = open_one()
    assert sending.deliver(now=timezone.now()) == 1
    # as after a crash between sending and noting it
    Alert.objects.filter(pk=alert.pk).update(sent_at=None, next_try_at=timezone.now())
    assert sending.deliver(now=timezone.now()) == 1
    first, second = (email.message_from_bytes(one.message().as_bytes()) for one in mail.outbox)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["To"] == "guardia+docs@aventide.example"
    subject = str(make_header(decode_header(first["Subject"])))
    assert subject.startswith("[billing-docs] P2 firing dependency_mail: ")
    assert f"{settings.PUBLIC_URL}/admin/documents/alert/{alert.public_id}/" in mail.outbox[0].body


@pytest.mark.django_db
def test_without_a_channel_alerts_wait_where_people_look(settings: Settings) -> None:
    settings.ALERT_URL = ""
    open_one()
    assert sending.deliver(now=timezone.now()) == 0
    assert Alert.objects.get().sent_at is None


@pytest.mark.django_db
def test_the_vaults_outage_becomes_p1_after_an_hour_and_is_told_again(channel: misbehaving.BadServer) -> None:
    open_one(key="dependency:vault", code="dependency_vault")
    now = timezone.now()
    assert sending.deliver(now=now + timedelta(minutes=1)) == 1
    assert sending.deliver(now=now + timedelta(minutes=59)) == 0
    assert sending.deliver(now=now + timedelta(minutes=62)) == 1
    assert [json.loads(body)["commonLabels"]["severity"] for _path, body in channel.received] == ["P2", "P1"]


@pytest.mark.django_db
def test_an_alert_that_is_over_before_anybody_was_to_be_told_is_told_to_nobody(channel: misbehaving.BadServer) -> None:
    open_one()
    incidents.resolve_alert(dedup_key="dependency:mail")
    incidents.open_alert(code="document_stuck", dedup_key="quiet", quiet_s=900)
    now = timezone.now()
    assert [sending.deliver(now=now + timedelta(minutes=minute)) for minute in (0, 1, 14)] == [0, 0, 0]
    incidents.resolve_alert(dedup_key="quiet")
    assert sending.deliver(now=now + timedelta(minutes=16)) == 0
    assert channel.received == []


@pytest.mark.django_db
def test_an_alert_that_stays_quiet_for_a_while_calls_people_after_it(channel: misbehaving.BadServer) -> None:
    incidents.open_alert(code="document_stuck", dedup_key="quiet", quiet_s=900)
    now = timezone.now()
    assert sending.unsent(before=now + timedelta(minutes=14)).count() == 0
    assert [sending.deliver(now=now + timedelta(minutes=minute)) for minute in (1, 14, 16)] == [0, 0, 1]


@pytest.mark.django_db
def test_what_was_over_before_the_channel_took_anything_is_told_from_its_beginning(
    channel: misbehaving.BadServer,
) -> None:
    well = channel.behave
    channel.behave = channel.answering(misbehaving.http(status=404))
    open_one()
    now = timezone.now()
    assert sending.deliver(now=now) == 0
    incidents.resolve_alert(dedup_key="dependency:mail")
    channel.behave, channel.received = well, []
    assert [sending.deliver(now=now + timedelta(minutes=minute)) for minute in (2, 3)] == [2, 0]
    told = [json.loads(body)["status"] for _path, body in channel.received if body]  # it is asked without a word before
    assert told == ["firing", "resolved"]


@pytest.mark.django_db
def test_a_resolution_that_comes_while_the_opening_is_being_sent_is_told_too(
    channel: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one()
    real = alert_channel.send

    def send(**arguments: Any) -> None:
        real(**arguments)
        incidents.resolve_alert(dedup_key="dependency:mail")

    monkeypatch.setattr(alert_channel, "send", send)
    now = timezone.now()
    for minute in range(3):
        sending.deliver(now=now + timedelta(minutes=minute))
    assert [json.loads(body)["status"] for _path, body in channel.received] == ["firing", "resolved"]


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_tell_each_alert_once(channel: misbehaving.BadServer) -> None:
    for number in range(10):
        open_one(key=f"dependency:{number}")
    now = timezone.now()

    def work() -> None:
        try:
            sending.deliver(now=now)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [json.loads(body)["groupKey"] for _path, body in channel.received]
    assert sorted(keys) == sorted(f"dependency:{number}" for number in range(10))


@pytest.mark.django_db
def test_postgresqls_own_outage_is_told_at_once_and_written_when_it_is_back(
    channel: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = incidents.write

    def away(**_arguments: object) -> Alert:
        raise OperationalError("connection refused")

    monkeypatch.setattr(incidents, "write", away)
    for _ in range(5):
        calls.note_failure(dependency="postgresql", cause=OperationalError("connection refused"))
    channel.wait_for(count=1)
    monkeypatch.setattr(incidents, "write", real)
    assert outages.write_unwritten() == 1
    alert = Alert.objects.get(dedup_key="dependency:postgresql")
    assert (alert.severity, alert.code) == ("P1", "dependency_postgresql")
    assert alert.sent_at is not None
    assert sending.deliver(now=timezone.now()) == 0  # it was told already
    incidents.resolve_alert(dedup_key="dependency:postgresql")
    sending.deliver(now=timezone.now())
    assert [json.loads(body)["status"] for _path, body in channel.received] == ["firing", "resolved"]


def test_every_alert_code_in_the_code_leads_to_an_anchor_that_exists() -> None:
    literal = re.compile(r'open_alert\((?:[^()]|\([^()]*\))*?code="([a-z0-9_]+)"', re.DOTALL)
    used = {code for code, row in errors.CODES.items() if row.severity} | set(catalog.ALERTS)
    used |= {f"dependency_{name}" for name in dependencies.DEPENDENCIES}
    for folder in ("audit", "config", "documents", "payouts"):
        for path in (ROOT / folder).rglob("*.py"):
            used.update(literal.findall(path.read_text(encoding="utf-8")))
    broken = []
    for code in sorted(used):
        page, _, anchor = catalog.runbook(code=code).partition("#")
        if anchor not in runbooks.anchors(page=pathlib.Path(page).stem):
            broken.append(code)
    assert not broken


def test_every_link_inside_the_runbooks_resolves() -> None:
    for name, text in runbooks.pages().items():
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert (runbooks.FOLDER / target).exists(), (name, target)
        for target in re.findall(r"`((?:ops|docs)/[^`]+)`", text):
            assert (ROOT / target).exists(), (name, target)


def test_a_runbook_page_shows_its_anchors_and_an_unknown_one_is_not_found() -> None:
    request = RequestFactory().get("/runbooks/worm/")
    page = runbooks.runbook(request, "worm").content.decode()
    assert '<h2 id="worm_checksum_mismatch">' in page
    with pytest.raises(Http404):
        runbooks.runbook(request, "../../config/env")


@pytest.mark.django_db
def test_the_document_center_leads_to_the_same_runbook_as_the_alert_that_was_sent() -> None:
    cast.country(code="ES")
    browser = center.client(member=center.everywhere(roles=["finance"]))
    alert = open_one(code="worm_checksum_mismatch")
    message = alert_channel.AlertMessage.of(incident=alert, runbook=alert.runbook, opened_at=alert.opened_at)
    [sent] = json.loads(json.dumps(message.as_webhook()))["alerts"]
    page, _, anchor = sent["annotations"]["runbook_url"].removeprefix("http://127.0.0.1:8000").partition("#")
    assert page == reverse("runbook", args=["worm"])
    for place in ("", f"{alert.public_id}/"):
        text = browser.get(f"{center.ADMIN}documents/alert/{place}").content.decode()
        assert f'href="{page}#{anchor}"' in text
    shown = browser.get(page)
    assert shown.status_code == 200
    assert f'id="{anchor}"' in shown.content.decode()


def test_every_runbook_has_an_address_of_its_own() -> None:
    for name in runbooks.pages():
        path = alert_channel.runbook_path(runbook=f"{catalog.RUNBOOKS}/{name}.md")
        assert path == reverse("runbook", args=[name])
