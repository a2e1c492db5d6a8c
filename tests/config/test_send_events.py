"""Backfill: `send_events --dry-run` says what would become of each event and writes nothing; `--resume` goes on."""

import http.server
import io
import json
import logging
import pathlib
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.management.commands import send_events
from config.simulation import rehearsal, sender
from documents.emission import numbering, valve
from documents.models import Event, Issuer, IssuingValve
from tests.payouts import making, telling

# What an event leaves behind anywhere.
TABLES = (
    "documents_event",
    "documents_document",
    "documents_series",
    "documents_party",
    "documents_alert",
    "audit_event",
)


def _dry_run(folder: pathlib.Path, events: list[dict[str, Any]]) -> dict[str, Any]:
    file, said = folder / "events.json", io.StringIO()
    file.write_text(json.dumps(events), encoding="utf-8")
    try:
        call_command("send_events", str(file), dry_run=True, stdout=said)
    finally:
        answer: dict[str, Any] = json.loads(said.getvalue())
    return answer


def _contents() -> list[list[tuple[Any, ...]]]:
    rows = []
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            rows.append(cursor.fetchall())
    return rows


@pytest.mark.django_db
def test_a_dry_run_says_of_each_event_what_then_becomes_of_it_and_writes_nothing(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    telling.issuers()
    telling.told([making.order("ord_0"), making.payment("pay_0", "9.99", [making.line("10.00")])])
    listed = [
        making.payout("po_1", "10.00", orders=["ord_1"]),  # before its order
        making.order("ord_1"),
        making.order("ord_0"),  # sent before
        making.order("ord_2", driver="drv_2"),
        making.payout("po_2", "9.00", orders=["ord_2"], payee="drv_2"),  # does not close
        making.order("ord_3") | {"issuer": "nobody-es"},
        making.payout("po_4", "1.00", orders=["ord_4"], payee="drv_4"),  # nobody sends its order
        making.order("ord_2", driver="drv_2"),  # twice in one list
    ]
    before = _contents()
    caplog.clear()
    answer = _dry_run(tmp_path, listed)
    assert answer == {
        "dry_run": True,
        "events": 8,
        "would_be": {
            "held issuer_unknown": {"count": 1, "events": ["evt_ord_3"]},
            "held payout_does_not_close": {"count": 1, "events": ["evt_po_2"]},
            "issued": {"count": 3, "events": ["evt_po_1", "evt_ord_1", "evt_ord_2"]},
            "parked": {"count": 1, "events": ["evt_po_4"]},
            "repeated": {"count": 2, "events": ["evt_ord_0", "evt_ord_2"]},
        },
    }
    assert _contents() == before
    assert [line for line in caplog.records if line.levelno >= logging.WARNING] == []  # no alert is said to be opened
    telling.told(listed)
    states = dict(Event.objects.values_list("event_id", "status"))
    for outcome, which in answer["would_be"].items():
        is_now = {"issued": "processed", "repeated": "processed"}.get(outcome, outcome.partition(" ")[0])
        assert {states[name] for name in which["events"]} == {is_now}


def _so_it_is(listed: list[dict[str, Any]], would_be: dict[str, Any]) -> None:
    """Send the list: each event comes to what was foreseen."""
    for event in listed:
        telling.told([event])
    rows = Event.objects.exclude(event_id="evt_ord_0").values_list("event_id", "status", "code")
    assert {name: f"{status} {code}".strip().replace("processed", "issued") for name, status, code in rows} == {
        name: outcome for outcome, which in would_be.items() for name in which["events"] if outcome != "repeated"
    }


@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"minute_max": 4, "day_max": None}, {"limit": "minute", "most": 4, "minutes": 1}),
        ({"minute_max": None, "day_max": 4}, {"limit": "day", "most": 4}),
    ],
)
def test_a_dry_run_foresees_that_the_list_itself_pauses_its_issuer(
    limits: dict[str, Any],
    said: dict[str, Any],
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send_events, "timezone", types.SimpleNamespace(now=lambda: telling.NOW))  # of one minute
    telling.issuers()
    issuer = Issuer.objects.get(slug="aventide-es")
    valve.limit(issuer=issuer, **limits, reason="prueba", actor=telling.ACTOR)
    telling.told([making.order("ord_0")])
    listed = [
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.order("ord_1"),  # and so the payout: two of the three that are left
        making.order("ord_0"),  # numbers nothing
        making.order("ord_2", driver="drv_2"),
        making.order("ord_3", driver="drv_3"),  # one too many
        making.payout("po_2", "10.00", orders=["ord_2"], payee="drv_2"),
        making.payout("po_3", "10.00", orders=["ord_3"], payee="drv_3"),  # waits for its order
        making.order("ord_9", driver="drv_9") | {"issuer": "nobody-es"},
    ]
    before = _contents()
    answer = _dry_run(tmp_path, listed)
    assert answer["would_pause"] == {"aventide-es": {**said, "documents_before": 3, "event": "evt_ord_3"}}
    assert "aventide-es would be paused at evt_ord_3: sent at once" in capsys.readouterr().err
    assert {outcome: which["events"] for outcome, which in answer["would_be"].items()} == {
        "held issuer_unknown": ["evt_ord_9"],
        "held issuing_paused": ["evt_ord_3", "evt_po_2"],
        "issued": ["evt_po_1", "evt_ord_1", "evt_ord_2"],
        "parked": ["evt_po_3"],
        "repeated": ["evt_ord_0"],
    }
    assert _contents() == before
    assert not IssuingValve.objects.exclude(paused_at=None).exists()
    _so_it_is(listed, answer["would_be"])
    assert IssuingValve.objects.exclude(paused_at=None).get().issuer == issuer


@pytest.mark.django_db
def test_a_dry_run_of_what_would_be_refused_ends_in_an_exit_code(tmp_path: pathlib.Path) -> None:
    telling.issuers()
    wrong = making.order("ord_1")
    wrong["data"]["lines"][0]["amount"] = 10.0
    before = _contents()
    with pytest.raises(CommandError, match="1 of 2 would be refused"):
        _dry_run(tmp_path, [wrong, making.order("ord_2")])
    assert _contents() == before


def test_without_a_database_a_dry_run_says_how_it_gets_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "events.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CommandError, match="set DATABASE_URL, or take part in a running demo with DEMO=8000"):
        call_command("send_events", str(tmp_path / "events.json"), dry_run=True)


def test_events_are_tried_together_where_one_may_need_the_other() -> None:
    refund = {"id": "evt_r", "data": {"refund": {"id": "ref_1", "payment_id": "pay_1"}, "customer": {"id": "cus_1"}}}
    listed = [
        making.order("ord_1"),
        making.payment("pay_1", "1.00", [making.line("1.00")]),
        making.order("ord_2"),  # of the same driver, and of no other payout
        refund,
        making.payout("po_1", "10.00", orders=["ord_1"]),
        making.payout("po_2", "10.00"),  # its chain of balances is its payee's
        {"id": "evt_x", "data": None},
    ]
    assert rehearsal.groups(events=listed) == [[0, 4, 5], [1, 3], [2], [6]]


@pytest.mark.django_db
def test_where_the_running_service_needs_the_same_rows_a_dry_run_gives_way(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling.issuers()
    take, asked = numbering.take, []

    def busy(**given: Any) -> numbering.LegalNumber:
        asked.append(given)
        if len(asked) == 1:
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE lock_not_available; END $$")
        return take(**given)

    monkeypatch.setattr(numbering, "take", busy)
    assert _dry_run(tmp_path, [making.order("ord_1")])["would_be"] == {"issued": {"count": 1, "events": ["evt_ord_1"]}}
    assert len(asked) == 2
    monkeypatch.setattr(rehearsal, "TRIES_MAX", 1)
    asked.clear()
    assert _dry_run(tmp_path, [making.order("ord_1")])["would_be"] == {"busy": {"count": 1, "events": ["evt_ord_1"]}}


class _Door(http.server.BaseHTTPRequestHandler):
    """A service that acknowledges so many events, refuses one of a name, and then is gone."""

    left = 0
    seen: list[str]
    turn = threading.Lock()

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.turn:
            if self.left == 0:
                self.close_connection = True
                return
            type(self).left -= 1
            self.seen.append(event["id"])
        status = 400 if event["id"] == "evt_wrong" else 201
        body = json.dumps({"status": "processed", "code": "validation_error"}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[str]:
    _Door.left, _Door.seen = 0, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _send(file: pathlib.Path, *, url: str, left: int, **options: Any) -> tuple[list[str], dict[str, Any] | str]:
    """Send a list to a door that answers so many; returns what it has seen, and what the command said."""
    _Door.left, _Door.seen, said = left, [], io.StringIO()
    try:
        call_command("send_events", str(file), url=url, stdout=said, stderr=io.StringIO(), **options)
    except CommandError as error:
        return _Door.seen, str(error)
    answer: dict[str, Any] = json.loads(said.getvalue())
    return _Door.seen, answer


def _file(folder: pathlib.Path, events: list[dict[str, Any]]) -> pathlib.Path:
    file = folder / "events.json"
    file.write_text(json.dumps(events), encoding="utf-8")
    return file


@pytest.mark.parametrize("senders", [1, 3])
def test_after_a_break_it_goes_on_where_it_stood(
    door: str, senders: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TRIES_MAX", 1)
    events = [making.order(f"ord_{number}") for number in range(6)]
    file, names = _file(tmp_path, events), [event["id"] for event in events]
    first, said = _send(file, url=door, left=2, senders=senders)
    assert "--resume goes on from there" in str(said)
    second, _said = _send(file, url=door, left=1, senders=senders, resume=True)
    known = len((tmp_path / "events.json.acknowledged").read_text().split())
    third, answer = _send(file, url=door, left=99, senders=senders, resume=True)
    sent = [*first, *second, *third]
    assert (sent if senders == 1 else sorted(sent)) == names  # each once
    assert isinstance(answer, dict)
    assert (answer["sent"], answer["acknowledged_before"]) == (6 - known, known)
    assert [path.name for path in tmp_path.iterdir()] == ["events.json"]  # nothing is left of it
    assert _send(file, url=door, left=99, resume=True)[0] == names  # a run that ended is no break


def test_what_was_changed_was_refused_or_goes_elsewhere_is_not_left_out(
    door: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "TRIES_MAX", 1)
    wrong, second, third = making.order("ord_1") | {"id": "evt_wrong"}, making.order("ord_2"), making.order("ord_3")
    file = _file(tmp_path, [wrong, second, third])
    assert _send(file, url=door, left=2)[0] == ["evt_wrong", "evt_ord_2"]
    elsewhere = door.replace("127.0.0.1", "localhost")
    assert _send(file, url=elsewhere, left=1, resume=True)[0] == ["evt_wrong"]
    _file(tmp_path, [wrong, making.order("ord_2", "11.00"), third])
    assert _send(file, url=door, left=99, resume=True)[0] == ["evt_wrong", "evt_ord_2", "evt_ord_3"]


def test_ctrl_c_ends_it_with_the_way_to_go_on(
    door: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, post = _file(tmp_path, [making.order("ord_1"), making.order("ord_2")]), sender.post

    def interrupted(**given: Any) -> sender.PostedEvent:
        if given["event"]["id"] == "evt_ord_2":
            raise KeyboardInterrupt
        return post(**given)

    _Door.left = 9
    with monkeypatch.context() as patched:
        patched.setattr(sender, "post", interrupted)
        with pytest.raises(CommandError, match="interrupted, and nothing is lost: --resume goes on") as ended:
            call_command("send_events", str(file), url=door)
    assert ended.value.returncode == 130
    assert _send(file, url=door, left=9, resume=True)[0] == ["evt_ord_2"]


def test_where_no_file_can_be_written_beside_the_list_it_is_sent_all_the_same(
    door: str, tmp_path: pathlib.Path
) -> None:
    file = _file(tmp_path, [making.order("ord_1"), making.order("ord_2")])
    (tmp_path / "events.json.acknowledged").mkdir()  # root may write anywhere, but not over a folder
    seen, answer = _send(file, url=door, left=9)
    assert seen == ["evt_ord_1", "evt_ord_2"]
    assert isinstance(answer, dict)
    assert answer["sent"] == 2
