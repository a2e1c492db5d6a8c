"""Everything told by everybody at once: 16 senders, every event of every sample, each in an order of its own."""

import json
import random
import re
import threading
import time
from collections import Counter
from http import HTTPStatus
from typing import Any

import pytest

from tests.services.live import LOOK_EVERY_S, PATIENCE_S, SAMPLES, Live, live

__all__ = ["live"]

SENDERS = 16
NAMES = ("es_ride", "mx_week", "co_food", "co_refund")
ID = re.compile(r"\b((?:evt|ord|pay|po|drv|cus|ptn|rf|adj)_\w+)")  # what names a thing, in events and in keys
FIELDS = ("kind", "owner", "total", "payout_status_at_issue", "payout_status", "corrects", "remaining_creditable")
TOTALS = ("tax", "included", "adjustments", "withheld", "cash_collected")


def renamed(*, name: str, run: str) -> Any:
    """Read a file of the samples with ids that no other run has."""
    return json.loads(ID.sub(rf"\1_{run}", (SAMPLES / f"{name}.json").read_text(encoding="utf-8")))


def all_at_once(live: Live, *, events: list[dict[str, Any]], seed: int) -> Counter[int]:
    """Have every sender send every event at the same time, and count the answers."""
    together = threading.Barrier(SENDERS)
    answers: list[int] = []

    def send(number: int) -> None:
        mine = [*events]
        random.Random(f"{seed} {number}").shuffle(mine)
        together.wait()
        answers.extend(_until_stored(live, event=event) for event in mine)

    threads = [threading.Thread(target=send, args=[number]) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(answers)


def _until_stored(live: Live, *, event: dict[str, Any]) -> int:
    """Send an event as the platform does, again after Retry-After, and return the answer's status.

    A machine with other work may let a sender wait for a payee's lock longer than PostgreSQL is given.
    """
    while (answer := live.post(event, timeout_s=120)).status == HTTPStatus.SERVICE_UNAVAILABLE:
        assert answer.body["code"] == "dependency_degraded", answer.body
        time.sleep(float(answer.headers["retry-after"]))
    return answer.status


def await_processed(live: Live, *, ids: list[str]) -> None:
    """Return when nothing of these is held or waits any more."""
    query = (
        "SELECT event_id, status, code, missing FROM documents_event WHERE event_id = ANY(%s) AND status <> 'processed'"
    )
    until = time.monotonic() + PATIENCE_S
    while left := live.rows(query, [ids]):
        assert time.monotonic() < until, left
        time.sleep(LOOK_EVERY_S)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_samples_from_16_senders_at_once_end_as_expected_without_a_gap_or_an_alert(live: Live, seed: int) -> None:
    run, before = f"run{seed}", live.numbered()
    events = [event for name in NAMES for event in renamed(name=name, run=run)]
    ids = [event["id"] for event in events]
    expected = [row for name in NAMES for row in renamed(name="expected", run=run)[name]["documents"]]

    answers = all_at_once(live, events=events, seed=seed)
    assert set(answers) <= {200, 201, 202}, answers
    assert sum(answers.values()) == SENDERS * len(events)
    await_processed(live, ids=ids)
    live.await_locked(keys=[row["document_key"] for row in expected])
    live.await_quiet()

    heard = {event["id"]: live.post(event) for event in events}
    assert {(answer.status, answer.body["replayed"]) for answer in heard.values()} == {(200, True)}
    found = {row["document_key"]: row for answer in heard.values() for row in answer.body["documents"]}
    stored = live.rows("SELECT document_key FROM documents_document WHERE document_key LIKE %s", [f"%\\_{run}%"])
    assert sorted(row["document_key"] for row in stored) == sorted(row["document_key"] for row in expected)
    for row in expected:
        _compare(expected=row, found=found[row["document_key"]], all_found=found)

    repeats = live.rows("SELECT repeats FROM documents_event WHERE event_id = ANY(%s)", [ids])
    assert {row["repeats"] for row in repeats} == {SENDERS}  # the first is none, and we asked once more
    assert live.numbered() == before + len(expected)
    assert _gaps(live) == []
    assert live.rows("SELECT code FROM documents_alert WHERE resolved_at IS NULL") == []
    assert live.rows("SELECT code FROM documents_discrepancy") == []


def _compare(*, expected: dict[str, Any], found: dict[str, Any], all_found: dict[str, dict[str, Any]]) -> None:
    """Compare a document with what the samples expect of it."""
    key = expected["document_key"]
    assert (found["status"], found["retention"]["until"][:4] >= "2031") == ("LOCKED", True), key
    for field in FIELDS:
        if field in expected:
            assert found[field] == expected[field], (key, field)
    for field in TOTALS:
        if field in expected:
            assert found["totals"][field] == expected[field], (key, field)
    if "settles" in expected:
        assert [item["order"] for item in found["settles"]] == expected["settles"], key
        settled = {item["document_id"] for item in found["settles"]}
        assert {row["settled_by"] for row in all_found.values() if row["id"] in settled} == {found["id"]}, key
    if "corrects" in expected:
        original = all_found[expected["corrects"]]
        assert original["corrected_by"] == [key]
        assert original["remaining_creditable"] == expected["remaining_creditable"]


def _gaps(live: Live) -> list[dict[str, Any]]:
    """Return the series whose numbers are not all there, each once."""
    query = """
    SELECT s.code, s.next, array_agg(d.sequence ORDER BY d.sequence) AS taken
    FROM documents_series s LEFT JOIN documents_document d ON d.series_id = s.id
    GROUP BY s.id HAVING array_remove(array_agg(d.sequence ORDER BY d.sequence), NULL)
      <> (SELECT coalesce(array_agg(n ORDER BY n), '{}') FROM generate_series(s.first, s.next - 1) AS n)
    """
    return live.rows(query)


def test_afterwards_the_outside_checker_finds_nothing(live: Live) -> None:
    live.await_quiet()
    assert live.check() == []
