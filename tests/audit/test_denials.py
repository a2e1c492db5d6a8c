"""Refusals: on record whatever happens, and never more of them than the log and the connections can bear."""

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any

import psutil
import psycopg
import pytest
from django.conf import settings
from django.db import DataError, Error, connection, connections, transaction
from django.db.models import QuerySet, Sum

from audit import denials, entries, flood, log
from audit.actions import Action
from audit.models import Event, EventDetail
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db")
TOKEN = "et33vzhOLhvRazvczc1KlpWjgLFKw11N3dfJC8tKlWk"  # the shape of a link's token, 32 random bytes
STRANGER = log.Actor(kind="anonymous", id="", channel="api", address="203.0.113.9", agent="curl/8")


def deny(*, actor: log.Actor = STRANGER, object_id: str = "doc_1", **more: Any) -> None:
    log.deny(actor=actor, object_type="document", object_id=object_id, code="not_yours", **more)


def strangers(count: int) -> Iterator[log.Actor]:
    return (dataclasses.replace(STRANGER, address=f"2001:db8::{number:x}") for number in range(count))


def written() -> QuerySet[Event]:
    """Return what stands in the log besides the vault's first probe, with which every database begins."""
    return Event.objects.exclude(action=Action.VAULT_PROBED)


def counted() -> int:
    total: int | None = written().aggregate(total=Sum("count"))["total"]
    return total or 0


@pytest.fixture
def throttle(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Another throttle than the product's, for its limits to be met sooner."""

    def use(**limits: Any) -> None:
        monkeypatch.setattr(denials, "throttle", flood.Throttle(**limits))

    return use


def test_a_refusal_says_who_wanted_what_and_why_not(ana_acts: log.Actor) -> None:
    deny(actor=ana_acts, details={"rule": "owner"})
    event = written().select_related("detail").get()
    assert (event.action, event.outcome, event.code) == ("access.denied", "denied", "not_yours")
    assert (event.actor_id, event.object_id, event.request_id) == ("usr_ana", "doc_1", "req_1")
    assert event.detail.details == {"rule": "owner", **ana_acts.details()}


def test_a_refusal_at_the_webhook_door_has_its_own_word() -> None:
    deny(action=Action.EVENT_DENIED)
    assert written().get().action == "event.denied"


def test_the_rollback_of_the_request_does_not_take_the_refusal_with_it() -> None:
    def request() -> None:
        with transaction.atomic():
            log.record(action=Action.DOCUMENT_VIEWED, object_type="document", object_id="doc_1", actor=log.SYSTEM)
            deny()
            raise PermissionError

    with pytest.raises(PermissionError):
        request()
    assert [event.action for event in written().all()] == ["access.denied"]


def test_a_refusal_is_on_record_before_the_request_ends(runtime: psycopg.Connection) -> None:
    with transaction.atomic():
        deny()
        assert runtime.execute("SELECT count(*) FROM audit_event WHERE action <> 'vault.probed'").fetchone() == (1,)


def test_a_broken_transaction_can_still_be_refused() -> None:
    with contextlib.suppress(transaction.TransactionManagementError), transaction.atomic():
        with contextlib.suppress(Error), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        deny()
    assert written().count() == 1


@pytest.mark.parametrize(
    "typed",
    ["ana@example.com", "Ana Gil", "../../etc/passwd\x00", "\ud800", "añb", TOKEN, TOKEN.lower(), "x" * 5000, "a" * 64],
)
def test_nothing_a_stranger_types_can_stop_the_refusal_or_be_sealed(typed: str) -> None:
    actor = log.Actor(
        kind="anonymous", id=typed, key=typed, channel="web", request_id=typed, address=typed[:50], agent=typed
    )
    deny(actor=actor, object_id=typed, details={"typed": typed})
    event = written().get()
    assert {event.actor_id, event.key, event.request_id, event.object_id} == {"redacted"}
    if typed == TOKEN:
        assert TOKEN not in str(EventDetail.objects.get().details)


def test_a_token_in_the_details_of_a_refusal_is_left_out_and_the_refusal_stays() -> None:
    deny(details={"tried": TOKEN})
    assert EventDetail.objects.get().details == {"left_out": True, **STRANGER.details()}


def test_the_first_ten_are_written_one_by_one() -> None:
    for number in range(10):
        deny(object_id=f"doc_{number}")
    assert list(written().order_by("id").values_list("object_id", "count")) == [(f"doc_{n}", 1) for n in range(10)]


def test_a_flood_of_ten_thousand_leaves_eleven_rows_and_the_true_count() -> None:
    for number in range(10_000):
        deny(object_id=f"doc_{number}")
    assert written().count() == 10
    assert log.flush_denials() == 1
    many = written().select_related("detail").latest("id")
    assert (many.object_id, many.code, many.count) == ("various", "not_yours", 9_990)
    assert many.detail.details == {"aggregated": True, **STRANGER.details()}
    assert counted() == 10_000
    assert log.flush_denials() == 0


def test_a_flood_from_ten_thousand_addresses_leaves_few_rows_and_the_true_count(throttle: Callable[..., None]) -> None:
    throttle(crowd_max=20)
    for actor in strangers(10_000):
        deny(actor=actor)
    log.flush_denials()
    assert written().count() == 21
    crowd = written().latest("id")
    assert (crowd.actor_kind, crowd.actor_id, crowd.count) == ("anonymous", "various", 9_980)
    assert counted() == 10_000


def test_other_people_and_other_reasons_are_not_lost_in_a_flood(ana_acts: log.Actor) -> None:
    for _ in range(50):
        deny()
    deny(actor=ana_acts)
    log.deny(actor=STRANGER, object_type="document", object_id="doc_1", code="link_expired")
    deny(action=Action.EVENT_DENIED)
    assert written().count() == 13


def test_the_next_refusal_writes_the_count_of_the_window_that_ended(throttle: Callable[..., None]) -> None:
    throttle(window_s=0.5, single_max=1)
    for _ in range(5):
        deny()
    time.sleep(0.5)
    deny()
    assert sorted(written().values_list("count", flat=True)) == [1, 1, 4]


def test_a_count_is_written_when_its_window_ends_even_if_nobody_comes_again(throttle: Callable[..., None]) -> None:
    throttle(window_s=0.2, single_max=1)
    for _ in range(5):
        deny()
    until = time.monotonic() + 10
    while counted() < 5 and time.monotonic() < until:
        time.sleep(0.05)
    assert sorted(written().values_list("count", flat=True)) == [1, 4]


def test_a_process_that_ends_writes_what_it_only_counted() -> None:
    script = """
import django
django.setup()
from audit import log
for _ in range(25):
    log.deny(actor=log.Actor(kind="anonymous", id=""), object_type="document", object_id="doc_1", code="not_yours")
"""
    words = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", script]
    subprocess.run(command, check=True, timeout=60, cwd=settings.BASE_DIR, env=os.environ | words)
    assert sorted(written().values_list("count", flat=True)) == [1] * 10 + [15]


def test_a_forked_child_does_not_count_again_what_its_parent_counted() -> None:
    for _ in range(15):
        deny()
    child = os.fork()
    if child == 0:
        os._exit(0 if denials.throttle.counted() == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert denials.throttle.counted() == 5


def test_thirty_two_threads_refuse_at_once_on_at_most_four_connections() -> None:
    together, us = threading.Barrier(32), psutil.Process()
    port = int(connections[denials.ALIAS].settings_dict["PORT"])

    def refuse(actor: log.Actor) -> None:
        together.wait(timeout=30)
        for number in range(3):
            deny(actor=actor, object_id=f"doc_{number}")

    def connected() -> int:
        # On our side: the server's sessions end a moment after their connections, on a busy machine a long one.
        lines = [line for line in us.net_connections("tcp") if line.raddr and line.raddr.port == port]
        return sum(line.status == psutil.CONN_ESTABLISHED for line in lines)

    database.wait()  # it has connections of its own
    before, seen = connected(), 0
    with futures.ThreadPoolExecutor(32) as pool:
        refusals = [pool.submit(refuse, actor) for actor in strangers(32)]
        while not all(refusal.done() for refusal in refusals):
            seen = max(seen, connected() - before)
        for refusal in refusals:
            refusal.result()
    assert 1 <= seen <= denials.CONNECTIONS_MAX
    assert connected() <= before
    assert written().count() == 96


def test_what_waits_for_a_connection_is_written_by_whoever_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, append = [], entries.append

    def counted_append(*, rows: Sequence[entries.EventRow], using: str) -> list[int]:
        sizes.append(len(rows))
        return append(rows=rows, using=using)

    monkeypatch.setattr(entries, "append", counted_append)
    with futures.ThreadPoolExecutor(32) as pool:
        with _busy():
            refusals = [pool.submit(deny, actor=actor) for actor in strangers(32)]
            _until(lambda: len(denials._waiting) == 32)
        for refusal in refusals:
            refusal.result()
    assert sizes == [32]
    assert written().count() == 32


def test_never_more_than_four_hold_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    holding, most, lock, append = 0, 0, threading.Lock(), entries.append
    everybody = threading.Event()

    def slow(*, rows: Sequence[entries.EventRow], using: str) -> list[int]:
        nonlocal holding, most
        with lock:
            holding += 1
            most = max(most, holding)
        everybody.wait(timeout=30)
        try:
            return append(rows=rows, using=using)
        finally:
            with lock:
                holding -= 1

    monkeypatch.setattr(entries, "append", slow)
    with futures.ThreadPoolExecutor(32) as pool:
        refusals = [pool.submit(deny, actor=actor) for actor in strangers(32)]
        _until(lambda: holding + len(denials._waiting) == 32)
        everybody.set()
        for refusal in refusals:
            refusal.result()
    assert most == denials.CONNECTIONS_MAX
    assert written().count() == 32


def test_a_refusal_that_the_database_does_not_take_stops_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    append = entries.append

    def picky(*, rows: Sequence[entries.EventRow], using: str) -> list[int]:
        if any(row.event["object_id"] == "doc_bad" for row in rows):
            raise DataError("this one is not taken")
        return append(rows=rows, using=using)

    monkeypatch.setattr(entries, "append", picky)
    with futures.ThreadPoolExecutor(3) as pool:
        with _busy():
            refusals = {name: pool.submit(deny, object_id=name) for name in ("doc_1", "doc_bad", "doc_2")}
            _until(lambda: len(denials._waiting) == 3)
        assert {name for name, refusal in refusals.items() if refusal.exception()} == {"doc_bad"}
        assert isinstance(refusals["doc_bad"].exception(), log.AuditUnavailable)
    assert {event.object_id for event in written().all()} == {"doc_1", "doc_2"}


def test_when_all_connections_are_busy_nobody_is_refused_without_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "WAIT_S", 0.05)
    with _busy(), pytest.raises(log.AuditUnavailable):
        deny()
    monkeypatch.undo()
    deny()
    assert written().count() == 1


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """All denial connections in use."""
    with contextlib.ExitStack() as busy:
        for _ in range(denials.CONNECTIONS_MAX):
            busy.enter_context(denials._connection())
        yield


def _until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)


@pytest.fixture(params=["refusing", "hanging", "closing", "garbage"])
def misbehaving(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port where a database should be."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if request.param != "refusing":
            server.listen(64)
        if request.param in {"closing", "garbage"}:
            threading.Thread(target=_answer, args=(server, request.param), daemon=True).start()
        yield server.getsockname()[1]


def _answer(server: socket.socket, how: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            with client:
                if how == "garbage":
                    client.recv(1024)
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n" * 10)


def test_a_refusal_that_cannot_be_written_fails_closed_and_soon(
    misbehaving: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections[denials.ALIAS].close()
    monkeypatch.setitem(connections[denials.ALIAS].settings_dict, "PORT", str(misbehaving))
    monkeypatch.setitem(connections[denials.ALIAS].settings_dict, "HOST", "127.0.0.1")
    started_s = time.monotonic()
    with pytest.raises(log.AuditUnavailable):
        deny()
    assert time.monotonic() - started_s < 5
    assert not written().exists()


def test_a_count_that_cannot_be_written_is_kept_until_it_can(owner: psycopg.Connection) -> None:
    for _ in range(25):
        deny()
    owner.execute("ALTER FUNCTION audit_append(jsonb, text) RENAME TO audit_append_away")
    for _ in range(2):
        with pytest.raises(log.AuditUnavailable):
            log.flush_denials()
    owner.execute("ALTER FUNCTION audit_append_away(jsonb, text) RENAME TO audit_append")
    deny()
    assert log.flush_denials() == 1
    assert counted() == 26
