"""The one client for HTTP to the outside: whom it calls, what it follows, and when it gives up."""

import functools
import ipaddress
import pathlib
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client

from documents import outside_http
from tests.services import misbehaving

post = functools.partial(outside_http.post, body=b"{}", content_type="application/json", connect_s=0.3, total_s=0.6)


@pytest.fixture
def server() -> Iterator[misbehaving.BadServer]:
    with misbehaving.BadServer() as server:
        yield server


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_asked, **_options: rows)


@pytest.mark.parametrize("answers", [("127.0.0.1",), ("10.1.2.3",), ("1.1.1.1", "127.0.0.1"), ("100.64.0.1",)])
def test_a_public_name_never_leads_to_a_private_address(
    server: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...]
) -> None:
    resolve(monkeypatch, *answers)
    with pytest.raises(outside_http.AddressRefusedError, match=r"alerts\.example"):
        post(url=f"http://alerts.example:{server.port}/hook")
    assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
    ],
)
def test_a_clouds_metadata_is_called_in_no_spelling(url: str) -> None:
    with pytest.raises(outside_http.AddressRefusedError):
        post(url=url)


@pytest.mark.parametrize("host", ["alertmanager", "alertmanager.monitoring.svc.cluster.local", "am.corp.internal"])
def test_a_private_name_reaches_the_operators_own_network_and_still_no_metadata(
    server: misbehaving.BadServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    resolve(monkeypatch, "169.254.169.254")
    with pytest.raises(outside_http.AddressRefusedError):
        post(url=f"http://{host}:{server.port}/hook")
    outside_http.refuse_address(host=host, address=ipaddress.ip_address("10.1.2.3"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "LOCALHOST"])
def test_an_alertmanager_on_this_machine_can_be_named(server: misbehaving.BadServer, host: str) -> None:
    assert post(url=f"http://{host}:{server.port}/hook?a=1").status == 200
    assert server.received == [("/hook?a=1", b"{}")]


def test_a_redirect_is_an_answer_and_is_not_followed(server: misbehaving.BadServer) -> None:
    server.behave = server.answering(
        misbehaving.http(status=307, headers=f"Location: http://127.0.0.1:{server.port}/\r\n")
    )
    answer = post(url=f"http://127.0.0.1:{server.port}/hook")
    assert (answer.status, server.connections) == (307, 1)
    assert answer.headers["location"].endswith("/")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", ["hang", "drip"])
def test_no_server_holds_a_call_longer_than_its_time(server: misbehaving.BadServer, scheme: str, way: str) -> None:
    server.behave = getattr(server, way)
    started = time.monotonic()
    with pytest.raises(OSError, match=r".+"):
        post(url=f"{scheme}://127.0.0.1:{server.port}/hook")
    assert time.monotonic() - started < 1.5


def test_a_dripping_handshake_is_cut_too(server: misbehaving.BadServer) -> None:
    def behave(_number: int, peer: socket.socket) -> None:
        record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"  # the head of a TLS handshake message that never ends
        for byte in record + b"\x00" * 1_000:
            if server.ended.wait(0.2):
                return
            peer.sendall(bytes([byte]))

    server.behave = behave
    started = time.monotonic()
    with pytest.raises(OSError, match=r".+"):
        post(url=f"https://127.0.0.1:{server.port}/hook")
    assert time.monotonic() - started < 1.5


def test_a_resolver_that_hangs_costs_no_more_than_the_call_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_asked, **_options: ended.wait(5) * [])
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"alerts\.example"):
        post(url="https://alerts.example/hook")
    assert time.monotonic() - started < 1.5
    ended.set()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999/", "http://127.0.0.1:1/a b", "http://a..b/", "http://" + "a" * 80]
)
def test_an_address_that_cannot_be_called_is_a_failure_of_the_outside(url: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        post(url=url)


def product(*, word: str) -> set[str]:
    """Return the product's modules whose text has a word."""
    modules = [
        path for floor in ("audit", "config", "documents", "payouts") for path in pathlib.Path(floor).rglob("*.py")
    ]
    return {
        path.as_posix() for path in modules if re.search(word, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }


def test_nothing_else_of_the_service_speaks_http_to_the_outside() -> None:
    speakers = product(
        word=r"^\s*(import (http\.client|urllib\.request|requests|httpx|urllib3)\b|from (http|urllib) import (client|request)\b)"
    )
    assert {path for path in speakers if not path.startswith("config/")} == {"documents/outside_http.py"}


@pytest.mark.parametrize(
    ("path", "host"), [("/nope", "testserver"), ("/api/v1/nope/", "testserver"), ("/", "evil.example")]
)
def test_every_answer_has_the_policy_of_the_settings_and_no_other_writes_it(path: str, host: str) -> None:
    policy = Client(raise_request_exception=False).get(path, headers={"host": host})["Content-Security-Policy"]
    assert set(policy.split("; ")) == {
        f"{name} {' '.join(sources)}" for name, sources in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].items()
    }
    assert product(word="[\"']Content-Security-Policy[\"']") == set()
