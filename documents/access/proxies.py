"""Whose address a request has where proxies of ours stand between: the right-most one that is none of them.

What stands further left in `X-Forwarded-For`, anybody can have written. Limits, log and floods count by this address.
"""

import ipaddress
from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse

PASSED_ON = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")  # what proxies add
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddress:
    """Middleware, the first of all: set the caller's address and scheme by what a proxy of TRUSTED_PROXIES says."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Run the request as that of the caller."""
        trusted = settings.TRUSTED_PROXIES
        peer = str(request.META.get("REMOTE_ADDR", ""))
        if trusted and is_one_of(address=peer, networks=trusted):
            forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
            request.META["REMOTE_ADDR"] = caller(peer=peer, forwarded=forwarded, trusted=trusted)
            if request.META.get("HTTP_X_FORWARDED_PROTO") == "https":
                request.META["wsgi.url_scheme"] = "https"
        return self.get_response(request)


def is_inner(*, request: HttpRequest) -> bool:
    """Tell whether a request comes straight from a machine of INNER_NETWORKS: what a proxy passes on never does."""
    passed_on = any(header in request.META for header in PASSED_ON)
    peer = str(request.META.get("REMOTE_ADDR", ""))
    return not passed_on and is_one_of(address=peer, networks=settings.INNER_NETWORKS)


def caller(*, peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the right-most address of `forwarded` that no trusted proxy has; what cannot be read ends the search."""
    known = peer
    for hop in reversed(forwarded.split(",")):
        parsed = _parsed(hop)
        if parsed is None:
            return known
        known = str(parsed)
        if not is_one_of(address=known, networks=trusted):
            return known
    return known


def is_one_of(*, address: str, networks: Sequence[Network]) -> bool:
    """Tell whether an address lies in one of some networks."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address; one of IPv4 that is written as IPv6 is of IPv4."""
    try:
        parsed = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
