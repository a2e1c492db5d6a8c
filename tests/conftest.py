"""The servers, the database and the one cast that all tests share.

Everything is started when a test first asks for it, so tests of pure rooms start at once. Tests run as the runtime
role `billing_app`, never as the owner of the tables: what production may not do, a test may not do either.

- `db` (or `@pytest.mark.django_db`): each test in a transaction that is rolled back, on `default` and on `denials`.
  What one of the two connections writes, the other one does not see: read denials with `.using("denials")`.
- `committed_db` (or `@pytest.mark.django_db(transaction=True)`): for threads, child processes and crashes. Really
  commits; afterwards the database is replaced by its provisioned state.
- `stack`: the session's servers (`config.embedded.services.Stack`), with URLs for child processes and for force. Under
  pytest-xdist each worker is a session: what one test kills or fills, no test of another worker uses.
"""

import base64
import contextlib
import dataclasses
import gc
import importlib
import logging
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import django.conf
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase
from django.utils import translation
from pytest_django import DjangoDbBlocker, Settings

from audit import denials
from config import env
from config.embedded import machine, servers, services
from documents import locks
from documents.models import Issuer
from tests import cast
from tests.services import database, force, mailbox, objects

BOTH = frozenset({"default", "denials"})
WORKERS_MAX = 4
_folder: pathlib.Path
_shared = contextlib.ExitStack()  # what the workers of one session share, run by the process that started them
_announced: dict[str, dict[str, str]] = {}  # where that is


def pytest_configure() -> None:
    """Give the session an environment of its own, whatever the shell says."""
    global _folder  # noqa: PLW0603 - one folder per session, removed by the hook below
    tests = machine.VAR / "tests"
    tests.mkdir(parents=True, exist_ok=True)
    _folder = pathlib.Path(tempfile.mkdtemp(prefix="session-", dir=tests))
    variables = {
        "ENVIRONMENT": "test",
        "DATABASE_URL": "",
        "DATABASE_OWNER_URL": "",
        "REDIS_URL": "",
        "ALERT_URL": "",
        "PUBLIC_URL": "",
        "DEMO": "",
        "VAULT_URL": f"file://{_folder / 'vault'}",
        "VAULT_FORMER_URL": "",
        "MAIL_URL": f"file://{_folder / 'mail'}",
    }
    for service in env.SERVICES:
        word = base64.b64encode(f"test-secret-of-{service}".ljust(32, "-").encode()).decode()
        variables[f"WEBHOOK_SECRET_{service.upper()}"] = f"whsec_{word}"
    for name, value in variables.items():
        env.put(name=name, value=value)
    _read_settings_again()
    # The real hash takes 0.3 s a password, on purpose; no test is about its strength.
    django.conf.settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    TransactionTestCase.databases = set(BOTH)
    _list_static_files_once()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests share a worker, and begin with those that take longest.

    Tests that share a fixture of their module share its worker: the running product is started once a module.
    """
    first = ("anomalies", "journeys", "upgrades", "pages", "tampering", "invariants")
    items.sort(key=lambda item: next((n for n, name in enumerate(first) if name in item.path.parts), len(first)))
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
        if any(fixture.scope == "module" for known in fixtures for fixture in known):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and never among the modules and tests, which stay: it takes a sixth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_auto_num_workers() -> int:
    """Start a worker more than there are cores, for one is always waiting: for a server, a lock's end, a time limit."""
    cores = os.cpu_count() or 1
    return min(cores + 1, WORKERS_MAX) if cores > 1 else 1


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_configure_node(node: Any) -> None:
    """Tell a worker which S3 all of them share; the first one brings it up."""
    if "objects" not in _announced:
        _announced["objects"] = dataclasses.asdict(_shared.enter_context(objects.running()))
    node.workerinput.update(_announced)


def pytest_unconfigure() -> None:
    """Remove the session's vault and mailbox."""
    _shared.close()
    _remove(folder=_folder)


def _read_settings_again() -> None:
    """pytest-django reads the settings before any conftest is loaded; here they are read once more."""
    if "config.settings" not in sys.modules:
        return
    again = importlib.reload(sys.modules["config.settings"])
    for name in filter(str.isupper, dir(again)):
        if name != "DATABASES":  # Django's connections hold these very dictionaries: `stack` fills them in place
            setattr(django.conf.settings, name, getattr(again, name))


def _list_static_files_once() -> None:
    """Give each test client's middleware the files that the first one found: a client looks through all of them else."""
    listed: dict[str, Any] = {}
    middleware: Any = importlib.import_module("whitenoise.middleware").WhiteNoiseMiddleware
    look = middleware.add_files_from_finders

    def once(self: Any) -> None:
        if listed:
            self.files.update(listed)
        else:
            look(self)
            listed.update(self.files)

    middleware.add_files_from_finders = once


def _remove(*, folder: pathlib.Path) -> None:
    immutable = importlib.import_module("documents.vault.immutable")
    immutable.unlock_for_removal(folder=folder)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _spanish_first() -> None:
    """Let each test begin in the product's language: a page that an earlier one asked for leaves its own in force."""
    translation.activate(django.conf.settings.LANGUAGE_CODE)


@pytest.fixture(autouse=True)
def _no_counted_denials() -> Iterator[None]:
    """Denials are counted per process and minute: no test starts with another one's."""
    denials.forget()
    yield
    denials.forget()


class _LockFaults(logging.Handler):
    """Collects what `documents.locks` says of locks out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take one down."""
        self.faults.append(str(vars(record)["item"]))


@pytest.fixture(autouse=True)
def lock_faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Fail a test in which a lock came out of order, also where the code under test went on after it.

    The transaction in which a test of `db` lies is not the product's: an order is kept within what is inside it.
    """
    listener, logger = _LockFaults(), logging.getLogger("documents.locks")

    def inside() -> transaction.Atomic | None:
        return next((block for block in connection.atomic_blocks if not getattr(block, "_from_testcase", False)), None)

    monkeypatch.setattr(locks, "_transaction", inside)
    logger.addHandler(listener)
    yield listener.faults
    logger.removeHandler(listener)
    assert listener.faults == []


@pytest.fixture(scope="session")
def stack() -> Iterator[services.Stack]:
    """Start the session's PostgreSQL and Valkey and point this process and its children at them."""
    with services.Stack(memory=True) as stack:
        for name, value in stack.environment().items():
            env.put(name=name, value=value)
        for alias, variable in (
            ("default", "DATABASE_URL"),
            ("denials", "DATABASE_URL"),
            ("owner", "DATABASE_OWNER_URL"),
        ):
            django.conf.settings.DATABASES[alias].update(env.database(name=variable))
        _use_broker(url=stack.redis_url)
        yield stack
        database.stop()


def _use_broker(*, url: str) -> None:
    django.conf.settings.REDIS_URL = django.conf.settings.CELERY_BROKER_URL = url
    app = importlib.import_module("config.celery").app
    app.conf.broker_url = url
    app._after_fork()


@pytest.fixture(scope="session")
def django_db_setup(
    stack: services.Stack,
    s3_objects: objects.Objects,
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    """Provision the database as production does, in place of pytest-django's `test_` database."""
    with django_db_blocker.unblock():
        call_command("provision", verbosity=0)
        force.prepare(stack=stack)
        database.remember(stack=stack)
    # A flush would TRUNCATE, which the append-only triggers refuse.
    teardown = "_fixture_teardown"  # Django's types leave it out
    setattr(TransactionTestCase, teardown, lambda _self: database.restore(stack=stack))


@pytest.fixture
def committed_db(transactional_db: None) -> None:
    """Let a test commit; the database is replaced afterwards."""


@pytest.fixture
def valkey(tmp_path: pathlib.Path, stack: services.Stack) -> Iterator[servers.Valkey]:
    """Give a private broker that the test may `kill`, `pause`, `resume` and `start` again."""
    server = servers.Valkey(folder=tmp_path)
    server.start()
    _use_broker(url=server.url)
    yield server
    server.stop()
    _use_broker(url=stack.redis_url)


@pytest.fixture
def smtp(settings: Settings) -> Iterator[mailbox.Mailbox]:
    """Give a private SMTP server and send Django's mail there."""
    server = mailbox.Mailbox()
    server.start()
    settings.MAIL_URL, settings.MAIL = server.url, env.mail(url=server.url)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        settings.MAIL["backend"],
        "127.0.0.1",
        server.port,
    )
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD, settings.EMAIL_USE_TLS = "", "", False
    yield server
    server.stop()


@pytest.fixture
def vault_folder(tmp_path: pathlib.Path, settings: Settings) -> Iterator[pathlib.Path]:
    """Give an empty local vault of the test's own."""
    folder = tmp_path / "vault"
    settings.VAULT_URL = f"file://{folder}"
    yield folder
    if folder.exists():
        _remove(folder=folder)


@pytest.fixture(scope="session")
def s3_objects(request: pytest.FixtureRequest) -> Iterator[objects.Objects]:
    """Give the session's S3 with Object Lock; the vault is in the worker's bucket there from then on."""
    shared = getattr(request.config, "workerinput", {}).get("objects")
    with contextlib.nullcontext(objects.Objects(**shared)) if shared else objects.running() as running:
        running.use(name=f"vault-{env.text(name='PYTEST_XDIST_WORKER', default='alone')}")
        yield running


@pytest.fixture
def s3_vault(s3_objects: objects.Objects) -> str:
    """Let a test without a database have that vault, too; return its URL, whatever VAULT_URL a test has set."""
    return env.text(name="VAULT_URL")


@pytest.fixture
def ana(db: None) -> cast.Member:
    """Ana is a driver in Madrid. What is hers, only she may see."""
    return cast.owner(name="ana", platform_id="drv_ana", legal_name="Ana Gil Prieto", role="driver", tax_id="12345678Z")


@pytest.fixture
def beto(db: None) -> cast.Member:
    """Beto is another driver. What is Ana's is none of his business."""
    return cast.owner(
        name="beto", platform_id="drv_beto", legal_name="Alberto Ruiz Mora", role="driver", tax_id="87654321X"
    )


@pytest.fixture
def carla(db: None) -> cast.Member:
    """Carla runs a restaurant that is a partner."""
    return cast.owner(
        name="carla", platform_id="ptn_carla", legal_name="Carla Comidas, S.L.", role="partner", tax_id="B87654329"
    )


@pytest.fixture
def sofia(db: None) -> cast.Member:
    """Sofia is staff, support and finance, for every market."""
    return cast.staff(name="sofia", roles=["support", "finance"], countries=list(cast.COUNTRIES))


@pytest.fixture
def ivan(db: None) -> cast.Member:
    """Ivan audits every market and changes nothing."""
    return cast.staff(name="ivan", roles=["auditor"], countries=list(cast.COUNTRIES))


@pytest.fixture
def issuer(db: None) -> Issuer:
    """The company in Spain in whose name documents are issued."""
    return cast.issuer()
