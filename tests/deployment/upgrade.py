"""Another version, host after host by docs/operations/upgrade.md, under load: nobody is answered 5xx, nothing is held.

Afterwards the outside checker looks for every acknowledged event, and for each number once.
"""

from collections.abc import Iterator

import psycopg

from tests.deployment import event_load, losses, pages, production

PAUSE_S = 0.4
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
    with event_load.EventSender(built=built, told=told, seed=802, pause_s=PAUSE_S) as load:
        for block in pages.blocks(page="upgrade.md"):
            built.follow(block=block)
    yield from load.findings
    yield from checker.checked(told=told)
    with psycopg.connect(url) as database:
        yield from (row for (row,) in database.execute(HELD))
    for name in SERVING:
        if (now := built.hosts[name].typed("git -C /opt/billing-docs rev-parse HEAD").strip()) != wanted:
            yield f"{name} is at {now}"
