"""Both hosts of PostgreSQL are lost, and a copy of yesterday comes back by docs/operations/backup.md."""

import http.client
import time
from collections.abc import Iterator

from config.simulation import event_stream, sender
from tests.deployment import pages, production

PRIMARY = "db1"  # after an even number of losses
COPY, EVENTS, WAIT_S = "/var/backups/billing", 30, 120.0
SERIES = "SELECT code || '-' || kind, next FROM documents_series ORDER BY 1"
OPEN = "SELECT count(*) FROM documents_document WHERE status <> 'LOCKED'"


def back_up(*, built: production.Production) -> None:
    """Take the copy of the day, bring it back beside the standby, put both on record, and bring it off the host."""
    for block in pages.blocks(page="backup.md"):
        if block.occasion in {"every day", "every quarter"}:
            built.follow(block=block)
    built.keep(host="db2", path=COPY)


def findings(*, built: production.Production) -> Iterator[str]:
    """Yield a series that would give a number again, and a document that cannot be locked after the restore."""
    if not built.has_kept(path=COPY):  # this drill alone
        back_up(built=built)
        yield from _told(built=built)
    before = _series(built=built, host=PRIMARY)
    for name in ("web1", "web2", "worker1", "worker2"):
        built.hosts[name].typed("systemctl stop billing-web billing-worker")
    for name in ("db1", "db2"):
        if built.hosts[name].pid:
            built.hosts[name].lose()
    built.hosts["db1"].start()
    built.give(host="db1", path=COPY)
    for block in pages.blocks(page="backup.md"):
        if block.occasion in {"to restore", "after a restore"}:
            built.follow(block=block)
    after = _series(built=built, host="db1")
    yield from (
        f"after the restore the series {name} would give {after.get(name)}, {number} was next"
        for name, number in before.items()
        if after.get(name, 0) < number
    )
    for name in ("web1", "web2"):
        built.hosts[name].typed("systemctl start billing-web")
    yield from _told(built=built)


def _told(*, built: production.Production) -> Iterator[str]:
    """Tell a stream, and yield what is refused or not locked in the end."""
    secrets, until = built.webhook_secrets(), time.monotonic() + WAIT_S
    url = f"https://{production.PUBLIC_HOST}"
    for event in event_stream.draw(seed=701, count=EVENTS).events:  # the vault has documents of these
        try:
            sent = sender.post(base_url=url, event=event, secret=secrets[sender.service_of(event=event)])
        except (OSError, http.client.HTTPException) as error:
            yield f"event {event['id']}: {type(error).__name__}"
            return
        if sent.status >= http.client.BAD_REQUEST:
            yield f"event {event['id']}: answered {sent.status} {sent.body}"
    while (still := built.sql(host="db1", query=OPEN)) != "0" and time.monotonic() < until:
        time.sleep(1)
    if still != "0":
        yield f"{still} documents are not locked"


def _series(*, built: production.Production, host: str) -> dict[str, int]:
    rows = (line.rpartition("|") for line in built.sql(host=host, query=SERIES).splitlines())
    return {name: int(number) for name, _, number in rows}
