"""A connection to a PostgreSQL that has fallen silent is given up, and one that is merely slow is not."""

import time
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connections
from django.db.utils import load_backend

from config.embedded import services
from config.faults import proxy
from config.faults.answers import Protocol
from config.faults.proxy import Mode
from documents.resilience.postgres import base

pytestmark = pytest.mark.django_db


@pytest.fixture
def silent(stack: services.Stack) -> Iterator[tuple[proxy.Proxy, base.DatabaseWrapper]]:
    with proxy.Proxy(seed=1) as faults:
        port = faults.add(name="db", protocol=Protocol.POSTGRESQL, upstream=stack.postgres.port, slow_s=0.5)
        given = connections.settings["default"]
        row = {**given, "NAME": "postgres", "HOST": "127.0.0.1", "PORT": str(port)}
        wrapper = load_backend(str(row["ENGINE"])).DatabaseWrapper(row, alias="default")
        wrapper.ensure_connection()
        yield faults, wrapper
        wrapper.close()


def ask(wrapper: base.DatabaseWrapper, query: str) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute(query)


def test_a_server_that_has_fallen_silent_is_given_up_within_the_total_and_a_second(
    silent: tuple[proxy.Proxy, base.DatabaseWrapper],
) -> None:
    faults, wrapper = silent
    ask(wrapper, "SELECT 1")
    faults.switch(name="db", mode=Mode.BLACK_HOLE)
    began = time.monotonic()
    with pytest.raises(OperationalError, match="no answer within"):
        ask(wrapper, "SELECT 1")
    assert base.ROW.total_s < time.monotonic() - began < base.ROW.total_s + 1
    assert wrapper.connection.closed
    began = time.monotonic()
    assert not wrapper.is_usable()
    wrapper.close()
    faults.switch(name="db", mode=Mode.WELL)
    ask(wrapper, "SELECT 1")  # mended without a restart
    faults.switch(name="db", mode=Mode.BLACK_HOLE)
    began = time.monotonic()
    assert not wrapper.is_usable()
    assert time.monotonic() - began < base.LOOK_S + 0.5


def test_a_slow_server_and_a_statement_that_may_take_long_are_waited_for(
    silent: tuple[proxy.Proxy, base.DatabaseWrapper],
) -> None:
    faults, wrapper = silent
    faults.switch(name="db", mode=Mode.SLOW)
    ask(wrapper, "SELECT 1")
    wrapper.connection.patience_s += 10  # the margin is for a server of full speed on a machine that has time
    with pytest.raises(OperationalError, match="statement timeout"):
        ask(wrapper, "SELECT pg_sleep(8)")
    ask(wrapper, "SET statement_timeout = 0")
    wrapper.connection.patience_s = None
    ask(wrapper, "SELECT pg_sleep(6.5)")
