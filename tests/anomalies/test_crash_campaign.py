"""The crash campaign finds nothing on the line as it is."""

import json
import subprocess
import sys

import pytest

from config import env
from config.simulation import event_parts, event_stream

SMALL = ("--seed", "7", "--events", "40", "--senders", "16", "--kills", "3", "--web-kills", "1", "--json")


@pytest.mark.timeout(300)
def test_a_small_campaign_passes_with_servers_of_its_own_and_leaves_nothing_behind() -> None:
    before = set((env.BASE_DIR / "var" / "crash_campaign").glob("*"))
    variables = {"DATABASE_URL": "", "DATABASE_OWNER_URL": "", "REDIS_URL": "", "ENVIRONMENT": ""}
    ran = subprocess.run(
        [sys.executable, "manage.py", "crash_campaign", *SMALL],
        cwd=env.BASE_DIR,
        env=env.inherited() | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    report = json.loads(ran.stdout.strip().splitlines()[-1])
    assert (report["passed"], report["findings"], report["kills"], report["web_kills"]) == (True, [], 3, 1)
    assert report["figures"]["documents"] == len(event_stream.draw(seed=7, count=40).keys)
    assert report["figures"]["mails"] >= 1
    lines = [json.loads(line) for line in ran.stderr.splitlines() if line.startswith("{")]
    assert {line["progress"] for line in lines} == {"eventos enviados", "documentos resguardados"}
    assert set((env.BASE_DIR / "var" / "crash_campaign").glob("*")) == before


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_is_the_same_for_the_same_seed_and_holds_what_a_month_holds(seed: int) -> None:
    drawn = event_stream.draw(seed=seed, count=600)
    assert drawn == event_stream.draw(seed=seed, count=600)
    assert drawn != event_stream.draw(seed=seed + 1, count=600)
    ids = [event["id"] for event in drawn.events]
    assert len(ids) == 600
    assert len(set(ids)) < 600  # some are told twice
    told = {event["type"] for event in drawn.events}
    assert {"PAYMENT_CAPTURED", "ORDER_COMPLETED", "ORDER_ADJUSTED", "PAYOUT_SENT", "REFUND_ISSUED"} <= told
    assert {"ORDER_REASSIGNED", "ORDER_CANCELED"} <= told
    assert {event["country"] for event in drawn.events} == {"ES", "MX", "CO"}
    places = {event["id"]: place for place, event in reversed(list(enumerate(drawn.events)))}
    early = [
        event
        for event in drawn.events
        if event["type"] == "REFUND_ISSUED" and _place_of_payment(drawn, event) > places[event["id"]]
    ]
    assert early, "nothing is parked in this stream"


def _place_of_payment(drawn: event_stream.Stream, refund: event_parts.EventBody) -> int:
    wanted = refund["data"]["refund"]["payment_id"]
    return next(
        place
        for place, event in enumerate(drawn.events)
        if event["type"] == "PAYMENT_CAPTURED" and event["data"]["payment"]["id"] == wanted
    )
