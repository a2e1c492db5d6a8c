"""The primary is lost under load and its standby promoted, again and again; an outside checker says what is missing.

A moment before the primary dies the cable to its standby is pulled: what the standby has not got then is on a host that
never comes back. With synchronous replication nothing of that was acknowledged. Without it something was, and the
checker must notice, or else the drill proves nothing.
"""

import concurrent.futures
import dataclasses
import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus

import psycopg

from config.embedded import object_store
from config.simulation import crash_campaign, event_parts, event_stream, outside_checker, sender
from tests.deployment import pages, production

ROUNDS, EVENTS, SENDERS = 5, 60, 4
APART_S = 8.0  # longer than a statement may take
GIVE_UP_S, STILL_S = 180.0, 150.0
P1_OPEN = (
    "SELECT count(*) FROM documents_alert WHERE severity = 'P1' AND resolved_at IS NULL"  # ends half a minute later
)
URL = f"https://{production.PUBLIC_HOST}"
# TABLE: round -> the other host that is lost with the primary.
ALSO = {2: "web1", 3: "worker1", 4: "web2"}


@dataclasses.dataclass(kw_only=True)
class ToldFacts:
    """What senders told, the last answer to each, and which documents must come of it."""

    keys: set[str]
    answers: dict[str, str]


def findings(*, built: production.Production) -> Iterator[str]:
    """Yield what was lost with synchronous replication, and that nothing was without."""
    told, drill = ToldFacts(keys=set(), answers={}), LossDrill(built=built)
    url = built.checker_url(primary="db1")
    drill.drained(url=url, patience_s=STILL_S)
    with psycopg.connect(url) as database:
        told.keys |= {key for (key,) in database.execute("SELECT document_key FROM documents_document")}
    for number in range(1, ROUNDS + 1):
        drill.lose(told=told, number=number, also=ALSO.get(number, ""))
        said = drill.checked(told=told)
        _say(f"round {number}: {len(told.answers)} events acknowledged, {len(said)} findings")
        yield from (f"round {number}: {finding}" for finding in said)
        drill.mend()
    drill.trust_one_copy()
    drill.lose(told=told, number=ROUNDS + 1, also="")
    said = drill.checked(told=told, patience_s=30)
    lost = [finding for finding in said if "accepted" in finding and "lost" in finding]
    _say(f"with one copy: {len(lost)} acknowledged events lost, as must be; {len(said)} findings")
    if not lost:
        yield "with synchronous_standby_names='' the checker finds no loss: the drill proves nothing"


class LossDrill:
    """Who is the primary now, and how it is lost."""

    def __init__(self, *, built: production.Production) -> None:
        self._built, self.primary, self.standby = built, "db1", "db2"
        self._pages = {block.occasion or "promote": block for block in pages.blocks(page="failover.md")}
        self._secrets = built.webhook_secrets()

    def lose(self, *, told: ToldFacts, number: int, also: str) -> None:
        """Send a stream; in the middle of it part the hosts of PostgreSQL, lose the primary, promote the standby."""
        stream = event_stream.draw(seed=700 + number, count=EVENTS)
        told.keys |= stream.keys
        ended = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(max_workers=SENDERS) as threads:
            jobs = [threads.submit(self._tell, event, told.answers, ended) for event in stream.events]
            while sum(job.done() for job in jobs) < EVENTS // 3:
                time.sleep(0.05)
            self._built.hosts[self.standby].unplug(out=True)
            time.sleep(APART_S)
            self._built.hosts[self.primary].lose()
            if also:
                self._built.hosts[also].lose()
            self._built.hosts[self.standby].unplug(out=False)
            lost_s = time.monotonic()
            self._follow("promote")
            self._follow("to go on with one copy")
            self.primary, self.standby = self.standby, self.primary
            concurrent.futures.wait(jobs, timeout=GIVE_UP_S)
            ended.set()
        _say(f"round {number}: the last sender has its answer {time.monotonic() - lost_s:.1f} s after the loss")
        if also:
            self._start_again(name=also)

    def mend(self) -> None:
        """Make the lost host the standby of the other, by the page."""
        self._built.hosts[self.standby].start()
        self._follow(f"as the standby of {'db2' if self.primary == 'db2' else 'db1'}")
        self._follow("once the standby follows")

    def trust_one_copy(self) -> None:
        """Answer from now on before the standby has anything."""
        for name in ("db1", "db2"):
            if name == self.primary:
                self._built.sql(host=name, query="ALTER SYSTEM SET synchronous_standby_names = ''")
                self._built.sql(host=name, query="SELECT pg_reload_conf()")

    def checked(self, *, told: ToldFacts, patience_s: float = STILL_S) -> list[str]:
        """Wait until nothing is open any more, and return what the outside checker says."""
        outside = self._built.outside
        url = self._built.checker_url(primary=self.primary)
        self.drained(url=url, patience_s=patience_s)
        question = {
            "database_url": url,
            "vault": outside.vault_url,
            "mail": str(outside.mail),
            "keys": sorted(told.keys),
            "events": told.answers,
        }
        ran = subprocess.run(
            [sys.executable, "-I", str(pathlib.Path(outside_checker.__file__))],
            input=json.dumps(question).encode(),
            capture_output=True,
            check=False,
            env={**os.environ, "AWS_ACCESS_KEY_ID": object_store.ACCESS, "AWS_SECRET_ACCESS_KEY": outside.secret},
        )
        if not ran.stdout:
            return [f"the outside checker failed: {ran.stderr.decode()[-1000:]}"]
        answer: dict[str, list[str]] = json.loads(ran.stdout)
        return answer["findings"]

    def _follow(self, occasion: str) -> None:
        """Follow a block of the page, with the names of the two hosts as they are now."""
        swapped = {"promote": self.primary, "to go on with one copy": self.primary}.get(occasion, self.standby) != "db1"
        block = self._pages[occasion.replace("standby of db1", "standby of db2")]
        self._built.follow(block=block, swapped=swapped)

    def _tell(self, event: event_parts.EventBody, answers: dict[str, str], ended: threading.Event) -> None:
        """Post an event until it is acknowledged, as a sender does."""
        secret = self._secrets[sender.service_of(event=event)]
        until = time.monotonic() + GIVE_UP_S
        while time.monotonic() < until and not ended.is_set():
            try:
                sent = sender.post(base_url=URL, event=event, secret=secret)
            except (OSError, http.client.HTTPException):
                continue
            if HTTPStatus.OK <= sent.status < HTTPStatus.MULTIPLE_CHOICES:
                answers[sent.event_id] = str(sent.body.get("status"))
                return
        answers.setdefault(str(event["id"]), "never acknowledged")

    def _start_again(self, *, name: str) -> None:
        host = self._built.hosts[name]
        host.start()
        host.typed(f"systemctl start billing-{name.rstrip('12')}")

    def drained(self, *, url: str, patience_s: float) -> None:
        """Return when nothing is open, no incident of the highest severity either, or nothing has moved for so long."""
        last: object = None
        moved = time.monotonic()
        with psycopg.connect(url, autocommit=True) as database:
            while time.monotonic() - moved < patience_s:
                now = [
                    row
                    for query in (crash_campaign._OPEN, P1_OPEN)
                    for row in database.execute(query).fetchone() or (1,)
                ]
                if not any(now):
                    return
                if now != last:
                    last, moved = now, time.monotonic()
                time.sleep(0.5)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
