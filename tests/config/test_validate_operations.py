"""The drills hold on a running system, and each of them fails where what it shows is taken away."""

import contextlib
import dataclasses
import datetime as dt
import pathlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import transaction
from django.http import JsonResponse
from django.test import override_settings
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from audit import log
from config import env
from config.drills import drills, fallbacks, leftovers, letters, receipts
from config.embedded import copies, services
from config.management.commands import validate_operations
from config.simulation import sender
from documents import errors
from documents.access import problems
from documents.admin import dashboard
from documents.alerts import channel, discrepancies, incidents, sending
from documents.custody import log_archive
from documents.delivery import deliveries, outbox
from documents.emission import custody, locking, printing
from documents.models import Alert, Discrepancy, ProbeExtent
from documents.operations import ledger_gauges
from documents.resilience import clock, dependencies, leases
from documents.vault import probes, store
from tests.services import database
from tests.services.live import Live, running

MONTH = "## Operational validation "


@pytest.fixture(scope="module")
def system(stack: services.Stack, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Live]:
    """Run the product, with a channel for its alerts; what is asked in this process asks the same."""
    variables = {"ALERT_URL": "mailto:alerts@example.com"}
    with (
        running(stack=stack, blocker=django_db_blocker, variables=variables) as live,
        override_settings(PUBLIC_URL=live.url, VAULT_URL=live.vault_url, **variables),
        django_db_blocker.unblock(),
    ):
        copies.rehearse(stack=stack)
        call_command("record_backup")
        call_command("record_backup", "--restored")
        yield live
        database.connections.close_all()


def made(*only: str, output: pathlib.Path) -> int:
    """Make drills and return the exit code."""
    try:
        call_command("validate_operations", output=output, only=list(only))
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_all_drills_hold_and_two_runs_are_two_entries_of_which_the_first_stays_as_it_was(
    system: Live, tmp_path: pathlib.Path
) -> None:
    record = tmp_path / "record.md"
    record.write_text("# Changes\n", encoding="utf-8")
    first_checkpoint()
    assert made(output=record) == 0
    once = record.read_bytes()
    assert made(output=record) == 0
    twice = record.read_bytes()
    assert (once.startswith(b"# Changes\n"), twice.startswith(once)) == (True, True)
    text = twice.decode()
    assert (text.count(MONTH), text.count("| holds |"), "| failed |" in text) == (2, 2 * len(drills.DRILLS), False)
    for said in (
        "Owner: `Equipo billing-docs`",
        "Ticket: `OPS-BILLINGDOCS-241`",
        f"{len(drills.DRILLS)} of {len(drills.DRILLS)} drills hold",
        ", PostgreSQL ",
    ):
        assert text.count(said) == 2
    numbers = system.rows("SELECT number FROM documents_document ORDER BY id")
    assert [row["number"] for row in numbers] == [f"DRILL-PR-2026-{number:07d}" for number in range(1, 17)]
    assert system.rows("SELECT 1 FROM documents_document WHERE status <> 'LOCKED'") == []
    assert system.rows("SELECT 1 FROM documents_delivery WHERE status NOT IN ('NOT_WANTED')") == []
    assert system.rows("SELECT 1 FROM documents_circuit WHERE state <> 'closed' OR failures > 0") == []
    mails = [path.read_text(encoding="utf-8") for path in (system.folder / "mail").glob("*.eml")]
    assert [mail for mail in mails if "alerts@example.com" not in mail] == []
    assert mails
    # A folder that an ordinary user cannot lock has an alert of its own, which is none of a drill's.
    left = system.rows("SELECT code FROM documents_alert WHERE resolved_at IS NULL AND code <> 'vault_read_only'")
    assert left == []
    assert system.rows("SELECT code FROM documents_discrepancy WHERE resolved_at IS NULL") == []
    last = system.rows("SELECT outcome, code FROM audit_event WHERE action = 'operations.validated' ORDER BY id DESC")
    assert (last[0]["outcome"], last[0]["code"]) == ("ok", "")


def first_checkpoint() -> None:
    """Let a checkpoint lie in the vault, as an hour after the start at the latest."""
    until = time.monotonic() + 30
    while not list(log_archive.checkpoints()) and time.monotonic() < until:
        log_archive.go_on(now=timezone.now())
        time.sleep(0.2)


Plant = Callable[[pytest.MonkeyPatch, Live], contextlib.AbstractContextManager[object]]


def _another_answer(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    """Let the repeat be answered as if something else had been made."""
    post, seen = sender.post, set[str]()

    def other(**given: Any) -> sender.PostedEvent:
        answer = post(**given)
        again = answer.event_id in seen
        seen.add(answer.event_id)
        return dataclasses.replace(answer, body={**answer.body, "documents": []}) if again else answer

    patch.setattr(sender, "post", other)
    return contextlib.nullcontext()


def _rewritten(patch: pytest.MonkeyPatch, system: Live) -> contextlib.AbstractContextManager[object]:
    """Let the repeat change what was issued."""
    post = sender.post

    def rewriting(**given: Any) -> sender.PostedEvent:
        answer = post(**given)
        if answer.event_id.startswith("evt_other"):
            by_force(system, "UPDATE documents_document SET content_sha256 = repeat('0', 64)")
        return answer

    patch.setattr(sender, "post", rewriting)
    return contextlib.nullcontext()


@contextlib.contextmanager
def _no_worker(patch: pytest.MonkeyPatch, system: Live) -> Iterator[None]:
    """Let nobody lock anything."""
    patch.setattr(receipts, "LOCKED_WITHIN_S", 1.0)
    by_force(system, "ALTER TABLE documents_document RENAME COLUMN locked_at TO locked_at_away")
    try:
        yield
    finally:
        by_force(system, "ALTER TABLE documents_document RENAME COLUMN locked_at_away TO locked_at")


@contextlib.contextmanager
def _weak_vault(patch: pytest.MonkeyPatch, _system: Live) -> Iterator[None]:
    def weak() -> None:
        raise errors.WormError(code="worm_lock_missing", values={"attempt": "delete"})

    with patch.context() as while_weak:
        while_weak.setattr(store, "probe_again", weak)
        yield
    assert probes.record(extent=ProbeExtent.DAILY, actor=log.SYSTEM).passed  # nothing is locked before it holds again


@contextlib.contextmanager
def _rewritten_log(_patch: pytest.MonkeyPatch, system: Live) -> Iterator[None]:
    """Let an owner rewrite who did the first thing on record."""
    first_checkpoint()
    change = "UPDATE audit_event SET actor_id = %s WHERE id = (SELECT min(id) FROM audit_event)"
    (who,) = system.rows("SELECT actor_id FROM audit_event ORDER BY id LIMIT 1")
    by_force(system, change, "somebody")
    try:
        yield
    finally:
        by_force(system, change, who["actor_id"])


@contextlib.contextmanager
def _guard_off(_patch: pytest.MonkeyPatch, system: Live) -> Iterator[None]:
    """Let an owner switch a trigger of the log off."""
    with psycopg.connect(system.stack.superuser_url, autocommit=True) as server:
        server.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_rows_stay")
        try:
            yield
        finally:
            server.execute("ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_rows_stay")


def _denials_lost(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(log, "deny", lambda **_given: None)
    return contextlib.nullcontext()


def _no_redis(_patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    return override_settings(REDIS_URL="redis://127.0.0.1:1/0")


def _no_channel(patch: pytest.MonkeyPatch, system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(receipts, "SENT_WITHIN_S", 1.0)
    opened = incidents.open_alert

    def later(**given: Any) -> object:
        alert = opened(**given)
        type(alert).objects.filter(pk=alert.pk).update(next_try_at=timezone.now() + dt.timedelta(hours=1))
        return alert

    patch.setattr(incidents, "open_alert", later)
    return contextlib.nullcontext()


def _wrong_clock(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(clock, "clock_skew_s", lambda: 7.0)
    return contextlib.nullcontext()


def _never_again(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    """Let what could not be locked once never be tried again."""
    release = leases.release

    def for_good(*, lease: leases.Lease, next_try_at: dt.datetime | None, **columns: Any) -> bool:
        never = str(columns.get("cause", "")).startswith("worm_")
        return release(lease=lease, next_try_at=None if never else next_try_at, **columns)

    patch.setattr(leases, "release", for_good)
    return contextlib.nullcontext()


def _emission_stops(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    def refuse(**_given: object) -> object:
        raise errors.WormError(code="worm_unavailable", values={"cause": "system"})

    patch.setattr(custody, "lock", refuse)
    return contextlib.nullcontext()


def _mail_bounces(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(outbox, "PATIENCE", dict.fromkeys(outbox.PATIENCE, dt.timedelta(0)))
    return contextlib.nullcontext()


def _nobody_looks(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(receipts, "LOCKED_WITHIN_S", 0.5)  # sooner than anybody looks
    return contextlib.nullcontext()


def _accepted_unsaved(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(problems, "respond", lambda **_given: JsonResponse({"status": "processed"}))
    return contextlib.nullcontext()


def _rests_for_good(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(locking, "TRIES_MAX", 1)
    patch.setattr(printing, "fails", lambda: False)
    return contextlib.nullcontext()


def _any_clock(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(clock, "note", lambda **_skew: None)
    return contextlib.nullcontext()


def _taken_for_sent(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(channel, "send", lambda **_given: None)
    return contextlib.nullcontext()


def _nothing_leaves(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    patch.setattr(sending, "send_next", lambda **_given: None)
    return contextlib.nullcontext()


@contextlib.contextmanager
def _old_backup(_patch: pytest.MonkeyPatch, system: Live) -> Iterator[None]:
    by_force(system, "UPDATE audit_event SET at = at - interval '27 hours' WHERE action = 'backup.taken'")
    try:
        yield
    finally:
        by_force(system, "UPDATE audit_event SET at = at + interval '27 hours' WHERE action = 'backup.taken'")


@contextlib.contextmanager
def _never_restored(_patch: pytest.MonkeyPatch, system: Live) -> Iterator[None]:
    by_force(system, "UPDATE audit_event SET object_id = 'none' WHERE action = 'backup.restored'")
    try:
        yield
    finally:
        by_force(system, "UPDATE audit_event SET object_id = 'backups' WHERE action = 'backup.restored'")


FAULTS: dict[str, Plant] = {
    "idempotent_replay": _another_answer,
    "divergent_repeat": _rewritten,
    "worm_lock": _no_worker,
    "worm_attacks": _weak_vault,
    "audit_verification": _rewritten_log,
    "audit_guards": _guard_off,
    "denial_audit": _denials_lost,
    "dependencies": _no_redis,
    "alert_channel": _no_channel,
    "without_vault": _never_again,
    "without_vault_former": _emission_stops,
    "without_vault_canary": _emission_stops,
    "without_mail": _mail_bounces,
    "without_redis": _nobody_looks,
    "without_postgresql": _accepted_unsaved,
    "without_renderer": _rests_for_good,
    "without_clock": _any_clock,
    "without_alert_channel": _taken_for_sent,
    "without_alert_channel_2": _nothing_leaves,
    "backup_age": _old_backup,
    "restore_age": _never_restored,
    "clock": _wrong_clock,
}


def _answered(patch: pytest.MonkeyPatch, **other: object) -> None:
    """Let every answer of the service say something else."""
    post = sender.post
    patch.setattr(sender, "post", lambda **given: _said_otherwise(answer=post(**given), other=other))


def _said_otherwise(*, answer: sender.PostedEvent, other: dict[str, object]) -> sender.PostedEvent:
    return dataclasses.replace(answer, body={**answer.body, **other})


def _another_document(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    """Let every answer, the first one too, name a document that is none of this payment."""
    _answered(patch, documents=[{"id": "doc_other", "number": "DRILL-PR-2026-0000001"}])
    return contextlib.nullcontext()


def _denied_unseen(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    """Let the service refuse a request of which nothing is on record."""
    _answered(patch, request_id="req_unknown")
    return contextlib.nullcontext()


def _unlocked(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    """Let what lies in the vault be read without its lock, whatever the row says."""

    def bare(**_given: object) -> object:
        raise errors.WormError(code="worm_lock_missing", values={"cause": "system"})

    patch.setattr(store, "verify", bare)
    return contextlib.nullcontext()


def _never_over(patch: pytest.MonkeyPatch, _system: Live) -> contextlib.AbstractContextManager[object]:
    """Let nobody be told of an alert's end."""
    patch.setattr(receipts, "SENT_WITHIN_S", 8.0)
    resolve = incidents.resolve_alert

    def unsent(**given: Any) -> bool:
        with transaction.atomic():
            done = resolve(**given)
            Alert.objects.filter(dedup_key=given["dedup_key"]).update(next_try_at=None)
        return done

    patch.setattr(incidents, "resolve_alert", unsent)
    return contextlib.nullcontext()


# More ways in which the same may be broken.
MORE_FAULTS: tuple[tuple[str, Plant], ...] = (
    ("idempotent_replay", _another_document),
    ("divergent_repeat", _another_document),
    ("denial_audit", _denied_unseen),
    ("worm_lock", _unlocked),
    ("alert_channel", _never_over),
)


def by_force(system: Live, statement: str, *values: object) -> None:
    """Do what only a superuser can, who switches every trigger off."""
    with psycopg.connect(system.stack.superuser_url, autocommit=True) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        server.execute(statement, values or None)
        for trigger in ("audit_event_rows_stay", "audit_event_stays"):
            server.execute(f"ALTER TABLE audit_event ENABLE ALWAYS TRIGGER {trigger}")


def test_each_drill_has_its_fault() -> None:
    assert list(FAULTS) == [drill.name for drill in drills.DRILLS]


def test_each_dependency_has_a_drill_of_what_is_done_without_it() -> None:
    names = [drill.name.removeprefix("without_") for drill in fallbacks.DRILLS]
    assert sorted(names) == sorted(dependencies.DEPENDENCIES)


def test_a_backup_is_too_old_for_a_drill_when_it_is_for_the_alert() -> None:
    rules = (env.BASE_DIR / "ops" / "alerts.yml").read_text(encoding="utf-8")
    limits = dict(re.findall(r'docs_backup_age_s\{what="(\w+)"\}\) > (\d+)', rules))
    assert {what: float(limit) for what, limit in limits.items()} == ledger_gauges.AGES_MAX_S


@pytest.mark.parametrize(("name", "plant"), [*FAULTS.items(), *MORE_FAULTS])
def test_a_drill_fails_under_its_own_fault_and_the_others_are_made(
    system: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, name: str, plant: Plant
) -> None:
    record, other = tmp_path / "record.md", "clock" if name != "clock" else "denial_audit"
    with monkeypatch.context() as patch, plant(patch, system):
        assert made(name, other, output=record) == validate_operations.FAILED
    text = record.read_text(encoding="utf-8")
    assert f"| {name} |" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    outcome = {row.split(" | ")[0].strip("| "): row.split(" | ")[2] for row in rows}
    assert (outcome[name], outcome[other]) == ("failed", "holds")


def test_a_part_of_the_drills_says_so_and_is_not_shown_as_the_last_validation(
    system: Live, tmp_path: pathlib.Path
) -> None:
    before = dashboard.last_validation(now=timezone.now())
    assert made("clock", output=tmp_path / "record.md") == 0
    written = (tmp_path / "record.md").read_text(encoding="utf-8")
    assert f"1 of 1 drills hold; {len(drills.DRILLS) - 1} were not made" in written
    assert system.rows("SELECT 1 FROM audit_event WHERE object_id = 'operations_part'")
    assert (dashboard.last_validation(now=timezone.now()) is None) == (before is None)


def test_what_a_killed_run_has_left_open_is_closed_by_the_next_one(
    system: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    lefts = []
    for run in ("old", "new"):
        with transaction.atomic():
            lefts.append(incidents.open_alert(code=leftovers.ALERT, dedup_key=f"{leftovers.ALERT}:{run}"))
    with monkeypatch.context() as patch:
        patch.setattr(discrepancies, "resolve", lambda **_given: False)
        made("divergent_repeat", output=tmp_path / "record.md")
    opened = Discrepancy.objects.filter(code="divergent_repeat", resolved_at=None)
    assert opened.count() == 1
    aged = "UPDATE documents_{} SET opened_at = opened_at - interval '6 minutes' WHERE id = %s"
    by_force(system, aged.format("alert"), lefts[0].pk)
    by_force(system, aged.format("discrepancy"), opened.get().pk)
    assert made("clock", output=tmp_path / "record.md") == 0
    left = Alert.objects.filter(code=leftovers.ALERT, resolved_at=None)
    assert ([alert.pk for alert in left], opened.count()) == ([lefts[1].pk], 0)  # another run may still look at it
    incidents.resolve_alert(dedup_key=lefts[1].dedup_key)


def test_a_mail_of_a_killed_run_is_sent_by_nobody_and_withdrawn_by_the_next_run(
    system: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "send_next", _killed)
        patch.setattr(letters, "withdraw", lambda **_given: None)
        made("without_mail", output=tmp_path / "record.md")
    now = timezone.now()
    left = letters.left(before=now)
    assert (left.count(), deliveries.due(now=now + dt.timedelta(days=1)).filter(pk__in=left).exists()) == (1, False)
    by_force(
        system, "UPDATE documents_delivery SET queued_at = queued_at - interval '6 minutes' WHERE status = 'QUEUED'"
    )
    assert made("clock", output=tmp_path / "record.md") == 0
    assert not left.exists()


def _killed(**_given: object) -> object:
    raise RuntimeError("as if it had been killed")


def test_what_an_alert_says_of_its_sending_is_not_ahead_of_the_time(system: Live, tmp_path: pathlib.Path) -> None:
    assert made("without_alert_channel", "without_alert_channel_2", output=tmp_path / "record.md") == 0
    assert system.rows("SELECT 1 FROM documents_alert WHERE sent_at > now() + interval '5 s'") == []
