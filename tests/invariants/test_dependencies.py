"""The table of the outside lists what exists, all of it: whatever opens a connection has its row, limits and runbook."""

import ast
import functools
import re

from documents.admin import dashboard
from documents.operations import checks, runbooks
from documents.resilience import dependencies
from tests.invariants.test_laws import trees

# TABLE: how a program reaches what is outside of it; the end of a call's dotted name.
CLIENTS = re.compile(
    r"(^|\.)(socket|create_connection|HTTPS?Connection|urlopen|EmailMessage|SMTP|SMTP_SSL|Smtp|get_connection|from_url|Redis"
    r"|create_client|client|resource|Session|get_session|ConnectionPool|connection_for_write|getaddrinfo|connect)$"
)
# What has such a name and reaches nothing outside.
NO_CLIENT = re.compile(r"^(pathlib|ast|cast|threading|signal|monkeypatch|self\.mail|s3_client)\.|\.connect$|^client$")
# TABLE: module -> the rows whose connections it opens.
OPENS = {
    "documents/outside_http.py": {"alert_channel", "alert_channel_2"},
    "documents/alerts/channel.py": {"alert_channel", "alert_channel_2"},  # mailto:
    "documents/outside_smtp.py": {"mail", "alert_channel", "alert_channel_2"},
    "documents/vault/s3_client.py": {"vault", "vault_former", "vault_canary"},
    "documents/resilience/publisher.py": {"redis"},
    "documents/alerts/direct.py": {"redis"},
    "documents/operations/checks.py": {"redis", "mail"},
}
STRANGE = re.compile(r"(requests|httpx|aiohttp|urllib3|urllib\.request|ftplib|paramiko|boto3|telnetlib|xmlrpc|grpc)\b")
LONG = 60  # a dotted name that is longer is a chain of calls, whose first is looked at by itself
ELSEWHERE = {"postgresql", "renderer", "clock"}


@functools.cache
def reached() -> dict[str, set[str]]:
    """Return the modules of the product that open connections, each with how: by a client's name, or by an import."""
    known: dict[str, set[str]] = {}
    for name, tree in trees():
        if name.startswith("config/"):
            continue  # commands, simulation and the embedded servers: no door and no worker runs them
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                made = ast.unparse(node.func) if isinstance(node.func, ast.Attribute | ast.Name) else ""
                if len(made) < LONG and CLIENTS.search(made) and not NO_CLIENT.search(made):
                    known.setdefault(name, set()).add(made)
            if isinstance(node, ast.ImportFrom | ast.Import):
                module = getattr(node, "module", "") or ""
                imported = {module, *(alias.name for alias in node.names if not module)}
                known.setdefault(name, set()).update(one for one in imported if STRANGE.match(one))
    return {name: how for name, how in known.items() if how}


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
