"""The table of the outside lists what exists, all of it: whatever opens a connection has its row, limits and runbook."""

import ast
import functools
import re

import pytest

from documents.admin import dashboard
from documents.operations import checks, runbooks
from documents.resilience import dependencies
from tests.invariants.test_laws import trees

# TABLE: how a program reaches what is outside of it; the end of a call's dotted name.
CLIENTS = re.compile(
    r"(^|\.)(socket|create_connection|HTTPS?Connection|urlopen|EmailMessage|SMTP|SMTP_SSL|Smtp|get_connection|from_url|Redis"
    r"|create_client|client|resource|Session|get_session|ConnectionPool|connection_for_write|getaddrinfo|connect"
    r"|AsyncConnection|open_connection|PoolManager|send_mail|send_mass_mail|LMTP|StrictRedis|Sentinel|Popen|check_output|subprocess\.run)$"
)
# What has such a name and reaches nothing outside.
NO_CLIENT = re.compile(
    r"^(pathlib|ast|cast|threading|signal|monkeypatch|self\.mail|s3_client)\.|^client$"
    r"|^(setup_logging|bind_extra_task_metadata)\.connect$|^super\(\)\.connect$"  # Celery's signals; of whom it stands upon
)
# Commands, simulation and the embedded servers: no door and no worker runs them.
AWAY = ("config/management/", "config/simulation/", "config/embedded/", "config/drills/", "config/faults/")
# TABLE: module -> the rows whose connections it opens.
OPENS = {
    "documents/outside_http.py": {"alert_channel", "alert_channel_2"},
    "documents/alerts/channel.py": {"alert_channel", "alert_channel_2"},  # mailto:
    "documents/outside_smtp.py": {"mail", "alert_channel", "alert_channel_2"},
    "documents/vault/s3_client.py": {"vault", "vault_former", "vault_canary"},
    "config/celery.py": {"redis"},  # the broker
    "documents/resilience/publisher.py": {"redis"},
    "documents/alerts/direct.py": {"redis"},
    "documents/operations/checks.py": {"redis"},
    "documents/rendering/pool.py": {"renderer"},
}
STRANGE = re.compile(
    r"(requests|httpx|aiohttp|urllib3|urllib\.request|ftplib|poplib|imaplib|paramiko|boto3|telnetlib|xmlrpc|grpc|websockets"
    r"|pycurl|dns|ntplib|ldap3?|socketserver|multiprocessing\.connection)\b"
)
LONG = 60  # a dotted name that is longer is a chain of calls, whose first is looked at by itself
ELSEWHERE = {"postgresql", "clock"}


@functools.cache
def reached() -> dict[str, set[str]]:
    """Return the modules of the product that open connections, each with how: by a client's name, or by an import."""
    known: dict[str, set[str]] = {}
    for name, tree in trees():
        if not name.startswith(AWAY):
            known[name] = clients(tree=tree)
    return {name: how for name, how in known.items() if how}


def clients(*, tree: ast.AST) -> set[str]:
    """Return how a module opens connections."""
    how = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            made = ast.unparse(node.func) if isinstance(node.func, ast.Attribute | ast.Name) else ""
            if len(made) < LONG and CLIENTS.search(made) and not NO_CLIENT.search(made):
                how.add(made)
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", "") or ""
            imported = {module} if module else {alias.name for alias in node.names}
            imported |= {f"{module}.{alias.name}" for alias in node.names if module}
            how |= {each for each in imported if STRANGE.match(each)}
    return how


@pytest.mark.parametrize(
    "planted",
    [
        "psycopg.connect(url)",
        "connection = socket.socket(); connection.connect((host, 80))",
        "asyncio.open_connection(host, 80)",
        "from urllib import request",
        "import urllib3",
        "import dns.resolver",
        "smtplib.LMTP(host)",
        "mail.send_mail(subject, text, sender, [address])",
        "redis.StrictRedis(host)",
        "subprocess.Popen(['curl', url])",
        "subprocess.run(['curl', url], check=True)",
    ],
)
def test_a_client_that_is_planted_anywhere_is_seen(planted: str) -> None:
    assert clients(tree=ast.parse(planted))


def test_whatever_opens_a_connection_belongs_to_a_row_of_the_table() -> None:
    assert {name: how for name, how in reached().items() if name not in OPENS} == {}
    assert set(OPENS) - set(reached()) == set()


def test_the_table_lists_what_exists_and_nothing_else() -> None:
    assert set().union(*OPENS.values()) | ELSEWHERE == set(dependencies.DEPENDENCIES)


def test_every_row_has_its_check_its_name_on_the_first_page_and_its_runbook() -> None:
    assert set(checks.CHECKS) == set(dashboard.DEPENDENCY_NAMES) == set(dependencies.DEPENDENCIES)
    for name, row in dependencies.DEPENDENCIES.items():
        page = row.runbook.removeprefix("docs/runbooks/").removesuffix(".md")
        assert f"dependency_{name}" in runbooks.anchors(page=page), name
