"""The shared fixtures keep their promises to every other test."""

import datetime as dt
import hashlib
import os
import pathlib

import pytest
import redis
from django.contrib.auth.models import Group, User
from django.core.mail import send_mail
from django.db import connections

from config.embedded import servers
from documents.vault import store
from tests import cast
from tests.services import force, mailbox


@pytest.fixture(scope="module")
def shared() -> bool:
    return True


def test_what_shares_a_fixture_of_its_module_shares_a_worker(request: pytest.FixtureRequest, *, shared: bool) -> None:
    """Else the running product is started once a worker for each module: slow, and nothing says so."""
    assert shared
    assert "PYTEST_XDIST_WORKER" not in os.environ or request.node.nodeid.endswith("@test_conftest")


@pytest.mark.django_db
def test_a_test_runs_as_a_role_that_owns_nothing() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_user, (SELECT count(*) FROM pg_tables WHERE tableowner = current_user)")
        assert cursor.fetchone() == ("billing_app", 0)


@pytest.mark.usefixtures("committed_db")
def test_what_a_test_commits_is_there_for_other_connections() -> None:
    with force.by_force():
        Group.objects.create(name="left behind")
    assert Group.objects.using("denials").filter(name="left behind").exists()


@pytest.mark.usefixtures("committed_db")
def test_what_a_test_committed_is_gone_for_the_next_one() -> None:
    assert not Group.objects.filter(name="left behind").exists()


def test_the_cast_lives_in_a_transaction(
    ana: cast.Member, beto: cast.Member, carla: cast.Member, sofia: cast.Member
) -> None:
    assert ana.user.has_perm("documents.own_party", ana.party)
    assert not beto.user.has_perm("documents.own_party", ana.party)
    assert not sofia.user.has_perm("documents.own_party", carla.party)
    assert sofia.user.has_perm("documents.see_country", cast.country(code="MX"))


@pytest.mark.usefixtures("committed_db", "ivan")
def test_the_cast_is_committed_where_a_test_commits() -> None:
    assert User.objects.using("denials").filter(username="ivan").exists()


def test_mail_is_really_sent(smtp: mailbox.Mailbox) -> None:
    send_mail("Asunto", "Texto", "a@example.com", ["b@example.com"])
    assert [message["Subject"] for message in smtp.messages] == ["Asunto"]


def test_a_broker_can_hang_and_come_back(valkey: servers.Valkey) -> None:
    client = redis.Redis.from_url(valkey.url, socket_timeout=0.2, retry=None)
    assert client.ping()
    valkey.pause()
    with pytest.raises(redis.exceptions.TimeoutError):
        client.ping()
    valkey.resume()
    valkey.kill()
    with pytest.raises(redis.exceptions.ConnectionError):
        client.ping()
    valkey.start()
    assert client.ping()


@pytest.mark.usefixtures("db")
def test_a_vault_of_a_test_takes_a_locked_document(vault_folder: pathlib.Path) -> None:
    body = b"%PDF-1.7"
    digest = hashlib.sha256(body).hexdigest()
    stored = store.lock(
        key="test/one.pdf", body=body, retain_until=dt.datetime(2099, 1, 1, tzinfo=dt.UTC), sha256=digest
    )
    assert (vault_folder.exists(), stored.sha256) == (True, digest)
