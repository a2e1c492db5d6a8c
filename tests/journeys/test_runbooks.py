"""Ten alerts, each provoked and then ended by what its runbook says: the commands and buttons are read from the page."""

import dataclasses
import datetime as dt
import io
import json
import pathlib
import re
import shlex
import subprocess
from collections.abc import Iterator

import psycopg
import pytest
from django.core.cache import cache
from django.core.management import call_command, get_commands
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from audit import inspection, log
from config import env
from config.embedded import services
from documents import errors
from documents.access import attempts
from documents.alerts import channel as channel_words
from documents.alerts import incidents, sending
from documents.custody import quarantine
from documents.emission import valve
from documents.events import backlog, intake, waiting
from documents.models import Alert, Document, Event, Issuer, Series
from documents.operations import numbers, runbooks, watch
from documents.resilience import breaker, calls, dependencies
from tests import factories
from tests.documents import center
from tests.payouts import making, telling
from tests.services import force, misbehaving

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "denials", "owner"])
REASON = "Se hizo lo que dice la guía, paso a paso."
TYPED = re.compile(r'`make manage ARGS=(?:"([^"]+)"|([\w-]+))`')
FILLED = {"Was changed since the last provisioning"}  # what an alert says, where the source has a placeholder
BUTTON = re.compile(r'"([A-ZÁÉÍÓÚ][a-záéíóúñ]+(?: [a-záéíóúñ]+)+)"')


@pytest.fixture(autouse=True)
def _fresh(committed_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    fresh = {name: breaker.Breaker(row=row) for name, row in dependencies.DEPENDENCIES.items()}
    monkeypatch.setattr(calls, "BREAKERS", fresh)
    monkeypatch.setattr(numbers, "_counted", {})
    monkeypatch.setattr(numbers, "_last", {})


def page_of(alert: Alert) -> str:
    """Return the whole page that the alert's link opens, once its heading is there."""
    page, _, anchor = alert.runbook.partition("#")
    assert anchor in runbooks.anchors(page=pathlib.Path(page).stem)
    return (env.BASE_DIR / page).read_text(encoding="utf-8")


def run(alert: Alert, name: str, **filled: str) -> str:
    """Carry out a command as the alert's runbook has it, with its placeholders filled in."""
    typed = [first or second for first, second in TYPED.findall(page_of(alert))]
    command = next(text for text in typed if text.split()[0] == name)
    for placeholder, value in filled.items():
        assert placeholder in command, command
        command = command.replace(placeholder, value)
    out = io.StringIO()
    call_command(*shlex.split(command.replace("'...'", f"'{REASON}'")), stdout=out)
    return out.getvalue()


def opened(code: str) -> Alert:
    return Alert.objects.get(code=code, resolved_at=None)


def ends(alert: Alert) -> bool:
    alert.refresh_from_db()
    return alert.resolved_at is not None


def resume() -> None:
    """Run what is due again, as the worker does."""
    for event_id in waiting.due(now=timezone.now(), limit=10):
        intake.resume(event_id=event_id, now=timezone.now())


def the_series(count: int) -> Series:
    for _ in range(count):
        made = factories.document()
    return Series.objects.get(pk=made.series_id)


def test_a_document_in_quarantine_is_released_by_the_command_of_its_runbook() -> None:
    document = factories.document()
    quarantine.withhold(document=document, code="worm_checksum_mismatch", actor=log.SYSTEM, now=factories.NOW)
    center.staff(roles=["compliance"], countries=["ES"], name="carmen")
    alert = Alert.objects.get(object_id=document.public_id)
    assert "released" in run(alert, "release_document", NUMBER=document.number, LOGIN="carmen")
    assert ends(alert)


def test_a_series_that_was_set_back_is_moved_on_by_the_command_of_its_runbook() -> None:
    series = the_series(3)
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(next=F("next") - 2)
    numbers.look()
    alert = opened("number_duplicate")
    run(alert, "move_series", CODE=series.code, N="4")
    numbers.look()
    assert ends(alert)


def test_a_range_that_runs_low_is_made_longer_as_the_owner_as_its_runbook_says(stack: services.Stack) -> None:
    series = the_series(8)
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(last=8)
    numbers.look()
    alert = opened("series_range_low")
    column, table = re.findall(r"raise `(\w+)` of the series in the table `(\w+)` as the owner role", page_of(alert))[
        0
    ] or ("", "")
    with psycopg.connect(stack.database_owner_url, autocommit=True) as owner:
        owner.execute(f"UPDATE {table} SET {column} = 1000 WHERE code = %s", [series.code])
    numbers.look()
    assert ends(alert)


def test_an_issuer_that_was_paused_goes_on_by_the_button_of_its_runbook() -> None:
    telling.issuers()
    issuer = Issuer.objects.get(slug="aventide-es")
    valve.limit(issuer=issuer, minute_max=1, day_max=None, reason="prueba de la válvula", actor=telling.ACTOR)
    for number in range(3):
        telling.tell(making.order(f"ord_{number}"))
    alert = opened("issuing_paused")
    assert "Reanudar la emisión" in BUTTON.findall(page_of(alert))
    run(alert, "limit_issuing", SLUG=issuer.slug, **{"--minute N": "--minute 600", "--day N": "--day 10000"})
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="fina"))
    place = f"{center.ADMIN}documents/issuer/{issuer.pk}/resume/"
    assert "Reanudar la emisión" in browser.get(place).content.decode()
    assert browser.post(place, {"reason": REASON}).status_code == 302
    while backlog.issue(issuer_id=issuer.pk, now=telling.NOW):
        pass
    assert Document.objects.count() == 3
    assert ends(alert)


def test_an_event_that_nothing_will_supersede_is_closed_by_the_button_of_its_runbook() -> None:
    telling.issuers()
    held = making.order("ord_1")
    held["data"]["totals"] = {"payable": "0.01"}
    assert telling.tell(held).body["status"] == "held"
    event, alert = Event.objects.get(), opened("event_held")
    page = (env.BASE_DIR / "docs" / "runbooks" / "events.md").read_text(encoding="utf-8")
    assert {"Cerrar sin emitir", "Volver a intentar", "Por conciliar"} <= set(BUTTON.findall(page))
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="fina"))
    home = f"{center.ADMIN}payouts/conciliar/"
    shown = browser.get(home).content.decode()
    assert "Cerrar sin emitir" in shown
    assert "Volver a intentar" in shown
    assert browser.post(f"{home}event/{event.public_id}/dismiss/", {"reason": REASON}).status_code == 302
    assert ends(alert)


def test_an_unknown_issuer_is_added_by_the_command_of_its_runbook_and_its_event_is_issued(
    tmp_path: pathlib.Path,
) -> None:
    telling.issuers()
    event = {**making.order("ord_1"), "issuer": "aventide-nueva"}
    assert telling.tell(event).body["code"] == "issuer_unknown"
    alert, file = opened("event_held"), tmp_path / "issuers.json"
    assert "aventide-nueva" in channel_words.sentence(alert=alert, language="es")
    samples = json.loads((env.BASE_DIR / "config" / "samples" / "issuers.json").read_text(encoding="utf-8"))
    file.write_text(json.dumps({**samples[0], "slug": "aventide-nueva", "code": "NUE"}), encoding="utf-8")
    assert "added" in run(alert, "add_issuer", FILE=str(file))
    resume()
    assert Document.objects.get().issuer.slug == "aventide-nueva"
    assert ends(alert)


def test_a_range_that_is_used_up_is_followed_by_another_series_as_its_runbook_says() -> None:
    telling.issuers()
    now = timezone.now()
    telling.tell(making.order("ord_1"), now=now)
    series = Series.objects.get(kind="ORDER_FINAL_STATEMENT", year=now.year)
    with force.by_force():
        Series.objects.filter(pk=series.pk).update(last=F("next") - 1)
    assert telling.tell(making.order("ord_2"), now=now).body["code"] == "series_exhausted"
    numbers.look()
    held, low = opened("event_held"), opened("series_range_low")
    assert (held.severity, "`open_series`" in page_of(low)) == ("P1", True)
    typed = {"SLUG KIND": f"{series.issuer.slug} OFS", "--first N --last N": "--first 1 --last 900"}
    run(low, "open_series", **typed, DAY=f"{now:%Y-%m-%d}")
    resume()
    numbers.look()
    assert (ends(held), ends(low)) == (True, True)
    assert Document.objects.get(subject="order:ord_2").series != series


def test_a_guard_of_the_log_that_was_switched_off_is_mended_by_the_commands_of_its_runbook(
    stack: services.Stack,
) -> None:
    with psycopg.connect(stack.superuser_url, autocommit=True) as server:
        server.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_stays")
        watch._warn_of_weak_log(weak=inspection.weaknesses())
        alert = opened("audit_broken")
        (statement,) = re.findall(r"`(ALTER TABLE \.\.\. ENABLE ALWAYS TRIGGER \.\.\.)`", page_of(alert))
        server.execute(statement.replace("...", "audit_event", 1).replace("...", "audit_event_stays"))
    run(alert, "provision")
    watch._warn_of_weak_log(weak=inspection.weaknesses())
    assert not Alert.objects.filter(code="audit_broken", resolved_at=None).exists()


def test_tries_to_sign_in_are_resolved_on_the_alerts_page_with_a_reason_as_its_runbook_says() -> None:
    browser = center.client(member=center.staff(roles=["compliance"], countries=["ES"]))
    request = browser.get("/healthz").wsgi_request
    for _ in range(attempts.LOGIN_MAX):
        attempts.take(request=request, login="ana")
    with pytest.raises(errors.Problem):
        attempts.take(request=request, login="ana")
    alert = opened("sign_in_attempts")
    assert "a person does, with a reason, on the alert's page" in page_of(alert)
    page = f"{center.ADMIN}documents/alert/{alert.public_id}/"
    browser.post(f"{page}acknowledge/")
    assert browser.post(f"{page}resolve/", {"reason": REASON}).status_code == 302
    assert ends(alert)


@pytest.fixture
def channel() -> Iterator[misbehaving.BadServer]:
    with misbehaving.BadServer() as server:
        yield server


def test_a_channel_that_was_away_is_tried_by_hand_with_the_command_of_its_runbook(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, channel: misbehaving.BadServer
) -> None:
    row = dependencies.DEPENDENCIES["alert_channel"]
    monkeypatch.setattr(calls.BREAKERS["alert_channel"], "row", dataclasses.replace(row, steady_s=0.0))
    monkeypatch.setattr(dependencies, "backoff_s", lambda **_row: 0.0)
    now = timezone.now()
    with misbehaving.nobody_listens() as port:
        settings.ALERT_URL = f"http://127.0.0.1:{port}/alerts"
        for number in range(dependencies.DEPENDENCIES["alert_channel"].breaker_failures):
            incidents.open_alert(code="operations_drill", dedup_key=f"operations_drill:{number}", values={"run": "1"})
            sending.deliver(now=now + dt.timedelta(hours=2 * number))
    alert = opened("dependency_alert_channel")
    settings.ALERT_URL = f"http://127.0.0.1:{channel.port}/alerts"
    (command,) = re.findall(r"`(curl [^`]+)`", page_of(alert))
    ran = subprocess.run(
        ["/bin/sh", "-c", command], env={**env.inherited(), "ALERT_URL": settings.ALERT_URL}, check=False, timeout=30
    )
    assert (ran.returncode, channel.received[0]) == (0, ("/alerts", b"{}"))
    calls.BREAKERS["alert_channel"].opened_at -= 3600
    sending.deliver(now=now + dt.timedelta(days=2))
    sending.deliver(now=now + dt.timedelta(days=3))
    assert ends(alert)


def test_every_command_and_button_that_a_runbook_names_exists() -> None:
    known = get_commands()
    sources = [
        path.read_text(encoding="utf-8").casefold()
        for folder in ("audit", "documents", "payouts", "templates", "docs")
        for path in (env.BASE_DIR / folder).rglob("*")
        if path.suffix in {".py", ".html"} or path.name == "contributing.md"  # a heading there is no button
    ]
    missing = []
    for name, text in runbooks.pages().items():
        for first, second in TYPED.findall(text):
            command = (first or second).split()[0]
            if command not in known:
                missing.append((name, command))
        missing += [
            (name, label)
            for label in set(BUTTON.findall(text)) - FILLED
            if not any(label.casefold() in source for source in sources)
        ]
    assert missing == []
