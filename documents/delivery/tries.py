"""Wrong answers at links, counted by whom they are about and where they come from, over all links and processes.

Each link counts its own besides (`answers`). The counts lie in PostgreSQL: without it no link opens at all.
"""

import datetime as dt
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.db.models import F

from documents import locks
from documents.alerts import incidents
from documents.delivery import keyed
from documents.models import Link, WrongAnswers

KEPT = dt.timedelta(days=1)  # after its period a count is good for nothing
IPV4_NETWORK, IPV6_NETWORK = 24, 48  # bits


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many wrong answers there may be in a period that begins with the first of them."""

    most: int
    period: dt.timedelta


# TABLE: what wrong answers are counted by -> its limit; past it nothing is judged until the period ends.
LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "party": Limit(most=20, period=dt.timedelta(days=1)),
        "address": Limit(most=50, period=dt.timedelta(hours=1)),
        "network": Limit(most=200, period=dt.timedelta(hours=1)),
    }
)


def keys(*, link: Link, address: str) -> dict[str, str]:
    """Return by which keys a try at a link is counted: `{"party": "party:7", "network": "network:1f..."}`.

    What an address is stored as is a keyed digest. A visitor whose address is unknown is counted by the party alone.
    """
    counted = {"party": f"party:{link.recipient_id}"}
    network = network_of(address=address)
    if network:
        counted |= {"address": _digest(kind="address", text=address), "network": _digest(kind="network", text=network)}
    return counted


def network_of(*, address: str) -> str:
    """Return the network of an address, "203.0.113.0/24" or "2001:db8:7::/48"; "" for what is no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    bits = IPV6_NETWORK if isinstance(parsed, ipaddress.IPv6Address) else IPV4_NETWORK
    return str(ipaddress.ip_network(f"{parsed}/{bits}", strict=False))


def spent(*, keys: Mapping[str, str], now: dt.datetime) -> dict[str, dt.datetime]:
    """Return which limits are used up, and until when."""
    rows = WrongAnswers.objects.filter(key__in=keys.values(), ends_at__gt=now)
    counts = {row.key: row for row in rows}
    return {
        name: counts[key].ends_at
        for name, key in keys.items()
        if key in counts and counts[key].count >= LIMITS[name].most
    }


def lock(*, keys: Mapping[str, str]) -> None:
    """Judge one answer a key at a time, until the transaction ends: many that come at once pass no limit."""
    for key in sorted(keys.values()):
        locks.advisory(rank=locks.Rank.WRONG_ANSWERS, key=key)


def count(*, keys: Mapping[str, str], now: dt.datetime) -> None:
    """Count a wrong answer under every key, each locked by `lock`."""
    for name, key in sorted(keys.items(), key=lambda item: item[1]):
        if not WrongAnswers.objects.filter(key=key, ends_at__gt=now).update(count=F("count") + 1):
            fresh = {"count": 1, "ends_at": now + LIMITS[name].period}
            WrongAnswers.objects.update_or_create(key=key, defaults=fresh)
    stale = locks.rows(
        queryset=WrongAnswers.objects.filter(ends_at__lt=now - KEPT),
        rank=locks.Rank.WRONG_ANSWERS,
        key=lambda row: (row.key,),
        skip_locked=True,
    )
    WrongAnswers.objects.filter(pk__in=[row.pk for row in stale]).delete()


def alert(*, link: Link, address: str, name: str) -> None:
    """Open an alert that one limit is used up, with what a person needs to act: the party, or the network."""
    keyed = keys(link=link, address=address)[name]
    values: dict[str, str | int | list[str]] = {"cause": name, "most": LIMITS[name].most}
    values |= {"recipient": link.recipient.platform_id} if name == "party" else {"network": network_of(address=address)}
    incidents.open_alert(
        code="link_guessing", dedup_key=f"link_guessing:{keyed}", values=values, object_id=link.public_id
    )


def _digest(*, kind: str, text: str) -> str:
    """Return the key of an address or network: a keyed digest, because an address is personal."""
    return f"{kind}:{keyed.digest(text=f'tries:{kind}:{text}').hex()[:32]}"
