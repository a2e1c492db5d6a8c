"""The fault proxy: what each mode is to a real client before a real server, live, and undone."""

import contextlib
import http.client
import http.server
import socket
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
import redis

from config.embedded import services
from config.faults import answers, cells, knocks, plants, proxy
from config.faults.answers import Protocol
from config.faults.proxy import Mode
from documents.resilience import dependencies


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None: ...


@pytest.fixture
def faults() -> Iterator[proxy.Proxy]:
    with proxy.Proxy(seed=7) as opened:
        yield opened


@pytest.fixture
def port(faults: proxy.Proxy) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield faults.add(name="vault", protocol=Protocol.S3, upstream=server.server_address[1], slow_s=0.5)
    server.shutdown()
    server.server_close()


def put(port: int, *, timeout_s: float = 5.0) -> tuple[int, bytes, str]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        client.request("PUT", "/bucket/key", body=b"bytes")
        answer = client.getresponse()
        return answer.status, answer.read(), answer.getheader("Retry-After", "")
    finally:
        client.close()


def test_a_port_passes_on_what_it_is_given_and_does_so_again_after_every_fault(faults: proxy.Proxy, port: int) -> None:
    for mode in set(Mode) - {Mode.AFTER_PUT}:
        faults.switch(name="vault", mode=mode)
        faults.switch(name="vault", mode=Mode.WELL)
        assert put(port) == (200, b"bytes", "")


def test_a_port_that_refuses_cuts_off_whoever_is_there_and_lets_nobody_in(faults: proxy.Proxy, port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    client.request("PUT", "/bucket/key", body=b"bytes")
    assert client.getresponse().read() == b"bytes"
    faults.switch(name="vault", mode=Mode.REFUSE)
    assert client.sock
    with contextlib.suppress(ConnectionResetError):
        assert client.sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        put(port)


def test_a_black_hole_and_a_slow_server_are_measured_by_how_long_their_client_has_waited(
    faults: proxy.Proxy, port: int
) -> None:
    faults.switch(name="vault", mode=Mode.BLACK_HOLE)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        put(port, timeout_s=0.5)
    time.sleep(0.1)
    (connection,) = faults.seen(name="vault", since=began)
    assert connection.requests == 1
    assert 0.4 < connection.waited_s(now=time.monotonic()) < 2
    faults.switch(name="vault", mode=Mode.SLOW)
    assert put(port)[0] == 200
    assert faults.seen(name="vault", since=began)[-1].longest_wait_s >= 0.5


def test_a_host_that_is_gone_drops_whoever_wants_to_connect_and_the_wait_is_seen_from_outside(
    faults: proxy.Proxy, port: int
) -> None:
    faults.switch(name="vault", mode=Mode.UNREACHABLE)
    watch, ended, began = knocks.KnockWatch(), threading.Event(), time.monotonic()

    def look() -> None:
        while not ended.wait(0.02):
            watch.look(ports={port})

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", port), timeout=0.5)
    ended.set()
    looking.join()
    waits = watch.waits_s(port=port, since=began)
    assert len(waits) == 2
    assert all(0.3 < wait_s < 2 for wait_s in waits)
    faults.switch(name="vault", mode=Mode.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        put(port)
    faults.switch(name="vault", mode=Mode.WELL)
    assert put(port)[0] == 200


def test_a_busy_server_says_503_and_429_with_the_time_to_wait_an_empty_one_says_yes_garbage_is_that_of_the_seed(
    faults: proxy.Proxy, port: int
) -> None:
    faults.switch(name="vault", mode=Mode.BUSY)
    assert {put(port)[::2] for _ in range(2)} == {(503, "7"), (429, "7")}
    faults.switch(name="vault", mode=Mode.EMPTY)
    assert put(port) == (200, b"", "")
    faults.switch(name="vault", mode=Mode.GARBAGE)
    with pytest.raises(http.client.HTTPException):
        put(port)
    assert answers.garbage(seed=7, turn=1) == answers.garbage(seed=7, turn=1) != answers.garbage(seed=8, turn=1)


def test_a_server_that_goes_after_a_put_has_answered_it(faults: proxy.Proxy, port: int) -> None:
    faults.switch(name="vault", mode=Mode.AFTER_PUT)
    assert put(port) == (200, b"bytes", "")
    time.sleep(0.5)
    with pytest.raises(ConnectionRefusedError):
        put(port)


def test_a_dripping_server_sends_a_byte_a_second(faults: proxy.Proxy, port: int) -> None:
    faults.switch(name="vault", mode=Mode.DRIP)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"PUT /bucket/key HTTP/1.1\r\nContent-Length: 5\r\n\r\nbytes")
        assert [client.recv(100) for _ in range(2)] == [b"H", b"T"]


def test_postgresql_and_redis_are_told_in_their_own_words_that_the_server_starts(
    faults: proxy.Proxy, stack: services.Stack
) -> None:
    database = faults.add(name="db", protocol=Protocol.POSTGRESQL, upstream=stack.postgres.port, slow_s=1)
    broker = faults.add(name="broker", protocol=Protocol.REDIS, upstream=stack.redis.port, slow_s=1)
    url = stack.database_url.replace(f":{stack.postgres.port}", f":{database}")
    client = redis.Redis.from_url(stack.redis_url.replace(f":{stack.redis.port}", f":{broker}"))
    psycopg.connect(url).close()
    assert client.ping()
    faults.switch(name="db", mode=Mode.BUSY)
    faults.switch(name="broker", mode=Mode.BUSY)
    with pytest.raises(psycopg.OperationalError, match="starting up"):
        psycopg.connect(url)
    with pytest.raises(redis.BusyLoadingError):
        client.ping()


def test_every_row_of_the_outside_table_has_cells_a_planted_defect_and_ways_of_failing() -> None:
    rows = set(dependencies.DEPENDENCIES)
    assert {cell.row for cell in cells.CELLS} == rows == set(plants.PLANTS)
    for row in rows - {"renderer", "clock"}:
        ways = {cell.way for cell in cells.CELLS if cell.row == row}
        assert ways >= {*cells.COMMON, cells.Way.FLAP, cells.Way.FLAP_AT_PAUSE}
    assert len({cell.name for cell in cells.CELLS}) == len(cells.CELLS)


def test_cells_are_chosen_by_row_way_and_name() -> None:
    assert [cell.name for cell in cells.chosen(only=["vault", "slow"])] == ["vault/slow"]
    assert {cell.way for cell in cells.chosen(only=["flap"])} == {"flap"}
    assert [cell.name for cell in cells.chosen(only=["mail/drip"])] == ["mail/drip"]
    assert len(cells.chosen(only=[])) == len(cells.CELLS)
    with pytest.raises(ValueError, match="teapot"):
        cells.chosen(only=["teapot"])
