"""Another version, host after host by docs/operations/upgrade.md, under load: nobody is answered 5xx, nothing is held.

Afterwards the outside checker looks for every acknowledged event, and for each number once.
"""

import concurrent.futures
import http.client
import json
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Self

import psycopg

from config.simulation import event_parts, event_stream, sender
from tests.deployment import losses, pages, production

EVENTS, PAUSE_S = 500, 0.4
SERVING = ("web1", "web2", "worker1", "worker2")
HELD = "SELECT type || ' is held: ' || code FROM documents_event WHERE status = 'held' AND superseded_by_id IS NULL"


def findings(*, built: production.Production) -> Iterator[str]:
    """Yield what a sender or the outside checker noticed of it, and each host that is not at the new version."""
    wanted = built.hosts["worker1"].typed("git -C /opt/billing-docs rev-parse $(. /root/names.sh; echo $NEXT)").strip()
    for name in SERVING:
        built.hosts[name].typed(f"sed -i 's/^VERSION=.*/VERSION={wanted}/' /root/names.sh")
    url, checker = built.checker_url(primary="db1"), losses.LossDrill(built=built)
    checker.drained(url=url, patience_s=losses.STILL_S)
    told = losses.ToldFacts(keys=set(), answers={})
    with psycopg.connect(url) as database:
        told.keys |= {key for (key,) in database.execute("SELECT document_key FROM documents_document")}
    with EventSender(built=built, told=told, seed=802) as load:
        for block in pages.blocks(page="upgrade.md"):
            built.follow(block=block)
    yield from load.findings
    yield from checker.checked(told=told)
    with psycopg.connect(url) as database:
        yield from (row for (row,) in database.execute(HELD))
    for name in SERVING:
        if (now := built.hosts[name].typed("git -C /opt/billing-docs rev-parse HEAD").strip()) != wanted:
            yield f"{name} is at {now}"


class EventSender:
    """Posts a stream, each event once, for as long as a block lasts; notes what was not answered 2xx."""

    def __init__(self, *, built: production.Production, told: losses.ToldFacts, seed: int) -> None:
        self._secrets, self._ended, self._told = built.webhook_secrets(), threading.Event(), told
        self._stream = event_stream.draw(seed=seed, count=EVENTS)
        self.findings: list[str] = []
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Tell the rest of the stream, so that every event has what it waits for."""
        self._ended.set()
        self._thread.join()

    def _tell(self) -> None:
        self._told.keys |= self._stream.keys
        with concurrent.futures.ThreadPoolExecutor(max_workers=4) as threads:
            for event in self._stream.events:
                threads.submit(self._one, event)
                self._ended.wait(PAUSE_S)

    def _one(self, event: event_parts.EventBody) -> None:
        body = json.dumps(event, ensure_ascii=False).encode()
        signed = sender.headers(body=body, secret=self._secrets[sender.service_of(event=event)])
        connection = http.client.HTTPSConnection(production.PUBLIC_HOST, timeout=70)
        try:
            connection.request("POST", sender.PATH, body=body, headers=signed)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.findings.append(f"event {event['id']}: no answer, {type(error).__name__}")
            return
        finally:
            connection.close()
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            self.findings.append(f"event {event['id']}: answered {answer.status} at {time.strftime('%H:%M:%S')}")
        else:
            self._told.answers[str(event["id"])] = str(json.loads(said).get("status"))
