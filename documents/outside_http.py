"""The one client for HTTP to the outside: a deadline over the whole call, no redirects, no private addresses.

The URLs are the operator's own (`ALERT_URL`). One that names a private place explicitly may reach it: `localhost`, a
loopback or private address in digits, a name without a dot, or a name below one of PRIVATE_NAMES. A public name that
resolves to a private address is refused: whoever answers for the name must not choose a machine of ours. Link-local
addresses (a cloud's metadata), multicast and the like are refused in every spelling.
"""

import contextlib
import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

# Names that no public resolver answers for: RFC 6761, RFC 6762, RFC 8375, and ICANN's resolution of 2024-07-29.
PRIVATE_NAMES = (".localhost", ".local", ".home.arpa", ".internal")
PORTS = {"http": 80, "https": 443}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotHTTPError(OSError):
    """What answers there does not speak HTTP."""


class AddressRefusedError(OSError):
    """The host's name leads to an address that the service must not call."""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """The head of an answer; its body is never read. The names of `headers` are in small letters."""

    status: int
    headers: Mapping[str, str]


def post(*, url: str, body: bytes, content_type: str, connect_s: float, total_s: float) -> HttpAnswer:
    """Post a body once and return the head of the answer, whatever its status; a redirect is an answer like any other.

    :raises AddressRefusedError: the address is private and the URL does not say so
    :raises NotHTTPError: the answer is not HTTP, or the URL cannot be sent
    :raises OSError: refused, hung, or longer than `total_s` from the first question for the name to the answer's head
    """
    headers = {"Content-Type": content_type}
    return _ask(method="POST", url=url, body=body, headers=headers, connect_s=connect_s, total_s=total_s)


def head(*, url: str, connect_s: float, total_s: float) -> HttpAnswer:
    """Ask for the head of an answer once; see `post`."""
    return _ask(method="HEAD", url=url, body=None, headers={}, connect_s=connect_s, total_s=total_s)


def _ask(
    *, method: str, url: str, body: bytes | None, headers: Mapping[str, str], connect_s: float, total_s: float
) -> HttpAnswer:
    ends = time.monotonic() + total_s
    parts = urlsplit(url)
    try:
        address = _address(parts=parts, ends=ends)
        with _connected(parts=parts, address=address, connect_s=connect_s, ends=ends) as client:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            client.request(method, path, body=body, headers={**headers, "User-Agent": "billing-docs"})
            answer = client.getresponse()
            return HttpAnswer(
                status=answer.status, headers={name.lower(): value for name, value in answer.headers.items()}
            )
    except (http.client.HTTPException, ValueError) as garbage:
        raise NotHTTPError(f"not an HTTP answer: {type(garbage).__name__}") from garbage


def refuse_address(*, host: str, address: Address) -> None:
    """Refuse an address that a host's name must not lead to.

    :raises AddressRefusedError: says which
    """
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        raise AddressRefusedError(f"{host} is {address}, which is no server's address")
    if not address.is_global and not _names_private_place(host=host):
        raise AddressRefusedError(f"{host} is {address}, a private address that the URL does not name")


def _names_private_place(*, host: str) -> bool:
    """Say whether a host is written so that only a private place can be meant."""
    name = host.rstrip(".").lower()
    return _in_digits(host=host) is not None or "." not in name or name.endswith(PRIVATE_NAMES)


def _in_digits(*, host: str) -> Address | None:
    """Return the address that a host is written as; None for a name. An IPv4 address in IPv6's form is the former."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        return getattr(address, "ipv4_mapped", None) or address
    return None


def _address(*, parts: SplitResult, ends: float) -> str:
    """Return the address to call: looked up once, every answer looked at, so that no second answer can differ.

    :raises OSError: there is none, or the resolver is too slow
    """
    host = parts.hostname or ""
    literal = _in_digits(host=host)
    addresses = [literal] if literal else _resolved(host=host, ends=ends)
    for address in addresses:
        refuse_address(host=host, address=address)
    return str(addresses[0])


def _resolved(*, host: str, ends: float) -> list[Address]:
    """Ask the resolver on a thread of its own: it knows no time limit.

    :raises OSError: it knows no such name, or does not answer in time
    """
    answers: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = [_in_digits(host=str(row[4][0]).partition("%")[0]) for row in rows]
            answers.put([address for address in addresses if address])
        except OSError as unknown:
            answers.put(unknown)
        except UnicodeError:  # a label that is empty or too long
            answers.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, ends - time.monotonic()))
    except queue.Empty:
        raise TimeoutError(f"no address of {host} in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


@contextlib.contextmanager
def _connected(
    *, parts: SplitResult, address: str, connect_s: float, ends: float
) -> Iterator[http.client.HTTPConnection]:
    """Yield a connection to an address, and cut it when the time is over.

    A socket's own timeout is no limit: a server that sends a byte now and then never trips it.
    """
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    left_s = max(0.001, ends - time.monotonic())
    raw = socket.create_connection((address, port), timeout=min(connect_s, left_s))
    secure = parts.scheme == "https"
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    client = make(host, port)
    client.sock = raw
    if secure:
        client.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
    timer = threading.Timer(max(0.0, ends - time.monotonic()), _cut, kwargs={"sock": client.sock})
    timer.daemon = True
    timer.start()
    try:
        client.sock.settimeout(max(0.001, ends - time.monotonic()))
        if isinstance(client.sock, ssl.SSLSocket):
            client.sock.do_handshake()
        yield client
    finally:
        timer.cancel()
        client.close()


def _cut(*, sock: socket.socket) -> None:
    """End what a socket does at this moment: its reader sees the end."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
