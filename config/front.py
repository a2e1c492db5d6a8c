"""What stands before the web server: whether a start names a proxy that shields it from slow and idle connections."""

import ipaddress
from collections.abc import Iterator, Sequence

from config import env

NO_PROXY = (
    "front.missing: TRUSTED_PROXIES names no proxy; a few dozen idle connections stop a web server that nothing"
    " shields, and limits count by the proxy's address (ops/nginx, docs/operations/deploy.md)"
)
IN_THE_OPEN = "front.open: WEB_BIND {address} can be reached past the proxy: bind an inner address, or filter the port"


def lacking(*, addresses: Sequence[str]) -> Iterator[str]:
    """Yield what production lacks before its web server, as lines of its log; nothing elsewhere."""
    if not env.production():
        return
    if not env.networks(name="TRUSTED_PROXIES"):
        yield NO_PROXY
    yield from (IN_THE_OPEN.format(address=address) for address in addresses if _is_open(address=address))


def _is_open(*, address: str) -> bool:
    """Tell whether a socket takes connections from everywhere: an address of every interface, or a public one."""
    try:
        host = ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False  # a name, a file, or a socket that was handed over
    return host.is_unspecified or host.is_global
