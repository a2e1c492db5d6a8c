"""Another version, host after host by docs/operations/upgrade.md, under load: nobody is answered 5xx."""

from collections.abc import Iterator

from tests.deployment import pages, production, rotation


def findings(*, built: production.Production) -> Iterator[str]:
    """Yield what a sender noticed of it, and each host that is not at the new version."""
    wanted = built.hosts["worker1"].typed("git -C /opt/billing-docs rev-parse $(. /root/names.sh; echo $NEXT)").strip()
    for name in ("web1", "web2", "worker1", "worker2"):
        built.hosts[name].typed(f"sed -i 's/^VERSION=.*/VERSION={wanted}/' /root/names.sh")
    with rotation.UnderLoad(built=built, seed=802) as load:
        for block in pages.blocks(page="upgrade.md"):
            built.follow(block=block)
    yield from load.findings
    for name in ("web1", "web2", "worker1", "worker2"):
        if (now := built.hosts[name].typed("git -C /opt/billing-docs rev-parse HEAD").strip()) != wanted:
            yield f"{name} is at {now}"
