"""Whether an address can be used as it is written: hosts, ports, mailboxes, parameters of libpq. It reads none."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
MAPPED_BITS = 96  # of IPv6, before an address of IPv4
PORT_MAX = 65_535
NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*", re.ASCII)
NAME_LENGTH_MAX = 253
LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
SENDER = re.compile(r'(?:(?:"[^"\\]*"|[^"\\<>,;:@()\[\]]+?)\s*<([^<>]*)>|([^<>\s]+))')
# TABLE: libpq's words -> what they may be. It would refuse others itself, at the first connection.
LIBPQ_WORDS: Mapping[str, frozenset[str]] = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "target_session_attrs": frozenset({"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}),
    "gssencmode": frozenset({"disable", "prefer", "require"}),
    "channel_binding": frozenset({"disable", "prefer", "require"}),
    "load_balance_hosts": frozenset({"disable", "random"}),
    "sslnegotiation": frozenset({"postgres", "direct"}),
}
LIBPQ_NUMBERS = frozenset(
    {"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
)
ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})  # with less than these libpq may speak in clear
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
REDIS_PATH = re.compile(r"/?|/[0-9]{1,5}", re.ASCII)
REDIS_TLS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})


def is_host(*, host: str) -> bool:
    """Tell whether a host is a name in letters, digits, hyphens and dots, or an address of IPv4 or IPv6."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return len(host) <= NAME_LENGTH_MAX and NAME.fullmatch(host) is not None
    return True


def is_here(*, host: str) -> bool:
    """Tell whether a host is this machine, between whose processes nothing is read on the way."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def in_clear(*, hosts: str, options: object) -> str:
    """Return the first host of PostgreSQL that may be reached in clear over the network; empty where none is.

    :param options: libpq's other parameters
    """
    given = dict(options) if isinstance(options, Mapping) else {}
    places = [place for place in f"{hosts},{given.get('hostaddr', '')}".split(",") if place]
    remote = [place for place in places if not place.startswith(("/", "@")) and not is_here(host=place)]
    return remote[0] if remote and given.get("sslmode") not in ENCRYPTED else ""


def is_port(*, port: str) -> bool:
    """Tell whether a port is a number from 1 to PORT_MAX, in digits of ASCII."""
    # int() refuses thousands of digits with an error of its own.
    return port.isascii() and port.isdigit() and len(port) <= len(str(PORT_MAX)) and 1 <= int(port) <= PORT_MAX


def parts(*, url: str) -> SplitResult | None:
    """Return the parts of a URL that names a host; None where scheme, host or port cannot be used as they are.

    `urlsplit` passes over line breaks, and takes whatever stands between // and / for a host.
    """
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    clean = all(letter.isprintable() and letter != " " for letter in url)
    return split if clean and port != 0 and is_host(host=split.hostname or "") else None


def is_bind(*, value: str) -> bool:
    """Tell whether a value is an address to listen on: host:port, [::1]:port."""
    host, _, port = value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    is_v6 = ":" in bare
    return is_port(port=port) and is_host(host=bare) and (host == f"[{bare}]" if is_v6 else host == bare)


def public(*, url: str) -> str:
    """Return a public address in its one spelling, scheme and host in small letters, without a slash at its end.

    Empty where it cannot be what links begin with: a path, a query or a password within it would be in every link.
    """
    split = parts(url=url)
    if split is None or split.scheme not in {"http", "https"} or split.username is not None or split.password:
        return ""
    if split.path.strip("/") or split.query or split.fragment:
        return ""
    return f"{split.scheme}://{split.netloc.lower()}"


def is_redis(*, url: str) -> bool:
    """Tell whether a broker can be reached by a URL: database by number, of its parameters those of TLS."""
    split = parts(url=url)
    if split is None or not url.startswith(("redis://", "rediss://")):  # its clients know these spellings alone
        return False
    given = {name for name, _value in parse_qsl(split.query, keep_blank_values=True)}
    return REDIS_PATH.fullmatch(split.path) is not None and given <= REDIS_TLS and not split.fragment


def is_channel(*, url: str) -> bool:
    """Tell whether alerts can be sent there: a webhook by HTTP, or one mailbox."""
    if url.lower().startswith("mailto:"):
        split = urlsplit(url)
        return not (split.query or split.fragment or split.netloc) and is_mailbox(address=unquote(split.path))
    web = parts(url=url)
    return web is not None and web.scheme in {"http", "https"}


def is_mailbox(*, address: str) -> bool:
    """Tell whether this is one address of mail, without a name."""
    local, sign, host = address.rpartition("@")
    return bool(sign) and LOCAL_PART.fullmatch(local) is not None and NAME.fullmatch(host) is not None


def sender(*, value: str) -> str:
    """Return the address of a sender, `Name <address>` or the address alone; empty where it is not one."""
    written = SENDER.fullmatch(value) if value.isprintable() else None
    address = (written.group(1) or written.group(2) or "") if written else ""
    return address if is_mailbox(address=address) else ""


def libpq_fault(*, given: Mapping[str, object]) -> str:
    """Return the parameter of a connection that libpq would refuse, with its mend; empty where there is none."""
    if "options" in given:
        return "leave out options: the service says its own"
    for name, known in LIBPQ_WORDS.items():
        if name in given and given[name] not in known:
            return f"{name}: use one of {', '.join(sorted(known))}"
    for name in sorted(LIBPQ_NUMBERS & given.keys()):
        if not NUMBER.fullmatch(str(given[name])):
            return f"{name}: use a whole number"
    hosts, ports = (str(given.get(name) or "").split(",") for name in ("host", "port"))
    if not all(not port or is_port(port=port) for port in ports):
        return f"port: use numbers from 1 to {PORT_MAX}"
    if len(ports) not in {1, len(hosts)}:
        return "port: name one for all hosts, or one for each"
    return ""


def are_everybody(*, networks: Sequence[IPNetwork]) -> bool:
    """Tell whether networks together cover all of IPv4 or IPv6; what is of IPv4 counts so in both spellings."""
    v4, v6 = list[ipaddress.IPv4Network](), list[ipaddress.IPv6Network]()
    for network in networks:
        if isinstance(network, ipaddress.IPv4Network):
            v4.append(network)
            continue
        v6.append(network)
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= MAPPED_BITS:
            v4.append(ipaddress.IPv4Network((mapped, network.prefixlen - MAPPED_BITS)))
    fewest = [network.prefixlen for network in ipaddress.collapse_addresses(v4)]
    fewest += [network.prefixlen for network in ipaddress.collapse_addresses(v6)]
    return 0 in fewest
